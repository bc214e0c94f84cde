/**
 * Submissions and what an account has set on its identities, in the store.
 */
import { decodeRecord, encodeRecord, key, type Store } from 'iems'
import type { KeptObjects } from '../kept.ts'

export interface SubmissionRecord {
  readonly identityId: string
  readonly emailId: string
  readonly threadId: string
  readonly envelope: Envelope
  /** ms since 1970. */
  readonly sendAt: number
  readonly canceled: boolean
  /** The message's id in the queue. */
  readonly message: string
}

export interface EnvelopeAddress {
  readonly email: string
  readonly parameters: Readonly<Record<string, string | null>> | null
}
export interface Envelope {
  readonly mailFrom: EnvelopeAddress
  readonly rcptTo: readonly EnvelopeAddress[]
}

export type Submissions = KeptObjects<SubmissionRecord>

/** An account's settings of an identity. */
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
    return value ? decodeRecord<IdentitySettings>(value) : {}
  }

  async set(account: string, id: string, settings: IdentitySettings): Promise<void> {
    await this.#store.commit([{ put: key('identity', account, id), value: encodeRecord(settings) }])
  }
}
