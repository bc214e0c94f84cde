/**
 * Checks a server's responses before ldapjs parses them.
 *
 * ldapjs's parser accepts any announced message length, recurses once per message in a packet, loops for ever over an
 * element longer than its container, and throws uncaught at unknown result codes. So it receives one complete message
 * at a time, of a type that answers the request, with all elements validated here. Entry names travel in a separate
 * attribute, because ldapjs would parse and rewrite them; the diagnostic message replaces matchedDN, because ldapjs
 * drops it.
 *
 * Invariants: memory is bounded by the maximum message; work is linear; every fault is a `BerError`.
 */
import {
  BerError,
  BerReader,
  element,
  enumerated,
  integer,
  octetString,
  readHeader,
  sequence,
  TAG,
} from '../server/api.ts'

export interface ResponseLimits {
  /** Maximum octets of one message. */
  readonly messageSize: number
  /** Maximum entries per request. */
  readonly entries: number
}

/** Tags of response operations (RFC 4511 section 4). */
export const RESPONSE = {
  bind: 0x61,
  entry: 0x64,
  done: 0x65,
  modify: 0x67,
  add: 0x69,
  reference: 0x73,
  extended: 0x78,
  intermediate: 0x79,
}
/** The attribute that carries an entry's name; real attribute names contain no space. */
export const NAME_ATTRIBUTE = ' dn'
/** A tag, and a length of at most five octets. */
const LONGEST_HEADER = 6
const PAGED = '1.2.840.113556.1.4.319'
/** "other" (RFC 4511 appendix A.2), replacing codes that ldapjs does not know. */
const OTHER = 80
const KNOWN_CODES: ReadonlySet<number> = new Set([
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 32, 33, 34, 36, 48, 49, 50, 51, 52, 53],
  ...[54, 60, 61, 64, 65, 66, 67, 68, 69, 71, 76, OTHER, 123],
])

export class ResponseReader {
  readonly #limits: ResponseLimits
  /** The first octets of a message of unknown length. */
  #start: Buffer = Buffer.alloc(0)
  /** The content of the message received so far. */
  #message: Buffer | undefined
  #filled = 0
  #expected: readonly number[] = []
  #entries = 0

  constructor(limits: ResponseLimits) {
    this.#limits = limits
  }

  /** Whether part of a message has arrived. */
  get isInside(): boolean {
    return this.#message !== undefined || this.#start.length > 0
  }

  /** Sets the operations that answer the next request. */
  expect(...tags: readonly number[]): void {
    this.#expected = tags
    this.#entries = 0
  }

  /** The completed messages. Throws BerError. */
  take(chunk: Buffer): Buffer[] {
    const messages: Buffer[] = []
    let rest = chunk
    while (rest.length > 0) {
      if (!this.#message) {
        rest = this.#begin(rest)
        continue
      }
      const taken = rest.copy(this.#message, this.#filled)
      this.#filled += taken
      rest = rest.subarray(taken)
      if (this.#filled < this.#message.length) continue
      const message = this.#read(new BerReader(this.#message))
      this.#message = undefined
      if (message) messages.push(message)
    }
    return messages
  }

  /** Reads the tag and length of a message; returns the rest. */
  #begin(octets: Buffer): Buffer {
    const start = Buffer.concat([this.#start, octets.subarray(0, LONGEST_HEADER - this.#start.length)])
    if (start[0] !== TAG.sequence) throw new BerError('this is no LDAP message')
    const used = this.#start.length
    const header = readHeader(start)
    this.#start = header ? Buffer.alloc(0) : start
    if (!header) return octets.subarray(start.length - used)
    if (header.length === 0) throw new BerError('this is no LDAP message')
    if (header.length > this.#limits.messageSize) throw new BerError('the message is too long')
    this.#message = Buffer.allocUnsafe(header.length)
    this.#filled = 0
    return octets.subarray(header.start - used)
  }

  #read(message: BerReader): Buffer | undefined {
    const id = message.integer()
    const { tag } = message
    if (tag === undefined || id < 0) throw new BerError('this is no LDAP message')
    const operation = message.inside(tag)
    // Referrals are not followed; a notice of disconnection is followed by the end of the connection.
    if (id === 0 || tag === RESPONSE.reference || tag === RESPONSE.intermediate) return undefined
    if (!this.#expected.includes(tag)) throw new BerError('the server answered something else than was asked')
    if (tag !== RESPONSE.entry) return sequence(integer(id), readResult(tag, operation), ...readControls(message))
    if (++this.#entries > this.#limits.entries) throw new BerError('the server has more entries than allowed')
    return sequence(integer(id), readEntry(operation))
  }
}

function readResult(tag: number, operation: BerReader): Buffer {
  const code = operation.enumerated()
  operation.octets()
  const diagnostic = operation.octets().toString()
  return element(
    tag,
    enumerated(KNOWN_CODES.has(code) ? code : OTHER),
    octetString(KNOWN_CODES.has(code) ? diagnostic : `result code ${code} ${diagnostic}`),
    octetString(''),
  )
}

function readEntry(operation: BerReader): Buffer {
  const name = operation.text()
  const attributes = operation.octets(TAG.sequence)
  const list = new BerReader(attributes)
  while (!list.isAtEnd) {
    const attribute = list.inside()
    attribute.text()
    const values = attribute.inside(TAG.set)
    while (!values.isAtEnd) values.octets()
    if (!attribute.isAtEnd) throw new BerError('something follows the values of an attribute')
  }
  const named = sequence(octetString(NAME_ATTRIBUTE), element(TAG.set, octetString(name)))
  return element(RESPONSE.entry, octetString(''), sequence(attributes, named))
}

/** Only the cookie of paged results is passed on. */
function readControls(message: BerReader): Buffer[] {
  if (message.tag !== 0xa0) return []
  const controls = message.inside(0xa0)
  const found: Buffer[] = []
  while (!controls.isAtEnd) {
    const control = controls.inside()
    const isPaged = control.text() === PAGED
    if (control.tag === TAG.boolean) control.boolean()
    if (!isPaged || control.isAtEnd || found.length > 0) continue
    const value = new BerReader(control.octets()).inside()
    value.integer()
    const cookie = value.octets()
    const wrapped = octetString(sequence(integer(0), octetString(cookie)))
    found.push(element(0xa0, sequence(octetString(PAGED), wrapped)))
  }
  return found
}
