/**
 * A kernel with sender-auth and a client from any address: what a stranger's server would be, without a socket.
 */
import type { TestContext } from 'node:test'
import { type ConnectionInfo, definePlugin, type Identity, type PluginEntry, type Reply } from 'iems'
import { senderAuth } from 'iems/plugins/sender-auth'
import { clientChannel, createTestKernel, type Delivered, type TestKernelOptions } from 'iems/testing'
import * as z from 'zod'
import { serveZone, type Zone } from './dns-zone.ts'

export type SenderAuthOptions = NonNullable<Parameters<typeof senderAuth>[0]>

export interface Sent {
  readonly content: string | Buffer
  readonly from?: string
  readonly to?: string
  /** The client's address. */
  readonly ip?: string
  readonly helo?: string
  readonly identity?: Identity
  readonly facts?: Partial<ConnectionInfo>
}

export interface Result {
  readonly reply: Reply
  readonly findings: Readonly<Record<string, unknown>>
  /** What arrived; undefined when nothing did. */
  readonly delivered: Delivered | undefined
  /** Values of Authentication-Results, first to last, in one line each. */
  readonly results: readonly string[]
}

export interface Settings {
  readonly zone?: Zone
  readonly options?: Omit<SenderAuthOptions, 'dns'>
  readonly plugins?: readonly PluginEntry[]
  readonly channels?: TestKernelOptions['channels']
  /** Networks that the channel trusts. */
  readonly trusts?: string[]
  readonly kernel?: Omit<TestKernelOptions, 'plugins' | 'channels'>
}

export const MX = 'mx.test'

export async function startSenderAuth(t: Pick<TestContext, 'after'>, settings: Settings = {}) {
  const source = await serveZone(t, settings.zone ?? {}, { timeout: '1 s' })
  const seen: Record<string, unknown> = {}
  /** Looks at the findings as a filter behind sender-auth would. */
  const filter = definePlugin({
    name: 'filter',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        check({ findings }) {
          for (const { name, value } of findings) seen[name] = value
        },
      },
    }),
  })
  const entry = senderAuth(settings.options)
  const out = capture()
  const kernel = await createTestKernel(t, {
    ...settings.kernel,
    dns: source.dns,
    channels: { ...settings.channels, in: clientChannel({ trusts: settings.trusts ?? [] }), out: out.entry },
    plugins: [entry, filter(), ...(settings.plugins ?? [])],
  })

  /** Hands a message in as a client at that address would. */
  async function send({ content, from = 'ann@a.test', to = 'bob@here.test', ...client }: Sent): Promise<Result> {
    for (const name of Object.keys(seen)) delete seen[name]
    const { ip = '192.0.2.1', helo = 'mail.a.test', identity, facts } = client
    const remote = { address: ip, port: 25 }
    const session = kernel.session({ remote, ...facts, helo, ...(identity ? { identity } : {}) })
    const before = out.delivered.length
    const { reply } = await session.submit({ from, to: [to], content: bytesOf(content) })
    session.close()
    await kernel.deliver()
    const delivered = out.delivered[before]
    return { reply, findings: { ...seen }, delivered, results: delivered ? resultsOf(delivered.content) : [] }
  }

  /** Runs a command as `iems` would; the values it gives. */
  async function run(words: string, options: Readonly<Record<string, string | true>> = {}): Promise<unknown[]> {
    const outputs = await kernel.command(words, { options })
    return outputs.flatMap((one) => ('value' in one && one.value !== undefined ? [one.value] : []))
  }

  return { ...kernel, ...source, delivered: out.delivered, send, run }
}

function capture() {
  const delivered: Delivered[] = []
  const plugin = definePlugin({
    name: 'capture',
    config: z.undefined(),
    setup: (_, { name }) => ({
      hooks: { route: { stage: 'last', handler: () => ({ channel: name, nexthop: 'here' }) } },
      async deliver({ message, recipients, route, attempt, open }) {
        const chunks = await Array.fromAsync(open())
        delivered.push({
          from: message.from,
          to: recipients.map(({ address }) => address),
          ...route,
          attempt,
          content: Buffer.concat(chunks).toString('latin1'),
          message: message.id,
        })
        return recipients.map((recipient) => ({
          recipient,
          status: 'delivered' as const,
          reply: { code: 250, enhanced: '2.0.0' as const, text: 'Taken' },
        }))
      },
    }),
  })
  return { entry: plugin(undefined, { accepts: 'anyone' }), delivered }
}

async function* bytesOf(content: string | Buffer): AsyncGenerator<Uint8Array> {
  yield Buffer.isBuffer(content) ? content : Buffer.from(content, 'latin1')
}

/** The values of a field, unfolded. */
export function fieldsOf(content: string, name: string): string[] {
  const [header = ''] = content.split('\r\n\r\n')
  return header
    .replace(/\r\n[ \t]/g, ' ')
    .split('\r\n')
    .filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    .map((line) => line.slice(name.length + 1).trim())
}

function resultsOf(content: string): string[] {
  return fieldsOf(content, 'Authentication-Results')
}

/** A letter as a person writes it. */
export function letter(from = 'Ann <ann@a.test>', fields: readonly string[] = []): string {
  const head = [
    ...fields,
    `From: ${from}`,
    'To: bob@here.test',
    'Subject: Hello',
    'Date: Thu, 01 Jan 2026 00:00:00 +0000',
  ]
  return `${head.join('\r\n')}\r\n\r\nHello Bob,\r\n\r\nhow are you?\r\n`
}
