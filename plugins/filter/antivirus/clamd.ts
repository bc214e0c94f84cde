/**
 * One request to one clamd, by the `clamscan` package over a connection provided here.
 *
 * The package frames the content and parses the verdict; by itself it waits for ever for a silent clamd, leaks that
 * socket, buffers what clamd does not read, and writes errors to the console (docs/decisions). Invariants: a request
 * ends with the signal and leaves no socket; content is read at clamd's pace, and responses are limited; only `stream:
 * OK` means clean.
 */
import { connect, type Socket } from 'node:net'
import { Duplex, Readable } from 'node:stream'
import NodeClam from 'clamscan'
import { type BackendAddress, RequestFailed } from 'iems'

export interface Answer {
  readonly kind: 'clean' | 'virus' | 'encrypted' | 'oversize' | 'unreadable' | 'unscannable'
  /** Name of the finding, from clamd or from here; empty when clean. */
  readonly name: string
}

/** Maximum octets of a response. */
const MAX_ANSWER = 16_384
/** clamd reports a size limit and closes; a later write would lose that response. */
class CutOff extends Error {}
const TRIES = 3
const TOO_MUCH: Answer = { kind: 'oversize', name: 'StreamMaxLength' }
/** Content below this size in octets never exceeds clamd's limit. */
const NEVER_TOO_MUCH = 500_000

/**
 * Scans content, which must not be empty. Throws `RequestFailed` when the content could not be read, and other errors
 * when the server gave no valid answer.
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
  // The server is up, and each time it did not accept the rest.
  await readVersion(to, signal)
  return TOO_MUCH
}

async function scanOnce(to: BackendAddress, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Answer> {
  const line = new Line(to, signal)
  const input = Readable.from(paced(content, line), { objectMode: false })
  try {
    return await line.until(verdict(overLine(line), input))
  } catch (cause) {
    // clamscan reports it as if clamd had sent it.
    throw input.errored instanceof RequestFailed ? input.errored : cause
  } finally {
    input.destroy()
    line.destroy()
  }
}

/** clamd's version, including that of its signatures. */
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

/** A clamscan that uses the given connection instead of opening one. */
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
      // The package's types omit the text.
      (result) => (result as unknown as { readonly resultString: string }).resultString,
      ({ data, message }: { readonly data?: { readonly error?: string }; readonly message: string }) =>
        data?.error === undefined ? message : `${data.error} ERROR`,
    ),
  )
}

/** Errors of clamd about content, as opposed to errors of clamd itself. */
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

/** A name that is safe in a reply and in a header. */
function plain(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)
}

/** Content at clamd's pace; an empty chunk would signal the end. */
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

/** A connection as clamscan sees it: it only ends and never fails; this class keeps the failure. */
class Line extends Duplex {
  readonly #socket: Socket
  readonly #failed: Promise<never>
  /** Everything has been sent. */
  isSent = false
  /** Called when more may be sent, or the connection has ended. */
  #wake: () => void = () => undefined

  constructor(to: BackendAddress, signal: AbortSignal) {
    super()
    this.#socket = connect({ ...to, allowHalfOpen: true, noDelay: true })
    const { promise, reject } = Promise.withResolvers<never>()
    this.#failed = promise
    // The promise may have no listener.
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
      // After its response, clamd may close while data is still being sent.
      if (size > 0) this.push(null)
      else reject(this.isSent || this.#socket.bytesWritten < NEVER_TOO_MUCH ? broke : new CutOff(broke.message))
      this.#wake()
    })
    this.on('drain', () => this.#wake())
  }

  /** The result of the work, unless the connection fails first. */
  until<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed])
  }

  async drained(): Promise<void> {
    // At least one turn, so that an available response is read before more is sent.
    await new Promise(setImmediate)
    while (!this.#socket.destroyed && this.writableNeedDrain)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
  }

  override _read() {}
  override _write(chunk: Uint8Array, _: string, done: () => void) {
    // The socket reports write errors and may still hold a response.
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
