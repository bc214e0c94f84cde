/**
 * A real clamd with signatures of the test alone, ones that are broken, and a kernel with the antivirus.
 */
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { MailParameters, PluginEntry, Reply } from 'iems'
import { antivirus } from 'iems/plugins/antivirus'
import {
  clientChannel,
  createTestKernel,
  deliveredTo,
  startProgram,
  type TestKernel,
  type TestKernelOptions,
} from 'iems/testing'
import { createMailKernel, type MailKernelOptions } from './mailstore.ts'
import { freePort, tempFolder } from './running-server.ts'
import { createWatcher } from './watcher.ts'

export const CLAMD = '/usr/sbin/clamd'

/** The test file of all scanners (in pieces, so that this file is none). */
export const EICAR = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$', 'EICAR-STANDARD-ANTIVIRUS-TEST-FILE', '!$H+H*'].join('')
export const EICAR_NAME = 'Eicar-Test.UNOFFICIAL'

const PATIENCE_MS = 30_000

/** A signature of a whole file that begins so. */
const signature = (name: string, start: string) => `${name}:0:0:${Buffer.from(start).toString('hex')}\n`

export interface Clamd {
  /** As it stands in the options. */
  readonly server: string
  readonly tcp: string
  /** Replaces the signatures beside EICAR, and waits until they hold. */
  learn(signatures: Readonly<Record<string, string>>): Promise<void>
  stop(): Promise<void>
}

/** Runs clamd until the end of the test. */
export async function startClamd(t: Pick<TestContext, 'after'>, settings: readonly string[] = []): Promise<Clamd> {
  const folder = await tempFolder(t)
  const port = await freePort()
  const config = join(folder, 'clamd.conf')
  const socket = join(folder, 'clamd.ctl')
  await writeFile(join(folder, 'eicar.ndb'), signature('Eicar-Test', EICAR))
  const lines = [
    'Foreground yes',
    `DatabaseDirectory ${folder}`,
    `TemporaryDirectory ${folder}`,
    `LocalSocket ${socket}`,
    `TCPSocket ${port}`,
    'TCPAddr 127.0.0.1',
    'SelfCheck 0',
    'MaxThreads 4',
    ...settings,
  ]
  await writeFile(config, `${lines.join('\n')}\n`)
  const { stop } = await startProgram(t, CLAMD, ['-c', config], { ready: /Self checking disabled/ })
  let marks = 0
  return {
    server: `unix:${socket}`,
    tcp: `127.0.0.1:${port}`,
    stop,
    async learn(signatures) {
      // A signature of this time alone says when clamd goes by the new ones.
      const mark = `mark ${++marks} of the test`
      const all = Object.entries({ ...signatures, Mark: mark }).map(([name, start]) => signature(name, start))
      await writeFile(join(folder, 'more.ndb'), all.join(''))
      await said(socket, Buffer.from('nRELOAD\n'))
      const end = Date.now() + PATIENCE_MS
      const size = Buffer.alloc(4)
      size.writeUInt32BE(mark.length)
      const question = Buffer.concat([Buffer.from('zINSTREAM\0'), size, Buffer.from(mark), Buffer.alloc(4)])
      while (!/FOUND/.test(await said(socket, question)))
        if (Date.now() > end) throw new Error('clamd does not take the new signatures')
    },
  }
}

/** What clamd answers. */
async function said(path: string, question: Buffer): Promise<string> {
  const line = connect({ path })
  line.write(question)
  return Buffer.concat(await Array.fromAsync(line as AsyncIterable<Buffer>)).toString()
}

export type AntivirusOptions = NonNullable<Parameters<typeof antivirus>[0]>

export interface Sent {
  readonly content?: string | Buffer
  readonly from?: string
  readonly to?: readonly string[]
  readonly parameters?: MailParameters
}

export interface Result {
  readonly reply: Reply
  readonly findings: Readonly<Record<string, unknown>>
}

function senderThrough(kernel: TestKernel, seen: Record<string, unknown>) {
  return async ({
    content = letter(),
    from = 'ann@a.test',
    to = ['bob@here.test'],
    parameters = {},
  }: Sent = {}): Promise<Result> => {
    for (const name of Object.keys(seen)) delete seen[name]
    const session = kernel.session({ helo: 'mail.a.test' })
    const { reply, id } = await session.submit({ from, to, content: bytesOf(content), parameters })
    session.close()
    return { reply: { ...reply, ...(id === undefined ? {} : { queued: true }) }, findings: { ...seen } }
  }
}

export interface Settings {
  readonly options?: AntivirusOptions
  readonly settings?: Parameters<typeof antivirus>[1]
  readonly plugins?: readonly PluginEntry[]
  readonly kernel?: TestKernelOptions
}

/** Without mailboxes: what arrived stands in `delivered`. */
export async function startAntivirus(
  t: Pick<TestContext, 'after'>,
  { options, settings, plugins = [], kernel }: Settings,
) {
  const watcher = createWatcher()
  const made = await createTestKernel(t, {
    deliver: deliveredTo,
    ...kernel,
    channels: { in: clientChannel(), ...kernel?.channels },
    plugins: [antivirus(options, settings), ...plugins, watcher.plugin],
  })
  return { ...made, send: senderThrough(made, watcher.seen), run: commandsOf(made) }
}

/** With accounts and mailboxes. */
export async function startWithMailboxes(
  t: Pick<TestContext, 'after'>,
  { options, kernel }: { readonly options?: AntivirusOptions; readonly kernel?: MailKernelOptions },
) {
  const watcher = createWatcher()
  const made = await createMailKernel(t, {
    ...kernel,
    channels: { in: clientChannel() },
    plugins: [antivirus(options), watcher.plugin],
  })
  return { ...made, send: senderThrough(made, watcher.seen), run: commandsOf(made) }
}

/** Runs a command as `iems` would; the values it gives. */
function commandsOf(kernel: TestKernel) {
  return async (
    words: string,
    { options = {}, args = [], input = '' }: RunOptions = {},
  ): Promise<Record<string, unknown>[]> => {
    const outputs = await kernel.command(words, { arguments: args, options, input: bytesOf(input) })
    return outputs.flatMap((one) =>
      'value' in one && one.value !== undefined ? [one.value as Record<string, unknown>] : [],
    )
  }
}

export interface RunOptions {
  readonly options?: Readonly<Record<string, string | true>>
  readonly args?: readonly string[]
  readonly input?: string | Buffer
}

async function* bytesOf(content: string | Buffer): AsyncGenerator<Uint8Array> {
  const octets = Buffer.isBuffer(content) ? content : Buffer.from(content, 'latin1')
  for (let at = 0; at < octets.length; at += 60_000) yield octets.subarray(at, at + 60_000)
}

// --- messages -------------------------------------------------------------------------------

const HEAD = 'From: Ann <ann@a.test>\r\nTo: bob@here.test\r\nSubject: Hello\r\nMessage-ID: <1@a.test>\r\n'

/** A letter as a person writes it. */
export const letter = (body = 'Hello Bob\r\n') => `${HEAD}\r\n${body}`

/** A message of one part. */
export const single = (fields: string, body: string) => `${HEAD}MIME-Version: 1.0\r\n${fields}\r\n${body}`

/** A message with a text and a part below these fields. */
export function withPart(fields: string, body: string, boundary = 'b'): string {
  const text = `--${boundary}\r\nContent-Type: text/plain\r\n\r\nHello\r\n`
  return single(
    `Content-Type: multipart/mixed; boundary="${boundary}"\r\n`,
    `${text}--${boundary}\r\n${fields}\r\n${body}\r\n--${boundary}--\r\n`,
  )
}

export const ATTACHED =
  'Content-Type: application/octet-stream; name=file\r\nContent-Disposition: attachment; filename=file\r\nContent-Transfer-Encoding: base64\r\n'

export const base64 = (octets: Buffer | string) =>
  `${Buffer.from(octets as string, 'latin1')
    .toString('base64')
    .replace(/.{76}/g, '$&\r\n')}\r\n`

export function attached(octets: Buffer | string, boundary?: string): string {
  return withPart(ATTACHED, base64(octets), boundary)
}

export function quotedPrintable(text: string): string {
  return text
    .replace(/[^\r\n]/g, (letter) => `=${letter.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
    .replace(/((?:=..){24})(?=.)/g, '$1=\r\n')
}

export function uuencoded(octets: Buffer | string, begin = 'begin 644 eicar.com'): string {
  const all = Buffer.from(octets as string, 'latin1')
  const lines = [begin]
  for (let at = 0; at < all.length; at += 45) {
    const some = all.subarray(at, at + 45)
    const padded = Buffer.concat([some, Buffer.alloc(2)])
    let line = letterOf(some.length)
    for (let n = 0; n < some.length; n += 3) {
      const bits = ((padded[n] ?? 0) << 16) | ((padded[n + 1] ?? 0) << 8) | (padded[n + 2] ?? 0)
      for (const shift of [18, 12, 6, 0]) line += letterOf((bits >> shift) & 63)
    }
    lines.push(line)
  }
  return [...lines, '`', 'end', ''].join('\r\n')
}
const letterOf = (value: number) => (value === 0 ? '`' : String.fromCharCode(32 + value))

/** Parts within parts. */
export function nested(levels: number, fields: string, body: string): string {
  let entity = `${fields}\r\n${body}\r\n`
  for (let n = 0; n < levels; n++)
    entity = `Content-Type: multipart/mixed; boundary="n${n}"\r\n\r\n--n${n}\r\n${entity}\r\n--n${n}--\r\n`
  return `${HEAD}MIME-Version: 1.0\r\n${entity}`
}

/** Messages within messages. */
export function forwarded(levels: number, message: string): string {
  let inner = message
  for (let n = 0; n < levels; n++) inner = `${HEAD}MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n${inner}`
  return inner
}
