/**
 * Greylisting: unknown senders are deferred once. Mail servers retry; most spam senders do not.
 *
 * It runs at `check`, after sender-auth, so that mail authenticated by SPF or DMARC need not wait: large providers
 * retry from changing addresses. The cost is content that is sent twice. Invariants: a sender that has retried never
 * waits again; records are bounded, and beyond the limit greylisting is off.
 */
import { createHash } from 'node:crypto'
import { below, decodeRecord, encodeRecord, key, type ReadableMessage, type Store } from 'iems'
import { networkOf, plainAddress } from './dns/names.ts'
import { expiring } from './expiry.ts'
import type { Options } from './options.ts'

/** The record of a client network, sender and recipient. */
interface Triplet {
  readonly first: number
  readonly last: number
  /** The sender has retried. */
  readonly passed?: true
}

interface KnownClient {
  readonly passes: number
  readonly last: number
}

/** Maximum recipients of one message that are checked. */
const RECIPIENTS = 10
/** Minimum interval between updates of a record. */
const FRESH_MS = 3_600_000
/** Lifetime of the record count. */
const COUNT_MS = 3_600_000

export interface GreylistDeps {
  readonly store: Store
  readonly now: () => number
  readonly options: Options['greylist']
}

export class Greylist {
  readonly #deps: GreylistDeps
  /** Counted records, and those created by this kernel since. */
  #counted: Promise<number> | undefined
  #countedAt = 0
  #made = 0

  constructor(deps: GreylistDeps) {
    this.#deps = deps
  }

  /** Ms until the sender may retry; 0 when it need not wait. */
  async wait({ session, from, recipients }: ReadableMessage): Promise<number> {
    const network = networkOf(plainAddress(session.remote.address), this.#deps.options)
    if (await this.#isKnown(network)) return 0
    const sender = steady(from)
    const waits = await Promise.all(
      recipients.slice(0, RECIPIENTS).map(({ original }) => this.#mustWait(network, sender, original.toLowerCase())),
    )
    return Math.max(0, ...waits)
  }

  async #scan(): Promise<number> {
    let found = 0
    for await (const _ of this.#deps.store.scan(below('grey'))) found++
    return found
  }

  /** Other kernels create and sweep records too, so the count is refreshed. */
  async count() {
    if (!this.#counted || this.#deps.now() - this.#countedAt > COUNT_MS) {
      this.#countedAt = this.#deps.now()
      this.#made = 0
      this.#counted = this.#scan()
      this.#counted.catch(() => {
        this.#counted = undefined
      })
    }
    return (await this.#counted) + this.#made
  }

  async #read<T>(at: ReturnType<typeof key>): Promise<T | undefined> {
    const value = await this.#deps.store.get(at)
    return value && decodeRecord<T>(value)
  }

  /** Networks with enough successful retries are exempt. */
  async #isKnown(network: string): Promise<boolean> {
    const at = key('grey', 'client', network)
    const known = await this.#read<KnownClient>(at)
    if (!known || known.passes < this.#deps.options.clientAfter) return false
    if (this.#deps.now() - known.last > FRESH_MS)
      await this.#deps.store.commit(expiring(at, encode({ ...known, last: this.#deps.now() }), this.#deps.options.keep))
    return true
  }

  async #pass(network: string): Promise<void> {
    const at = key('grey', 'client', network)
    const known = await this.#read<KnownClient>(at)
    if (!known) this.#made++
    const passes = Math.min(this.#deps.options.clientAfter, (known?.passes ?? 0) + 1)
    await this.#deps.store.commit(expiring(at, encode({ passes, last: this.#deps.now() }), this.#deps.options.keep))
  }

  async #mustWait(network: string, sender: string, recipient: string): Promise<number> {
    const at = key(
      'grey',
      'triplet',
      createHash('sha256').update([network, sender, recipient].join('\0')).digest('base64url'),
    )
    const known = await this.#read<Triplet>(at)
    if (!known && (await this.count()) >= this.#deps.options.records) return 0
    if (!known || (!known.passed && this.#deps.now() - known.last > this.#deps.options.retry)) {
      if (!known) this.#made++
      await this.#deps.store.commit(
        expiring(at, encode({ first: this.#deps.now(), last: this.#deps.now() }), this.#deps.options.retry),
      )
      return this.#deps.options.wait
    }
    if (!known.passed && this.#deps.now() - known.first < this.#deps.options.wait)
      return known.first + this.#deps.options.wait - this.#deps.now()
    if (!known.passed) await this.#pass(network)
    if (!known.passed || this.#deps.now() - known.last > FRESH_MS)
      await this.#deps.store.commit(
        expiring(at, encode({ ...known, last: this.#deps.now(), passed: true }), this.#deps.options.keep),
      )
    return 0
  }
}

const encode: (value: Triplet | KnownClient) => Uint8Array = encodeRecord

/** The sender without variable parts: details, bounce and list numbers. */
function steady(from: string): string {
  const at = from.lastIndexOf('@')
  const local = from.slice(0, at).toLowerCase()
  return `${local.replace(/[+=][\s\S]*/, '').replace(/[0-9a-f]+/g, (run) => (/\d/.test(run) ? '#' : run))}${from.slice(at).toLowerCase()}`
}
