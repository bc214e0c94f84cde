/**
 * The queue: next hops, deliveries page by page, and changes of one, many or all that a filter names.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { QueueFilter, QueueHop } from 'iems'
import * as z from 'zod'
import { Download, HttpProblem, requireFresh } from '../../http/api.ts'
import { type AdminCall, type AdminRoutes, type Line, lines } from '../routes.ts'

const text = z.string().min(1).max(1000)
const yesOrNo = z.stringbool()
const filterShape = {
  message: text.optional(),
  channel: text.optional(),
  nexthop: text.optional(),
  from: text.optional(),
  recipient: text.optional(),
}
const filter = z.strictObject({ ...filterShape, held: z.boolean().optional(), scheduled: z.boolean().optional() })
const MAX_PAGE = 500
const MAX_IDS = 100_000
/** Deliveries of one step of a change by ids. */
const BATCH = 100
/** Counts are this old at least before they are read again. */
const HOPS_KEPT_MS = 1000
const MAX_SHOWN_OCTETS = 262_144

/** Fields without those that are undefined, as filters want them. */
const given = (value: object): QueueFilter =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined))

const change = z.strictObject({
  action: z.enum(['hold', 'release', 'retry', 'bounce', 'remove', 'reroute']),
  /** Deliveries, as message id, dot, number; a message id alone means all of its deliveries. */
  ids: z.array(text).min(1).max(MAX_IDS).optional(),
  /** All deliveries that fit, instead of `ids`. */
  filter: filter.optional(),
  reason: z.string().min(1).max(500).optional(),
  route: z.strictObject({ channel: text, nexthop: text }).optional(),
})
type Change = z.output<typeof change>
const IRREVERSIBLE = new Set(['bounce', 'remove'])

/**
 * Next hops with their counts, the longest first. Counting reads every key of the queue: callers share one reading, and
 * it takes a twentieth of the time at most.
 */
class Hops {
  #last: { readonly hops: readonly QueueHop[]; readonly at: number; readonly took: number } | undefined
  #reading: Promise<readonly QueueHop[]> | undefined
  #generation = 0

  async of(queue: AdminCall['administration']['queue']): Promise<readonly QueueHop[]> {
    const last = this.#last
    if (last && performance.now() - last.at < Math.max(HOPS_KEPT_MS, last.took * 20)) return last.hops
    this.#reading ??= this.#read(queue)
    return this.#reading
  }

  /** After a change, so that the administrator sees it at once. */
  forget(): void {
    this.#last = undefined
    this.#reading = undefined
    this.#generation++
  }

  async #read(queue: AdminCall['administration']['queue']): Promise<readonly QueueHop[]> {
    const generation = this.#generation
    const since = performance.now()
    try {
      const hops = (await Array.fromAsync(queue.hops())).sort((a, b) => b.count - a.count)
      const at = performance.now()
      if (generation === this.#generation) this.#last = { hops, at, took: at - since }
      return hops
    } finally {
      if (generation === this.#generation) this.#reading = undefined
    }
  }
}

const sumOf = (hops: readonly QueueHop[], { channel, nexthop, held }: QueueFilter = {}): number =>
  hops
    .filter((one) => (channel ?? one.channel) === one.channel && (held ?? one.held) === one.held)
    .filter((one) => !nexthop || (nexthop.startsWith('.') ? one.nexthop.endsWith(nexthop) : one.nexthop === nexthop))
    .reduce((sum, { count }) => sum + count, 0)

export function addQueue(routes: AdminRoutes): void {
  const hops = new Hops()
  routes.route({
    method: 'GET',
    path: '/api/v1/queue/hops',
    who: 'queue:read',
    summary: 'List next hops with the number of deliveries that wait for each',
    run: async ({ administration }) => {
      const found = await hops.of(administration.queue)
      return { hops: found, total: sumOf(found) }
    },
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/queue',
    who: 'queue:read',
    summary: 'List deliveries, page by page',
    query: z.object({
      ...filterShape,
      held: yesOrNo.optional(),
      scheduled: yesOrNo.optional(),
      offset: z.coerce.number().int().min(0).max(10_000_000).default(0),
      limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100),
    }),
    async run({ administration, query: { offset, limit, ...rest } }) {
      const wanted = given(rest)
      const entries = await Array.fromAsync(administration.queue.list(wanted, limit + 1, offset))
      const next = entries.length > limit ? { next: offset + limit } : {}
      const { message, from, recipient, scheduled } = wanted
      // Of a part of the queue that next hops count anyway, a page can be reached without those before it.
      const isCounted = [message, from, recipient, scheduled].every((one) => one === undefined)
      const total = isCounted ? { total: sumOf(await hops.of(administration.queue), wanted) } : {}
      return { entries: entries.slice(0, limit), ...total, ...next }
    },
  })
  routes.route({
    method: 'POST',
    path: '/api/v1/queue/changes',
    who: 'admin',
    summary: 'Hold, release, retry, bounce, remove or reroute deliveries; a stream of lines',
    body: change,
    limit: { body: 16_000_000 },
    run(call) {
      const wanted = call.body as Change
      if (!wanted.ids && !wanted.filter) throw new HttpProblem(400, 'Name deliveries by ids or by a filter')
      if (IRREVERSIBLE.has(wanted.action)) requireFresh(call.login)
      return lines(changed(call, wanted, hops))
    },
  })
  routes.route({
    method: 'POST',
    path: '/api/v1/queue/flush',
    who: 'admin',
    summary: 'Try all deliveries of a next hop now',
    body: z.strictObject({ nexthop: text, channel: text.optional() }),
    run: async ({ administration, body }) => {
      const count = await administration.queue.flush(body.nexthop, body.channel)
      hops.forget()
      return { count }
    },
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/queue/content/:message',
    who: 'admin',
    summary: 'Show the beginning of a waiting message; the history records it',
    params: z.object({ message: text }),
    run: ({ administration, params: { message } }) => contentOf(administration, message),
  })
}

async function contentOf(administration: AdminCall['administration'], message: string): Promise<Download> {
  const content = await administration.queue.open(message, { start: 0, end: MAX_SHOWN_OCTETS })
  if (!content) throw new HttpProblem(404, 'This message does not wait here')
  return new Download({ type: 'text/plain; charset=utf-8', open: () => content })
}

async function* changed(call: AdminCall, wanted: Change, hops: Hops): AsyncGenerator<Line> {
  try {
    yield* steps(call, wanted)
  } finally {
    hops.forget()
  }
}

async function* steps(call: AdminCall, wanted: Change): AsyncGenerator<Line> {
  const { administration, signal } = call
  if (wanted.filter) {
    yield { progress: 'Under way' }
    const count = await apply(administration, wanted, given(wanted.filter))
    yield { text: `${count} changed`, value: { count } }
    return
  }
  const ids = wanted.ids ?? []
  let count = 0
  for (let at = 0; at < ids.length; at += BATCH) {
    // Other clients have their turn, and this one may have gone.
    await turn()
    if (signal.aborted) return
    const batch = ids.slice(at, at + BATCH)
    const done = await Promise.all(batch.map((message) => apply(administration, wanted, { message })))
    for (const [index, one] of done.entries())
      if (one === 0) yield { fault: 'It is being attempted now, or has ended', at: batch[index] as string }
    count += done.reduce((sum, one) => sum + one, 0)
    const handled = Math.min(at + BATCH, ids.length)
    yield { progress: `${handled} of ${ids.length}`, done: handled, total: ids.length }
  }
  yield { text: `${count} changed`, value: { count } }
}

function apply({ queue }: AdminCall['administration'], wanted: Change, which: QueueFilter): Promise<number> {
  const reason = wanted.reason ?? 'by an administrator'
  switch (wanted.action) {
    case 'hold':
      return queue.hold(which, reason)
    case 'release':
      return queue.release(which)
    case 'retry':
      return queue.retry(which)
    case 'bounce':
      return queue.bounce(which, reason)
    case 'remove':
      return queue.remove(which)
    case 'reroute':
      if (!wanted.route) throw new HttpProblem(400, 'Name the new route')
      return queue.reroute(which, wanted.route)
  }
}
