/**
 * The smtp-in plugin on a free loopback port with a kernel whose every answer the test decides: for refusals, faults
 * and slowness that a real kernel shows only with effort, and to see exactly what content arrived.
 */
import { createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import {
  accept,
  type Clock,
  type ConnectionInfo,
  type Credentials,
  defer,
  type Identity,
  type MailParameters,
  type Refusal,
  type Reply,
  type ServerSession,
  type SetupContext,
} from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { converse } from '../../core/auth/sasl/exchange.ts'

export interface Arrived {
  readonly facts: ConnectionInfo & { readonly helo?: string; readonly identity?: Identity | undefined }
  readonly from: string
  readonly parameters: MailParameters
  readonly recipients: readonly {
    readonly address: string
    readonly notify?: readonly string[]
    readonly orcpt?: string
  }[]
  readonly content: string
}

/** What the kernel answers; everything is welcome by default. */
export interface Answers {
  connect?(facts: ConnectionInfo): Refusal | undefined | Promise<Refusal | undefined>
  auth?(credentials: Credentials): Identity | Refusal | Promise<Identity | Refusal>
  mail?(from: string): Refusal | undefined | Promise<Refusal | undefined>
  rcpt?(address: string): Refusal | undefined | Promise<Refusal | undefined>
  /** Called when the content has come. */
  data?(arrived: Arrived): Reply | Promise<Reply>
  /** In place of reading the content. */
  read?(content: AsyncIterable<Uint8Array>): Promise<Reply>
  /** How many messages wait for a next hop or a `#channel`; below zero the queue is broken. */
  waiting?: Record<string, number>
  clock?: Clock
}

export interface Listener {
  readonly port: number
  readonly ports: readonly number[]
  readonly arrived: Arrived[]
  /** Why content ended early. */
  readonly broken: string[]
  readonly logged: string[]
  readonly flushed: string[]
  /** Sessions that the plugin has opened and not closed. */
  readonly sessions: number
  connections(): Promise<number>
  close(signal?: AbortSignal): Promise<void>
}

export async function openDoor(
  t: TestContext,
  input: Partial<Parameters<typeof smtpIn>[0]> = {},
  answers: Answers = {},
): Promise<Listener> {
  const { definition, input: given } = smtpIn({ listen: '127.0.0.1:0', ...input })
  const arrived: Arrived[] = []
  const broken: string[] = []
  const logged: string[] = []
  const flushed: string[] = []
  const servers: ReturnType<typeof createServer>[] = []
  const ports: number[] = []
  let sessions = 0

  function openSession(first: ConnectionInfo): ServerSession {
    let facts: Arrived['facts'] = first
    let from: string | undefined
    let parameters: MailParameters = {}
    let recipients: Arrived['recipients'][number][] = []
    let isClosed = false
    sessions++
    const clear = () => {
      from = undefined
      recipients = []
    }
    return {
      session: { trusted: false } as ServerSession['session'],
      connect: async () => answers.connect?.(first),
      update(more) {
        facts = { ...facts, ...more }
        if (more.helo !== undefined || more.tls) clear()
      },
      mechanisms: () => ['PLAIN', 'LOGIN'],
      async authenticate(exchange) {
        const begin = async () => defer(454, '4.7.0', 'No proofs here')
        return converse(exchange, { judge: (credentials) => this.auth(credentials), begin }, undefined)
      },
      async auth(credentials) {
        const answer = (await answers.auth?.(credentials)) ?? {
          kind: 'refuse',
          reply: { code: 535, enhanced: '5.7.8', text: 'Wrong' },
        }
        if (answer.kind === 'identity') facts = { ...facts, identity: answer }
        return answer
      },
      async mail(address, given) {
        const refusal = await answers.mail?.(address)
        if (!refusal) {
          from = address
          parameters = given
        }
        return refusal
      },
      async rcpt(to) {
        if (from === undefined) throw new Error('RCPT without MAIL reached the kernel')
        const refusal = await answers.rcpt?.(to.address)
        if (!refusal) recipients.push(to)
        return refusal
      },
      outlook: () => undefined,
      examine: () => Promise.reject(new Error('this listener keeps its mail')),
      async data(source) {
        const content = source as AsyncIterable<Uint8Array>
        const message = { facts, from: from ?? '', parameters, recipients }
        clear()
        if (answers.read) return answers.read(content)
        let text = ''
        try {
          for await (const chunk of content) text += Buffer.from(chunk).toString('latin1')
        } catch (error) {
          broken.push(String(error))
          return { code: 451, enhanced: '4.3.0', text: 'Broken' }
        }
        const whole = { ...message, content: text }
        const reply = (await answers.data?.(whole)) ?? accept(250, '2.0.0', 'Queued')
        if (reply.code === 250) arrived.push(whole)
        return reply
      },
      reset: clear,
      revoked: new AbortController().signal,
      onRechecked() {},
      resume: async () => undefined,
      close() {
        if (!isClosed) sessions--
        isClosed = true
      },
    }
  }

  const say = (text: string, fields?: object) => void logged.push(`${text} ${JSON.stringify(fields)}`)
  const count = (name: string) => answers.waiting?.[name] ?? 0
  const flush = (name: string) => {
    if (count(name) < 0) throw new Error('the queue is broken')
    flushed.push(name)
    return count(name)
  }
  const ctx = {
    dns: { ask: async () => ({ kind: 'unavailable', why: 'no DNS here' }) },
    name: 'mx',
    hostname: 'mx.test',
    log: { debug: say, info: say, warn: say, error: say },
    clock: answers.clock ?? {
      now: () => performance.now(),
      after(ms: number, call: () => void) {
        const timer = setTimeout(call, ms)
        return () => clearTimeout(timer)
      },
    },
    signal: new AbortController().signal,
    queue: {
      count: async ({ nexthop, channel }: { nexthop?: string; channel?: string }) =>
        Math.abs(count(nexthop ?? `#${channel}`)),
      flush: async (nexthop: string) => flush(nexthop),
      retry: async ({ channel }: { channel: string }) => flush(`#${channel}`),
    },
    openSession,
    repeat() {},
    lasting: (_: string, make: () => object) => make(),
    async port(address: string, _label: string, connection: (socket: Socket) => void) {
      const server = createServer(connection)
      servers.push(server)
      const unix = /^unix:(.+)$/.exec(address)?.[1]
      await new Promise<void>((resolve) =>
        unix ? server.listen(unix, resolve) : server.listen(0, '127.0.0.1', resolve),
      )
      const bound = server.address()
      const port = typeof bound === 'object' && bound ? bound.port : 0
      ports.push(port)
      return { address: '127.0.0.1', port }
    },
  } as unknown as SetupContext

  const config = definition.config.parse(given)
  const parts = await definition.setup(config, ctx)
  await parts.listen?.()
  let closed = false
  const close = async (signal = AbortSignal.timeout(5000)) => {
    if (closed) return
    closed = true
    for (const server of servers) server.close()
    await parts.close?.(signal)
  }
  t.after(() => close(AbortSignal.abort()))
  return {
    port: ports[0] ?? 0,
    ports,
    arrived,
    broken,
    logged,
    flushed,
    get sessions() {
      return sessions
    },
    async connections() {
      const counts = await Promise.all(
        servers.map(
          (server) =>
            new Promise<number>((resolve, reject) =>
              server.getConnections((error, n) => (error ? reject(error) : resolve(n))),
            ),
        ),
      )
      return counts.reduce((sum, n) => sum + n, 0)
    },
    close,
  }
}
