/**
 * A kernel with antispam and clients from any address: what a stranger's server would be, without a socket.
 */
import type { TestContext } from 'node:test'
import type { Identity, MailParameters, PluginEntry, Reply } from 'iems'
import { antispam } from 'iems/plugins/antispam'
import { clientChannel, createTestKernel, deliveredTo, type TestKernel } from 'iems/testing'
import { serveZone, type Zone } from './dns-zone.ts'
import { createMailKernel, type MailKernel, type MailKernelOptions } from './mailstore.ts'
import { createWatcher } from './watcher.ts'

export type AntispamOptions = NonNullable<Parameters<typeof antispam>[0]>

export interface Sent {
  readonly content?: string | Buffer
  readonly from?: string
  readonly parameters?: MailParameters
  readonly to?: string | readonly string[]
  /** The client's address. */
  readonly ip?: string
  /** Its name; null for none, default: not known. */
  readonly name?: string | null
  readonly helo?: string
  readonly identity?: Identity
}

export interface Result {
  /** Of the content, or of what was refused before it. */
  readonly reply: Reply
  /** Of each recipient that was refused. */
  readonly refused: readonly Reply[]
  readonly findings: Readonly<Record<string, unknown>>
}

export interface Settings {
  readonly zone?: Zone
  readonly options?: AntispamOptions
  /** What stands before antispam. */
  readonly plugins?: readonly PluginEntry[]
  /** Networks that the channel trusts. */
  readonly trusts?: string[]
  readonly kernel?: Pick<MailKernelOptions, 'people' | 'store' | 'clock' | 'limits'>
}

/** A client at a.test about whom nothing can be said. */
export const CLEAN: Zone = {
  'PTR 1.2.0.192.in-addr.arpa': ['mail.a.test'],
  'A mail.a.test': ['192.0.2.1'],
  'MX a.test': [{ priority: 10, exchange: 'mail.a.test' }],
}

/** Hands messages in as clients from any address would. */
function senderThrough(kernel: TestKernel, seen: Record<string, unknown>) {
  return async ({
    content = letter(),
    from = 'ann@a.test',
    parameters = {},
    to = 'bob@here.test',
    ip = '192.0.2.1',
    name,
    helo = 'mail.a.test',
    identity,
  }: Sent = {}): Promise<Result> => {
    for (const key of Object.keys(seen)) delete seen[key]
    const remote = { address: ip, port: 25, ...(name === undefined ? {} : { name }) }
    const session = kernel.session({ remote, helo, ...(identity ? { identity } : {}) })
    const sent = await session.submit({ from, to: [to].flat(), content: bytesOf(content), parameters })
    session.close()
    return { reply: sent.reply, refused: sent.refused.map(({ reply }) => reply), findings: { ...seen } }
  }
}

/** Without mailboxes: what arrived stands in `delivered`. */
export async function startAntispam(t: Pick<TestContext, 'after'>, settings: Settings = {}) {
  const { watcher, source, plugins, channels } = await prepare(t, settings)
  const kernel = await createTestKernel(t, {
    ...settings.kernel,
    dns: source.dns,
    deliver: deliveredTo,
    channels,
    plugins,
  })
  return { ...kernel, ...source, send: senderThrough(kernel, watcher.seen), run: commandsOf(kernel) }
}

/** With accounts and mailboxes. */
export async function startWithMailboxes(t: Pick<TestContext, 'after'>, settings: Settings = {}) {
  const { watcher, source, plugins, channels } = await prepare(t, settings)
  const kernel: MailKernel = await createMailKernel(t, {
    ...settings.kernel,
    dns: source.dns,
    channels,
    plugins,
  })
  return { ...kernel, ...source, send: senderThrough(kernel, watcher.seen), run: commandsOf(kernel) }
}

async function prepare(t: Pick<TestContext, 'after'>, { zone = CLEAN, options, plugins = [], trusts = [] }: Settings) {
  const source = await serveZone(t, zone, { timeout: '1 s' })
  const watcher = createWatcher()
  // Only tests of the standard rules turn them on: the letters of all others are as short as they can be.
  const content = { standard: false, ...options?.content }
  return {
    source,
    watcher,
    channels: { in: clientChannel({ trusts }) },
    plugins: [...plugins, antispam({ ...options, content }), watcher.plugin],
  }
}

/** Runs a command as `iems` would; the values it gives. */
function commandsOf(kernel: TestKernel) {
  return async (
    words: string,
    options: Readonly<Record<string, string | true>> = {},
    input: string | Buffer = '',
  ): Promise<Record<string, unknown>[]> => {
    const outputs = await kernel.command(words, { options, input: bytesOf(input) })
    return outputs.flatMap((one) =>
      'value' in one && one.value !== undefined ? [one.value as Record<string, unknown>] : [],
    )
  }
}

/** In pieces that end anywhere. */
async function* bytesOf(content: string | Buffer): AsyncGenerator<Uint8Array> {
  const octets = Buffer.isBuffer(content) ? content : Buffer.from(content)
  for (let at = 0; at < octets.length; at += 60_000) yield octets.subarray(at, at + 60_000)
}

/** A letter as a person writes it. */
export function letter(body = 'Hello Bob,\r\n\r\nhow are you?\r\n', fields: readonly string[] = []): string {
  const head = [
    'From: Ann <ann@a.test>',
    'To: bob@here.test',
    'Subject: Hello',
    'Date: Thu, 01 Jan 2026 00:00:00 +0000',
    ...fields,
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
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
