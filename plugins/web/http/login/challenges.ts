/**
 * Challenges that browsers sign: made without a record, so that clients without a login cannot fill the store.
 *
 * Invariants: a challenge is valid on every kernel, for one purpose and a short time, and once.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { below, CONFLICT, decodeRecord, encodeRecord, type Key, key, type Store, transact } from 'iems'

const SECRET_OCTETS = 32
const RANDOM_OCTETS = 18
const TIME_OCTETS = 6
const MAC_OCTETS = 16
const VALID_MS = 5 * 60_000

const usedAt = (challenge: string): Key => key('challenge', challenge)

export class Challenges {
  readonly #store: Store
  #secret: Promise<Buffer> | undefined

  constructor(store: Store) {
    this.#store = store
  }

  async make(purpose: string): Promise<Uint8Array<ArrayBuffer>> {
    const time = Buffer.alloc(TIME_OCTETS)
    time.writeUIntBE(this.#store.now() + VALID_MS, 0, TIME_OCTETS)
    const head = Buffer.concat([randomBytes(RANDOM_OCTETS), time])
    return new Uint8Array(Buffer.concat([head, await this.#mac(purpose, head)]))
  }

  /** Whether a challenge in base64url is valid; it is not from then on. */
  async take(purpose: string, challenge: string): Promise<boolean> {
    const octets = Buffer.from(challenge, 'base64url')
    if (octets.length !== RANDOM_OCTETS + TIME_OCTETS + MAC_OCTETS) return false
    const head = octets.subarray(0, RANDOM_OCTETS + TIME_OCTETS)
    const expires = head.readUIntBE(RANDOM_OCTETS, TIME_OCTETS)
    const isOurs = timingSafeEqual(octets.subarray(head.length), await this.#mac(purpose, head))
    if (!isOurs || expires < this.#store.now()) return false
    const at = usedAt(octets.toString('base64url'))
    return this.#store.commit([{ put: at, value: encodeRecord(expires) }], [{ key: at, is: 'absent' }])
  }

  /** Forgets those that have expired. */
  async sweep(): Promise<void> {
    const ops = []
    for await (const [at, value] of this.#store.scan(below('challenge')))
      if (decodeRecord<number>(value) < this.#store.now()) ops.push({ del: at })
    if (ops.length > 0) await this.#store.commit(ops)
  }

  async #mac(purpose: string, head: Buffer): Promise<Buffer> {
    this.#secret ??= this.#readSecret().catch((cause: unknown) => {
      this.#secret = undefined
      throw cause
    })
    const mac = createHmac('sha256', await this.#secret)
      .update(`${purpose}\0`)
      .update(head)
    return mac.digest().subarray(0, MAC_OCTETS)
  }

  #readSecret(): Promise<Buffer> {
    const at = key('challenges')
    return transact({ what: 'the key of challenges' }, async () => {
      const known = await this.#store.get(at)
      if (known) return Buffer.from(decodeRecord<string>(known), 'base64')
      const made = randomBytes(SECRET_OCTETS)
      const value = encodeRecord(made.toString('base64'))
      return (await this.#store.commit([{ put: at, value }], [{ key: at, is: 'absent' }])) ? made : CONFLICT
    })
  }
}
