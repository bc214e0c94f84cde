/**
 * mailauth, as sender-auth uses it: loaded at the first message, keys parsed once, and no stream for each message.
 *
 * The only file that imports mailauth. It uses the verifier behind `dkimVerify`, whose stream looks at each octet of
 * the header and waits for several turns of the event loop. Invariants: the results are those of `dkimVerify` for the
 * same octets; a key is one of a record that the DNS has just answered.
 */
import { createPublicKey } from 'node:crypto'
import { Cache } from 'iems'
import type { DNSResolver } from 'mailauth'
import type { DkimVerifier } from 'mailauth/lib/dkim/dkim-verifier.js'
import type { KeyOptions, PublicKey } from 'mailauth/lib/tools.js'

export type { ARCResult, DNSResolver } from 'mailauth'

type Functions = Pick<typeof import('mailauth'), 'arc' | 'bimi' | 'dmarc' | 'spf'>
export type Dkim = Pick<DkimVerifier, 'headers' | 'headerFrom' | 'fromFields' | 'results' | 'arc'>

export interface Library extends Functions {
  /** Like `dkimVerify`, for content whose first piece is the header and whose second begins with the blank line. */
  verifyDkim(content: AsyncIterable<Buffer>, options: DkimOptions): Promise<Dkim>
}

export interface DkimOptions {
  readonly resolver: DNSResolver
  /** Follows RFC 6376 and 8617 strictly. */
  readonly strict: boolean
  readonly minBitLength: number
  readonly sender: string
  readonly curTime: Date
}

const [LF, CR] = [10, 13]
/** Octets of the records whose keys are remembered, and what a key takes beside its record. */
const MAX_KEYS = 8 * 1024 * 1024
const KEY_WEIGHT = 4096

/** Takes a while, so that commands that verify nothing do without. */
export async function loadLibrary(): Promise<Library> {
  const [{ arc, bimi, dmarc, spf }, { DkimVerifier: Verifier }, { getPublicKey, toALabel }] = await Promise.all([
    import('mailauth'),
    import('mailauth/lib/dkim/dkim-verifier.js'),
    import('mailauth/lib/tools.js'),
  ])
  const keys = new Cache<PublicKey>({ max: MAX_KEYS, weigh: (_, text) => KEY_WEIGHT + text.length })

  /** As mailauth's own, which reads the record for each message and hands the key on as text. */
  const keyCache = (resolver: DNSResolver) => ({
    resolver,
    async get(type: string, name: string, minBitLength: number, options: KeyOptions): Promise<PublicKey> {
      const records = await resolver(toALabel(name), 'TXT')
      const text = JSON.stringify([options.strict, options.hashAlgo, minBitLength, records[0]])
      const known = keys.get(text)
      if (known) return known
      const found = await getPublicKey(type, name, minBitLength, async () => records, options)
      const key = { ...found, publicKey: createPublicKey(found.publicKey) }
      keys.set(text, key)
      return key
    },
  })

  async function verifyDkim(content: AsyncIterable<Buffer>, options: DkimOptions): Promise<Dkim> {
    const verifier = new Verifier(options)
    const cache = keyCache(options.resolver)
    verifier.keyCache = cache
    Object.defineProperty(verifier.arc, 'keyCache', { value: cache })
    await readInto(verifier, content)
    await verifier.finish()
    return verifier
  }

  return { arc, bimi, dmarc, spf, verifyDkim }
}

/** Hands the content over. A header without a blank line ends where mailauth says. */
async function readInto(verifier: DkimVerifier, content: AsyncIterable<Buffer>): Promise<void> {
  let header: Buffer | undefined
  let read: ((piece: Buffer) => Promise<void>) | undefined
  for await (const piece of content) {
    if (!header) header = piece
    else if (read) await read(piece)
    else {
      const blank = piece[0] === LF ? 1 : piece[0] === CR && piece[1] === LF ? 2 : 0
      if (blank > 0) {
        await verifier.emitHeaders(header)
        if (verifier.bodyHashes.size === 0) return
        read = bodyReader(verifier)
      } else {
        read = (octets) => verifier.writeAsync(octets)
        await read(header)
      }
      await read(piece.subarray(blank))
    }
  }
}

/** Passes the body on, with CRLF in place of each LF alone. */
function bodyReader(verifier: DkimVerifier) {
  let last = LF
  return async (piece: Buffer): Promise<void> => {
    if (hasLoneLf(piece, last)) {
      verifier.lastByte = last
      for (const part of verifier.ensureLinebreaks(piece)) await verifier.nextChunk(part)
    } else await verifier.nextChunk(piece)
    last = piece.at(-1) ?? last
  }
}

function hasLoneLf(piece: Buffer, last: number): boolean {
  for (let at = piece.indexOf(LF); at >= 0; at = piece.indexOf(LF, at + 1))
    if ((at === 0 ? last : piece[at - 1]) !== CR) return true
  return false
}
