/**
 * One question to one clamd, asked by the `clamscan` package over a line of ours.
 *
 * The package frames what is sent and reads the verdict; by itself it waits for ever for a clamd that says nothing,
 * leaves that socket open, keeps in memory what clamd does not take, and writes errors to the console
 * (docs/decisions). What must stay true: a question ends when the signal says so and leaves no socket; no more is read
 * than clamd takes, and no longer answer than the limit; only `stream: OK` is a yes.
 */
import { connect, type Socket } from 'node:net'
import { Duplex, Readable } from 'node:stream'
import NodeClam from 'clamscan'
import { type BackendAddress, RequestFailed } from 'iems'

export interface Answer {
  readonly kind: 'clean' | 'virus' | 'encrypted' | 'oversize' | 'unreadable' | 'unscannable'
  /** What it is called, by clamd or here; empty when it is clean. */
  readonly name: string
}

/** Octets of an answer. */
const MAX_ANSWER = 16_384
/** clamd says that it is too much and hangs up; a write that comes after that costs us what it said. */
class CutOff extends Error {}
const TRIES = 3
const TOO_MUCH: Answer = { kind: 'oversize', name: 'StreamMaxLength' }
/** Octets below which nothing is too much. */
const NEVER_TOO_MUCH = 500_000

/**
 * Scans content, which must not be empty. Throws `QuestionFailed` when it could not be read, and anything else when the
 * server has not said what counts.
 */
export async function scanStream(
  to: BackendAddress,
  open: () => AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<Answer> {
  for (let tries = 1; tries <= TRIES; tries++)
    try {
      return await scanOnce(to, open(), signal)
    } catch (cause) {
      if (!(cause instanceof CutOff) || signal.aborted) throw cause
    }
  // It is there, and each time it did not want the rest.
  await readVersion(to, signal)
  return TOO_MUCH
}

async function scanOnce(to: BackendAddress, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Answer> {
  const line = new Line(to, signal)
  const input = Readable.from(paced(content, line), { objectMode: false })
  try {
    return await line.until(verdict(overLine(line), input))
  } catch (cause) {
    // clamscan passes it on as if clamd had said it.
    throw input.errored instanceof RequestFailed ? input.errored : cause
  } finally {
    input.destroy()
    line.destroy()
  }
}

/** What clamd says it is, with the version of its signatures. */
export async function readVersion(to: BackendAddress, signal: AbortSignal): Promise<string> {
  const line = new Line(to, signal)
  try {
    const said = (await line.until(overLine(line).getVersion())).replace(/[\0\r\n][\s\S]*/, '')
    if (!/^ClamAV [\x20-\x7e]{1,200}$/.test(said)) throw new Error('its answer was not understood')
    return said
  } finally {
    line.destroy()
  }
}

/** A clamscan that speaks over the line instead of opening a socket of its own. */
function overLine(line: Line): NodeClam {
  const clam = new NodeClam()
  const clamdscan = { ...clam.settings.clamdscan, socket: 'the line', localFallback: false }
  return Object.assign(clam, {
    scanner: 'clamdscan',
    settings: { ...clam.settings, clamdscan },
    _initSocket: async () => line,
  })
}

async function verdict(clam: NodeClam, input: Readable): Promise<Answer> {
  return answerOf(
    await clam.scanStream(input).then(
      // The types leave out the words themselves.
      (result) => (result as unknown as { readonly resultString: string }).resultString,
      ({ data, message }: { readonly data?: { readonly error?: string }; readonly message: string }) =>
        data?.error === undefined ? message : `${data.error} ERROR`,
    ),
  )
}

/** Words of clamd about content that it cannot read, as against those about itself. */
const OF_CONTENT =
  /Bad format or broken data|Can't parse data|Can't unpack some data|(?:limit|Time) (?:reached|exceeded)/i

function answerOf(said: string): Answer {
  const text = said.replace(/[\0\s]+/g, ' ').trim()
  if (text === 'stream: OK') return { kind: 'clean', name: '' }
  const [, found] = /^stream: (\S{1,500}) FOUND$/.exec(text) ?? []
  if (found !== undefined) return { kind: kindOf(found), name: plain(found) }
  if (text.includes('INSTREAM size limit exceeded')) return TOO_MUCH
  const [, problem] = /^stream: (.{1,500}?)(?: ERROR)+$/.exec(text) ?? []
  if (problem !== undefined && OF_CONTENT.test(problem)) return { kind: 'unscannable', name: plain(problem) }
  throw new Error(text === '' ? 'it said nothing' : `it said: ${plain(text)}`)
}

function kindOf(found: string): Answer['kind'] {
  if (found.startsWith('Heuristics.Encrypted.')) return 'encrypted'
  return found.startsWith('Heuristics.Limits.Exceeded') ? 'oversize' : 'virus'
}

/** A name as it may stand in a reply to strangers and in a header. */
function plain(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)
}

/** Content no faster than it is taken; an empty piece would be the end for clamd. */
async function* paced(content: AsyncIterable<Uint8Array>, line: Line): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of content) {
      if (line.destroyed) return
      if (chunk.byteLength > 0) yield chunk
      await line.drained()
    }
    line.isSent = true
  } catch (cause) {
    throw new RequestFailed('the content could not be read', { cause })
  }
}

/** A connection as clamscan sees it: it never fails, it only ends; that it has failed is ours to know. */
class Line extends Duplex {
  readonly #socket: Socket
  readonly #failed: Promise<never>
  /** Nothing is left to be sent. */
  isSent = false
  /** Called when more may be sent, or never will. */
  #wake: () => void = () => undefined

  constructor(to: BackendAddress, signal: AbortSignal) {
    super()
    this.#socket = connect({ ...to, allowHalfOpen: true, noDelay: true })
    const { promise, reject } = Promise.withResolvers<never>()
    this.#failed = promise
    // Nobody may be waiting any more.
    promise.catch(() => undefined)
    const late = () => reject(new Error('no answer in time'))
    if (signal.aborted) late()
    signal.addEventListener('abort', late, { once: true })
    let size = 0
    this.#socket.on('data', (chunk) => {
      size += chunk.length
      if (size > MAX_ANSWER) reject(new Error('its answer is too long'))
      else this.push(chunk)
    })
    let broke = new Error('the connection broke')
    this.#socket.on('end', () => this.push(null))
    this.#socket.on('error', (cause) => {
      broke = cause
    })
    this.#socket.on('close', () => {
      signal.removeEventListener('abort', late)
      // clamd may hang up on what is still being sent once it has said why.
      if (size > 0) this.push(null)
      else reject(this.isSent || this.#socket.bytesWritten < NEVER_TOO_MUCH ? broke : new CutOff(broke.message))
      this.#wake()
    })
    this.on('drain', () => this.#wake())
  }

  /** What the work comes to, unless the line fails before. */
  until<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed])
  }

  async drained(): Promise<void> {
    // A turn at least: an answer that is there already is read before more is sent.
    await new Promise(setImmediate)
    while (!this.#socket.destroyed && this.writableNeedDrain)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
  }

  override _read() {}
  override _write(chunk: Uint8Array, _: string, done: () => void) {
    // That it could not be sent is said by the socket, which may still hold an answer.
    this.#socket.write(chunk, () => done())
  }
  override _final(done: () => void) {
    this.#socket.end(() => done())
  }
  override _destroy(_: Error | null, done: (error?: Error | null) => void) {
    this.#socket.destroy()
    done()
  }
}
