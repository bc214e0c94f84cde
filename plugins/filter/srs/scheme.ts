/**
 * The Sender Rewriting Scheme: encodes a sender's address in a local one, and decodes it. Pure except for the clock.
 *
 * `SRS0=hash=day=domain=local` encodes a sender, `SRS1=hash=domain==…` an earlier forwarder's SRS0 address, so that
 * chains of forwarders do not grow longer. Invariants: only holders of a secret can create an address that `restore`
 * accepts; hashes are compared in constant time and ignoring case; addresses are compatible with Mail::SRS, libsrs2 and
 * postsrsd for a common secret.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Address, readAddress, writeAddress } from './addresses.ts'

export interface SchemeOptions {
  /** The first one signs addresses; all of them verify. */
  readonly secrets: readonly string[]
  /** The domain of SRS addresses. */
  readonly domain: string
  readonly hashLength: number
  readonly days: number
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export type Restored =
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'forged' }
  | { readonly kind: 'expired' }

const DAY_MS = 86_400_000
/** Days repeat after this many: two letters of 32. */
const DAYS = 1024
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** HMAC-SHA1 in base64 without padding. */
const LONGEST_HASH = 27

const FIRST = /^SRS0[-+=]([^=]+)=([^=]+)=([^=]+)=(.+)$/is
const CHAINED = /^SRS1[-+=]([^=]+)=([^=]+)=([-+=].+)$/is
const OF_ANOTHER = /^SRS0([-+=].+)$/is

export class Scheme {
  readonly #deps: SchemeOptions

  constructor(deps: SchemeOptions) {
    this.#deps = deps
  }

  /** The SRS address for a sender; undefined if there is none. */
  rewrite(address: string): string | undefined {
    const read = readAddress(address)
    if (!read || read.domain.includes('=')) return undefined
    return writeAddress({ local: this.#localOf(read), domain: this.#deps.domain })
  }

  /** Decodes the local part of an SRS address; undefined if it is not one. */
  restore(local: string): Restored | undefined {
    if (!/^SRS[01][-+=]/i.test(local)) return undefined
    const [, chainHash = '', first = '', rest] = CHAINED.exec(local) ?? []
    if (rest !== undefined)
      return this.#isGenuine(chainHash, [first, rest]) ? found({ local: `SRS0${rest}`, domain: first }) : FORGED
    const [, hash = '', stamp = '', host = '', user] = FIRST.exec(local) ?? []
    if (user === undefined || !this.#isGenuine(hash, [stamp, host, user])) return FORGED
    return this.#isRecent(stamp) ? found({ local: user, domain: host }) : { kind: 'expired' }
  }

  #today() {
    return Math.floor(this.#deps.now() / DAY_MS) % DAYS
  }

  #isGenuine(hash: string, parts: readonly string[]): boolean {
    if (hash.length < this.#deps.hashLength || hash.length > LONGEST_HASH || !/^[A-Za-z0-9+/]+$/.test(hash))
      return false
    const given = Buffer.from(lower(hash))
    return this.#deps.secrets.some((secret) =>
      timingSafeEqual(Buffer.from(lower(hashOf(secret, parts, given.length))), given),
    )
  }

  #isRecent(stamp: string): boolean {
    const [high = -1, low = -1] = [...stamp.toUpperCase()].map((letter) => LETTERS.indexOf(letter))
    if (stamp.length !== 2 || high < 0 || low < 0) return false
    // A day ahead is valid, because the clock of another server may differ.
    return (this.#today() + 1 - (high * 32 + low) + DAYS) % DAYS <= this.#deps.days + 1
  }

  #localOf({ local, domain: host }: Address): string {
    const hash = (...parts: readonly string[]) => hashOf(this.#deps.secrets[0] ?? '', parts, this.#deps.hashLength)
    const [, , first = '', rest] = CHAINED.exec(local) ?? []
    if (rest !== undefined) return `SRS1=${hash(first, rest)}=${first}=${rest}`
    const [, user] = OF_ANOTHER.exec(local) ?? []
    if (user !== undefined) return `SRS1=${hash(host, user)}=${host}=${user}`
    const day = this.#today()
    const stamp = `${LETTERS[day >> 5]}${LETTERS[day & 31]}`
    return `SRS0=${hash(stamp, host, local)}=${stamp}=${host}=${local}`
  }
}

const FORGED: Restored = { kind: 'forged' }

function found(address: Address): Restored {
  return { kind: 'address', address: writeAddress(address) }
}

function hashOf(secret: string, parts: readonly string[], length: number): string {
  const hmac = createHmac('sha1', secret)
  for (const part of parts) hmac.update(lower(part))
  return hmac.digest('base64').slice(0, length)
}

/** ASCII only, like other implementations. */
function lower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}
