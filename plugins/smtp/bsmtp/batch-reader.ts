/**
 * Reads batches: RFC 2442's, and the older forms of BITNET, UUCP (`rsmtp`) and `exim -bS`, with bare LF and commands
 * such as TICK and VERB.
 *
 * Invariants: only CRLF.CRLF ends content (LF.LF in a batch whose commands end with LF), however the octets are cut;
 * nothing behind QUIT is read; a command that is not about mail does nothing; an unknown command ends the reading,
 * because the lines after it may be content; lines, recipients and transactions have limits.
 */
import { isUtf8 } from 'node:buffer'
import type { MailParameters, Recipient, Reply } from 'iems'
import { refuse } from 'iems'
import {
  createScanner,
  hasDomain,
  isReply,
  type Offer,
  readLenientPath,
  readMailParameters,
  readRcptParameters,
} from '../in/api.ts'

export interface ReadLimits {
  readonly messages: number
  readonly recipients: number
}

export interface ReadTransaction {
  /** From 0, of all that end with content. */
  readonly index: number
  readonly from: string
  readonly parameters: MailParameters
  readonly recipients: readonly Pick<Recipient, 'address' | 'notify' | 'orcpt'>[]
  /** Replies to refused recipients, by address; under `''` for all recipients. */
  readonly refused: readonly { readonly address: string; readonly reply: Reply }[]
  /** Read it before the next transaction; the reader skips octets that were not read. */
  readonly content: AsyncIterable<Uint8Array>
}

/** Thrown when the rest of a batch cannot be read. The transactions before it stay valid. */
export class BatchError extends Error {}

const LF = 10
const CR = 13
/** Octets of a command line. */
const MAX_LINE = 12_288
/** Commands in a row that begin no transaction. */
const MAX_IDLE = 1000
const EMPTY = Buffer.alloc(0)

/** They do nothing in a batch: greetings, courtesies of older forms, and what would reach outside of it. */
const PASSED_OVER: ReadonlySet<string> = new Set(
  'HELO EHLO LHLO NOOP RSET TICK VERB ONEX HELP VRFY EXPN AUTH STARTTLS ETRN TURN ATRN XCLIENT XFORWARD'.split(' '),
)

/** Extensions that a batch may use: all that this server's listeners offer. */
const OFFER: Offer = { secure: true, auth: true, maxSize: Number.MAX_SAFE_INTEGER, known: true, lenient: true }

/** Chunks with what was read too far put back. */
class Source {
  readonly #chunks: AsyncIterator<Uint8Array>
  #rest: Buffer = EMPTY

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]()
  }

  async next(): Promise<Buffer | undefined> {
    if (this.#rest.length > 0) {
      const rest = this.#rest
      this.#rest = EMPTY
      return rest
    }
    const { value, done } = await this.#chunks.next()
    return done ? undefined : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  }

  giveBack(rest: Buffer): void {
    this.#rest = this.#rest.length > 0 ? Buffer.concat([rest, this.#rest]) : rest
  }

  /** The next line without its LF; undefined at the end of the batch. */
  async line(): Promise<Buffer | undefined> {
    let line: Buffer = EMPTY
    for (let chunk = await this.next(); chunk; chunk = await this.next()) {
      const end = chunk.indexOf(LF)
      line = Buffer.concat([line, end < 0 ? chunk : chunk.subarray(0, end)])
      if (line.length > MAX_LINE) throw new BatchError('a command line is too long')
      if (end < 0) continue
      this.giveBack(chunk.subarray(end + 1))
      return line
    }
    return line.length > 0 ? line : undefined
  }

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }
}

interface Begun {
  from: string
  parameters: MailParameters
  recipients: Pick<Recipient, 'address' | 'notify' | 'orcpt'>[]
  refused: { address: string; reply: Reply }[]
  known: Set<string>
}

/** Reads the transactions of a batch. Throws BatchError where it cannot go on, and what the source throws. */
export async function* readBatch(
  octets: AsyncIterable<Uint8Array>,
  limits: ReadLimits,
): AsyncGenerator<ReadTransaction> {
  const source = new Source(octets)
  try {
    yield* transactions(source, limits)
  } finally {
    await source.close()
  }
}

async function* transactions(source: Source, limits: ReadLimits): AsyncGenerator<ReadTransaction> {
  let begun: Begun | undefined
  let index = 0
  let idle = 0
  let isLfOnly = false
  for (let line = await source.line(); line; line = await source.line()) {
    const isFirst = index === 0 && idle === 0 && !begun
    const hasCr = line.at(-1) === CR
    if (isFirst) isLfOnly = !hasCr
    const { verb, argument } = commandOf(hasCr ? line.subarray(0, -1) : line)
    if (verb === 'QUIT') return
    if (verb === '' || PASSED_OVER.has(verb)) {
      if (++idle > MAX_IDLE) throw new BatchError('too many commands without a message')
      if (/^(?:RSET|HELO|EHLO)$/.test(verb)) begun = undefined
    } else if (verb === 'MAIL') begun = beginTransaction(argument)
    else if (verb === 'RCPT') addRecipient(begun, argument, limits)
    else if (verb === 'DATA' || verb === 'BDAT') {
      if (index >= limits.messages) throw new BatchError(`the batch has more than ${limits.messages} messages`)
      const content = verb === 'DATA' ? dotted(source, isLfOnly) : counted(source, argument)
      yield { index, ...finished(begun), content }
      for await (const _ of content);
      begun = undefined
      index++
      idle = 0
    } else throw new BatchError(`unknown command ${JSON.stringify(verb.slice(0, 20))}`)
  }
  if (begun) throw new BatchError('the batch ends within a transaction')
}

function commandOf(line: Buffer): { readonly verb: string; readonly argument: string } {
  const text = line.toString('latin1')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(text) || !isUtf8(line)) throw new BatchError('a command is not text')
  const whole = line.toString('utf8').trim()
  const space = whole.indexOf(' ')
  return space < 0
    ? { verb: whole.toUpperCase(), argument: '' }
    : { verb: whole.slice(0, space).toUpperCase(), argument: whole.slice(space + 1).trim() }
}

function pathIn(argument: string, word: string) {
  const [start = '', before = ''] = /^(\w+) *:/.exec(argument) ?? []
  return before.toUpperCase() === word ? readLenientPath(argument.slice(start.length)) : undefined
}

const BAD_SENDER = refuse(501, '5.1.7', 'Bad sender address syntax').reply
const BAD_RECIPIENT = refuse(501, '5.1.3', 'Bad recipient address syntax').reply
const NO_SENDER = refuse(503, '5.5.1', 'Send MAIL first').reply
const TOO_MANY = refuse(550, '5.5.3', 'Too many recipients in one transaction').reply

function beginTransaction(argument: string): Begun {
  const begun: Begun = { from: '', parameters: {}, recipients: [], refused: [], known: new Set() }
  const path = pathIn(argument, 'FROM')
  if (!path || (path.address !== '' && !hasDomain(path.address)))
    return { ...begun, refused: [{ address: '', reply: BAD_SENDER }] }
  const parameters = readMailParameters(path.rest, OFFER)
  const from = path.address
  return isReply(parameters)
    ? { ...begun, from, refused: [{ address: '', reply: parameters }] }
    : { ...begun, from, parameters }
}

function addRecipient(begun: Begun | undefined, argument: string, limits: ReadLimits): void {
  if (!begun) throw new BatchError('a recipient without a sender')
  const path = pathIn(argument, 'TO')
  const address = path?.address ?? ''
  if (begun.refused.length > limits.recipients) throw new BatchError('too many recipients that cannot be taken')
  if (!path || !(hasDomain(address) || /^postmaster$/i.test(address))) {
    begun.refused.push({ address: argument.slice(0, 320), reply: BAD_RECIPIENT })
    return
  }
  const parameters = readRcptParameters(path.rest, OFFER)
  if (isReply(parameters)) begun.refused.push({ address, reply: parameters })
  else if (begun.recipients.length >= limits.recipients) begun.refused.push({ address, reply: TOO_MANY })
  else if (!begun.known.has(address)) begun.recipients.push({ address, ...parameters })
  begun.known.add(address)
}

function finished(begun: Begun | undefined): Omit<ReadTransaction, 'index' | 'content'> {
  if (!begun) return { from: '', parameters: {}, recipients: [], refused: [{ address: '', reply: NO_SENDER }] }
  const { known: _, ...transaction } = begun
  return transaction
}

/** Content up to its dot, unstuffed, with CRLF. Read a second time it gives what was left. */
async function* dottedOnce(source: Source, isLfOnly: boolean): AsyncGenerator<Uint8Array> {
  const scanner = createScanner({ dots: true, bare: 'normalise' })
  const withCr = new CrAdder()
  for (let chunk = await source.next(); chunk; chunk = await source.next()) {
    const { content, rest } = scanner.scan(isLfOnly ? withCr.add(chunk) : chunk)
    if (content.length > 0) yield content
    if (!rest) continue
    // Added CRs in the rest do no harm: they are read as parts of line ends again.
    source.giveBack(rest)
    return
  }
  throw new BatchError('the batch ends within a message')
}

/** Makes CRLF of every LF. */
class CrAdder {
  #isAfterCr = false

  add(chunk: Buffer): Buffer {
    const out = Buffer.allocUnsafe(2 * chunk.length)
    let size = 0
    for (const octet of chunk) {
      if (octet === LF && !this.#isAfterCr) out[size++] = CR
      out[size++] = octet
      this.#isAfterCr = octet === CR
    }
    return out.subarray(0, size)
  }
}

async function* countedOnce(source: Source, first: string): AsyncGenerator<Uint8Array> {
  for (let argument = first; ; ) {
    const [, octets, last] = /^(\d{1,15})(?: +(LAST))?$/i.exec(argument) ?? []
    if (octets === undefined) throw new BatchError('BDAT without a number of octets')
    let left = Number(octets)
    while (left > 0) {
      const chunk = await source.next()
      if (!chunk) throw new BatchError('the batch ends within a message')
      if (chunk.length > left) source.giveBack(chunk.subarray(left))
      const part = chunk.subarray(0, left)
      left -= part.length
      yield part
    }
    if (last) return
    const line = await source.line()
    const command = line && commandOf(line)
    if (command?.verb !== 'BDAT') throw new BatchError('a message in chunks without its last one')
    argument = command.argument
  }
}

/** An iterable that goes on where a reader has stopped, so that the rest can be passed over. */
function resumable(generator: AsyncGenerator<Uint8Array>): AsyncIterable<Uint8Array> {
  let failure: unknown
  const iterator = {
    async next() {
      // A reader that has met a failure may try to pass over the rest: it meets the failure again.
      if (failure !== undefined) throw failure
      try {
        return await generator.next()
      } catch (cause) {
        failure = cause
        throw cause
      }
    },
    return: () => Promise.resolve({ value: undefined, done: true as const }),
    [Symbol.asyncIterator]: () => iterator,
  }
  return iterator
}

const dotted = (source: Source, isLfOnly: boolean) => resumable(dottedOnce(source, isLfOnly))
const counted = (source: Source, argument: string) => resumable(countedOnce(source, argument))
