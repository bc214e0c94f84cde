/**
 * Submissions and what an account has set on its identities, in the store.
 */
import { decodeRecord, key, type Store } from 'iems'
import { KeptObjects } from '../kept.ts'

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

export class IdentityRecords extends KeptObjects<IdentitySettings> {
  readonly #store: Store

  constructor(store: Store) {
    super(store, 'identity settings', () => {})
    this.#store = store
  }

  /** Falls back to the records of versions that kept no history of them. */
  override async get(account: string, id: string): Promise<IdentitySettings | undefined> {
    const kept = await super.get(account, id)
    if (kept) return kept
    const value = await this.#store.get(key('identity', account, id))
    return value && decodeRecord<IdentitySettings>(value)
  }
}
