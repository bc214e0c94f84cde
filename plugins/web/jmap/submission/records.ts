/**
 * Submissions and what an account has set on its identities, in the store.
 */
import { below, key, type Op, type Store, unkey } from 'iems'

export interface SubmissionRecord {
  readonly v: 1
  readonly identityId: string
  readonly emailId: string
  readonly threadId: string
  readonly envelope: Envelope
  /** ms since 1970. */
  readonly sendAt: number
  readonly canceled: boolean
  /** The message's id in the queue. */
  readonly message: string
  /** Counts up with every change of the account's submissions. */
  readonly modseq: number
  readonly destroyed?: boolean
}

export interface EnvelopeAddress {
  readonly email: string
  readonly parameters: Readonly<Record<string, string | null>> | null
}
export interface Envelope {
  readonly mailFrom: EnvelopeAddress
  readonly rcptTo: readonly EnvelopeAddress[]
}

const TRIES = 20

const decode = <T>(value: Uint8Array) => JSON.parse(Buffer.from(value).toString()) as T
const encode = (value: unknown) => Buffer.from(JSON.stringify(value))

export class Submissions {
  readonly #store: Store
  readonly #changed: (account: string) => void

  constructor(store: Store, changed: (account: string) => void) {
    this.#store = store
    this.#changed = changed
  }

  async state(account: string): Promise<number> {
    const value = await this.#store.get(key('state', account))
    return value ? decode<number>(value) : 0
  }

  async get(account: string, id: string): Promise<SubmissionRecord | undefined> {
    const value = await this.#store.get(key('submission', account, id))
    return value && decode<SubmissionRecord>(value)
  }

  /** Destroyed ones included, the oldest first. */
  async *all(account: string): AsyncGenerator<readonly [string, SubmissionRecord]> {
    for await (const [at, value] of this.#store.scan(below('submission', account)))
      yield [String(unkey(at)[2]), decode<SubmissionRecord>(value)]
  }

  /** Makes or changes one, with the account's next state. */
  async put(
    account: string,
    id: string,
    make: (before: SubmissionRecord | undefined) => Omit<SubmissionRecord, 'modseq'>,
  ): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const at = key('submission', account, id)
      const stateAt = key('state', account)
      const [before, state] = [await this.#store.get(at), await this.#store.get(stateAt)]
      const modseq = (state ? decode<number>(state) : 0) + 1
      const record = { ...make(before && decode<SubmissionRecord>(before)), modseq }
      const ops: Op[] = [
        { put: at, value: encode(record) },
        { put: stateAt, value: encode(modseq) },
      ]
      const checks = [
        { key: at, is: before ?? ('absent' as const) },
        { key: stateAt, is: state ?? ('absent' as const) },
      ]
      if (await this.#store.commit(ops, checks)) return this.#changed(account)
    }
    throw new Error('the submissions of an account change too often')
  }
}

/** What an account has set on an identity. */
export interface IdentitySettings {
  readonly name?: string
  readonly replyTo?: readonly object[] | null
  readonly bcc?: readonly object[] | null
  readonly textSignature?: string
  readonly htmlSignature?: string
}

export class IdentityRecords {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async get(account: string, id: string): Promise<IdentitySettings> {
    const value = await this.#store.get(key('identity', account, id))
    return value ? decode<IdentitySettings>(value) : {}
  }

  async set(account: string, id: string, settings: IdentitySettings): Promise<void> {
    await this.#store.commit([{ put: key('identity', account, id), value: encode(settings) }])
  }
}
