/**
 * Pushes as server-sent events (RFC 8620 section 7.3).
 */
import type { Clock } from 'iems'
import * as z from 'zod'
import type { Call, HttpApi, LoggedIn, ServerEvent } from '../../http/api.ts'
import { listen, type PushDeps, type StateChange } from './pushes.ts'

export interface EventSourceDeps extends PushDeps {
  readonly clock: Clock
  accountsOf(call: LoggedIn<Call>): Promise<readonly string[]>
  readonly types: readonly string[]
}

const query = z.object({
  types: z.string().max(2000).default('*'),
  closeafter: z.enum(['state', 'no']).default('no'),
  ping: z.coerce.number().int().min(0).default(0),
})
const MIN_PING_S = 5
const MAX_PING_S = 300

export function addEventSource(http: HttpApi, deps: EventSourceDeps): void {
  http.events({
    path: '/jmap/eventsource',
    who: 'user',
    summary: 'Stream state changes (JMAP EventSource)',
    query,
    run: (call) => events(deps, call),
  })
}

async function* events(
  deps: EventSourceDeps,
  call: LoggedIn<Call<unknown, z.output<typeof query>>>,
): AsyncGenerator<ServerEvent> {
  const { types, closeafter, ping } = call.query
  const wanted = types === '*' ? deps.types : types.split(',').filter((type) => deps.types.includes(type))
  const queue: ServerEvent[] = []
  let wake = () => {}
  const push = (event: ServerEvent) => {
    queue.push(event)
    wake()
  }
  const stop = listen(deps, {
    accounts: await deps.accountsOf(call),
    types: wanted,
    send: (data: StateChange) => push({ event: 'state', data }),
  })
  const interval = ping === 0 ? 0 : Math.min(Math.max(ping, MIN_PING_S), MAX_PING_S)
  let cancel = () => {}
  const beat = () => {
    cancel = deps.clock.after(interval * 1000, () => {
      push({ event: 'ping', data: { interval } })
      beat()
    })
  }
  if (interval > 0) beat()
  call.signal.addEventListener('abort', () => wake(), { once: true })
  try {
    while (!call.signal.aborted) {
      const next = queue.shift()
      if (next) {
        yield next
        if (closeafter === 'state' && next.event === 'state') return
        continue
      }
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  } finally {
    stop()
    cancel()
  }
}
