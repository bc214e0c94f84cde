/**
 * Scans content as it arrives: finds its end, removes dot-stuffing, detects newlines other than CRLF.
 *
 * Invariants: only CRLF.CRLF ends the data, and only a dot after CRLF is a stuffed one (RFC 5321 section 4.5.2),
 * however the octets are divided into chunks; anything looser allows SMTP smuggling. indexOf finds the lines, several
 * times faster than a loop over octets, and nothing is copied unless it changes.
 */

const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e
const CRLF = Buffer.from('\r\n')

// The context of the next octet.
const TEXT = 0
const AFTER_CR = 1
const LINE_START = 2
const AFTER_DOT = 3
const AFTER_DOT_CR = 4

export type BareNewlines = 'refuse' | 'normalise'

export interface Scanned {
  readonly content: Buffer
  /** The octets after the end; undefined before it. */
  readonly rest?: Buffer
}

export interface Scanner {
  scan(chunk: Buffer): Scanned
  /** For content whose end the caller knows: the octets still held back. */
  finish(): Buffer | undefined
  /** A bare CR or LF occurred and is not allowed. */
  readonly isViolated: boolean
}

/** With `dots` the content ends with CRLF.CRLF; without, dots have no meaning and the caller knows the end. */
export function createScanner({ dots, bare }: { readonly dots: boolean; readonly bare: BareNewlines }): Scanner {
  let at = LINE_START
  let foundBare = false
  const normalise = bare === 'normalise'

  function scan(chunk: Buffer): Scanned {
    const { length } = chunk
    const pieces: Buffer[] = []
    let from = 0
    let index = 0
    let nextLf = -1

    function cut(to: number, next: number): void {
      if (to > from) pieces.push(chunk.subarray(from, to))
      from = next
    }
    /** Completes half a newline at `index`: `had` octets of it precede `index + had`. */
    function mend(had: number): void {
      foundBare = true
      if (!normalise) return
      cut(index, index + had)
      pieces.push(had > 0 ? CRLF : CRLF.subarray(1))
    }
    function content(): Buffer {
      return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
    }

    while (index < length) {
      const octet = chunk[index]
      if (at === AFTER_CR) {
        if (octet === LF) index++
        else mend(0)
        at = octet === LF ? LINE_START : TEXT
      } else if (at === AFTER_DOT_CR) {
        if (octet === LF) {
          at = LINE_START
          return { content: content(), rest: chunk.subarray(index + 1) }
        }
        // The dot was stuffed, and the CR is content, on its own.
        if (index === 0) pieces.push(CRLF.subarray(0, 1))
        mend(0)
        at = TEXT
      } else if (at === AFTER_DOT) {
        if (octet === CR) index++
        at = octet === CR ? AFTER_DOT_CR : TEXT
      } else if (at === LINE_START && octet === DOT && dots) {
        cut(index, index + 1)
        index++
        at = AFTER_DOT
      } else {
        const cr = find(chunk, CR, index)
        if (nextLf < index) nextLf = find(chunk, LF, index)
        if (nextLf < cr) {
          index = nextLf
          mend(1)
        } else index = cr
        at = nextLf < cr || cr === length ? TEXT : AFTER_CR
        index++
      }
    }
    cut(at === AFTER_DOT_CR ? length - 1 : length, length)
    return { content: content() }
  }

  return {
    scan,
    finish() {
      if (at !== AFTER_CR) return undefined
      foundBare = true
      return normalise ? CRLF.subarray(1) : undefined
    },
    get isViolated() {
      return foundBare && !normalise
    },
  }
}

/** Index of the next occurrence of an octet; the length when there is none. */
function find(chunk: Buffer, octet: number, from: number): number {
  const index = chunk.indexOf(octet, from)
  return index < 0 ? chunk.length : index
}
