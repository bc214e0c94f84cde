/**
 * The channel smtp-out by itself: set up from its options as an admin writes them, given deliveries, asked for outcomes.
 */
import type { TestContext } from 'node:test'
import {
  createDns,
  type Delivery,
  dnsOptions,
  type MailParameters,
  type Outcome,
  type PluginInstance,
  type Recipient,
  type Store,
} from 'iems'
import { smtpOut } from 'iems/plugins/smtp-out'
import { memoryStore } from 'iems/testing'
import { serveZone, type Zone, type ZoneServer } from './dns-zone.ts'

export type SmtpOutOptions = Omit<NonNullable<Parameters<typeof smtpOut>[0]>, 'dns'> & {
  /** Served by a name server on the loopback interface. */
  readonly dns?: FixedDns
}

export interface Letter {
  readonly from?: string
  readonly to?: readonly (string | (Partial<Recipient> & { readonly address: string }))[]
  readonly nexthop?: string
  readonly content?: string | Buffer | AsyncIterable<Uint8Array>
  readonly size?: number
  readonly parameters?: MailParameters
  readonly needs?: Partial<Delivery['needs']>
  readonly headers?: Readonly<Record<string, readonly string[]>>
}

export interface Channel {
  readonly parts: PluginInstance
  send(letter?: Letter, signal?: AbortSignal): Promise<readonly Outcome[]>
  /** As `send`, the outcomes in one line each: `delivered b@x.test 250 2.0.0 Taken`. */
  tell(letter?: Letter, signal?: AbortSignal): Promise<readonly string[]>
}

export const LETTER = 'From: a@a.test\r\nSubject: test\r\n\r\nHello.\r\n'

/** With `now` a clock that the test holds. */
export async function startChannel(
  t: Pick<TestContext, 'after'>,
  options: SmtpOutOptions,
  now = Date.now,
  store: Store = memoryStore({ now }),
): Promise<Channel> {
  const { dns: records, ...given } = options
  const { definition, input } = smtpOut({ localMx: true, ...given })
  const checked = await definition.config['~standard'].validate(input)
  if (checked.issues) throw new Error(checked.issues.map(({ message }: { message: string }) => message).join('; '))
  const stop = new AbortController()
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  const server = await serveZone(t, records?.zone ?? {})
  const dns = createDns(dnsOptions.parse(server.dns), now)
  records?.served(server)
  const clock = { now, after: () => () => {} }
  const ctx = {
    name: 'out',
    hostname: 'iems.test',
    log,
    dns,
    clock,
    store,
    repeat() {},
    emit() {},
    schedule() {},
    signal: stop.signal,
  }
  const parts: PluginInstance = await definition.setup(checked.value, ctx as never)
  t.after(async () => {
    stop.abort()
    await parts.close?.(AbortSignal.timeout(1000))
  })
  const send = async (letter: Letter = {}, signal = new AbortController().signal) => {
    const nexthop = letter.nexthop ?? options.nexthop ?? 'b.test'
    return (await parts.deliver?.(deliveryOf(letter, nexthop), { log, signal, state: {}, note() {} })) ?? []
  }
  return {
    parts,
    send,
    async tell(letter, signal) {
      const outcomes = await send(letter, signal)
      return outcomes.map(
        ({ recipient, status, reply }) =>
          `${status} ${recipient.address} ${reply.code} ${reply.enhanced} ${reply.text}`,
      )
    },
  }
}

function deliveryOf(letter: Letter, nexthop: string): Delivery {
  const { from = 'a@a.test', to = ['b@b.test'], content = LETTER, parameters = {}, headers = {} } = letter
  const recipients = to.map(
    (one): Recipient => (typeof one === 'string' ? { address: one, original: one } : { original: one.address, ...one }),
  )
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  const size = letter.size ?? (Buffer.isBuffer(bytes) ? bytes.length : 100_000)
  const message = { id: 'M', from, parameters, recipients, size }
  return {
    id: 'M.0',
    message: message as unknown as Delivery['message'],
    route: { channel: 'out', nexthop },
    recipients,
    attempt: 1,
    from,
    headers: { get: (name) => headers[name] ?? [], prepend() {}, remove() {} },
    size,
    needs: { eightBit: false, binary: false, utf8: false, ...letter.needs },
    async *open() {
      if (Buffer.isBuffer(bytes)) yield bytes
      else yield* bytes
    },
  }
}

type Records = Readonly<
  Record<
    string,
    {
      readonly mx?: readonly string[]
      readonly a?: readonly string[]
      readonly aaaa?: readonly string[]
      readonly txt?: readonly string[]
      readonly fails?: boolean
    }
  >
>

export interface FixedDns {
  /** As it is served: it may be changed. */
  readonly zone: Zone
  /** Every question, in order: `mx b.test`. */
  readonly asked: readonly string[]
  served(server: ZoneServer): void
}

/** The records of a zone by name: `{ 'b.test': { mx: ['10 mx.b.test'] }, 'mx.b.test': { a: ['127.0.0.1'] } }`. */
export function fixedDns(records: Records): FixedDns {
  let server: ZoneServer | undefined
  const zone: Zone = {}
  for (const [name, { mx, a, aaaa, txt, fails }] of Object.entries(records)) {
    if (fails) for (const type of ['MX', 'A', 'AAAA', 'TXT']) zone[`${type} ${name}`] = 'SERVFAIL'
    if (mx) zone[`MX ${name}`] = mx.map(exchangeOf)
    if (a) zone[`A ${name}`] = a
    if (aaaa) zone[`AAAA ${name}`] = aaaa
    if (txt) zone[`TXT ${name}`] = txt
  }
  return {
    get zone() {
      return server?.zone ?? zone
    },
    get asked() {
      return (server?.asked ?? []).map((question) => question.replace(/^\S+/, (type) => type.toLowerCase()))
    },
    served(by) {
      server = by
    },
  }
}

function exchangeOf(text: string) {
  const [priority, exchange = ''] = text.split(' ')
  return { priority: Number(priority), exchange: exchange.replace(/\.$/, '') }
}
