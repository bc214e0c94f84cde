/**
 * The ways on which a batch leaves: as mail, into a folder or onto a disk, into a program, to an HTTPS endpoint.
 *
 * Invariants: `send` resolves when the batch was handed over and throws otherwise; a file appears under its name only
 * when it is whole and on the disk; a program and an endpoint have a timeout.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { SetupContext } from 'iems'
import type { Link } from './links.ts'
import { type Consignment, mailOf, SIGNATURE_FIELD } from './mail-form.ts'

export const MANIFEST = 'MANIFEST'
/** Octets of an error that a program prints. */
const MAX_COMPLAINT = 2000

export interface TransportDeps {
  readonly submit: SetupContext['submit']
  readonly address: string | undefined
  readonly signal: AbortSignal
}

export type Send = (link: Link, consignment: Consignment) => Promise<void>

export function createSend(deps: TransportDeps): Send {
  return async (link, consignment) => {
    const { to } = link
    if (!to) throw new Error(`batches for ${link.name} have no way out`)
    if ('mail' in to) await sendMail(deps, to.mail, consignment)
    else if ('folder' in to) await writeFolder(to.folder, to.manifest, consignment)
    else if ('command' in to) await feedProgram(to.command, to.timeout, deps.signal, consignment)
    else await post(to.url, to.timeout, deps.signal, consignment)
  }
}

async function sendMail({ submit, address = '' }: TransportDeps, to: string, consignment: Consignment): Promise<void> {
  const { once } = consignment
  const { reply } = await submit({ from: address, to: [to], content: mailOf(address, to, consignment), once })
  if (reply.code >= 300) throw new Error(`the mail with the batch was refused: ${reply.code} ${reply.text}`)
}

async function writeFolder(folder: string, isListed: boolean, { name, signature, open: source }: Consignment) {
  await mkdir(folder, { recursive: true })
  // The signature first: a batch that is seen without it would be refused.
  if (signature !== undefined) await writeWhole(folder, `${name}.sig`, octetsOf(`${signature}\n`))
  const { sha256, size } = await writeWhole(folder, name, source())
  if (!isListed) return
  const path = join(folder, MANIFEST)
  const lines = (await readFile(path, 'utf8').catch(() => '')).split('\n')
  const others = lines.filter((line) => line !== '' && !line.endsWith(` ${name}`))
  const text = [...others, `${sha256} ${size} ${name}`, ''].join('\n')
  await writeFile(`${path}.tmp`, text, { flush: true })
  await rename(`${path}.tmp`, path)
}

async function* octetsOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

async function writeWhole(folder: string, name: string, source: AsyncIterable<Uint8Array>) {
  const hidden = join(folder, `.${name}.tmp`)
  const hash = createHash('sha256')
  let size = 0
  const file = await open(hidden, 'w', 0o600)
  try {
    for await (const chunk of source) {
      hash.update(chunk)
      size += chunk.byteLength
      await file.writeFile(chunk)
    }
    await file.sync()
    await file.close()
    await rename(hidden, join(folder, name))
  } catch (cause) {
    await file.close().catch(() => {})
    await rm(hidden, { force: true })
    throw cause
  }
  return { sha256: hash.digest('hex'), size }
}

async function feedProgram(
  [program = '', ...args]: readonly string[],
  timeout: number,
  stop: AbortSignal,
  { open: source }: Consignment,
): Promise<void> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(timeout)])
  const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'pipe'], signal })
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => {
    if (complaint.length < MAX_COMPLAINT) complaint += chunk.toString('latin1')
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  const [code] = await Promise.all([
    ended,
    // A program that ends before it has read everything says so by its exit code.
    pipeline(Readable.from(source(), { objectMode: false }), child.stdin).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EPIPE' || cause.code === 'ERR_STREAM_PREMATURE_CLOSE') return
      child.kill('SIGKILL')
      throw cause
    }),
  ])
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${complaint.slice(0, MAX_COMPLAINT)}`)
}

async function post(
  url: string,
  timeout: number,
  stop: AbortSignal,
  { type, signature, open: source }: Consignment,
): Promise<void> {
  const answer = await fetch(url, {
    method: 'POST',
    body: Readable.toWeb(Readable.from(source(), { objectMode: false })) as ReadableStream,
    duplex: 'half',
    redirect: 'error',
    headers: { 'content-type': type, ...(signature === undefined ? {} : { [SIGNATURE_FIELD]: signature }) },
    signal: AbortSignal.any([stop, AbortSignal.timeout(timeout)]),
  } as RequestInit)
  await answer.body?.cancel()
  if (!answer.ok) throw new Error(`the endpoint of the partner answered ${answer.status}`)
}
