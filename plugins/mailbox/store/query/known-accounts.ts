/**
 * The emails of accounts that are queried again and again, kept in memory with the results of their recent queries.
 *
 * Invariants: a kept result belongs to one state of an account's history and never changes; each query advances to the
 * present state first, whichever kernel made the changes; memory is bounded, and the account that was queried least
 * recently is evicted first.
 */
import { Cache } from 'iems'
import type { AccountChanges, AccountEmail } from '../api.ts'
import { type CollectDeps, collectEmails } from './account-emails.ts'

export interface KnownDeps extends CollectDeps {
  accountState(account: string): Promise<string>
  accountChanges(account: string, since: string): Promise<AccountChanges | 'cannotCalculate'>
  emails(account: string, ids: readonly string[]): AsyncIterable<AccountEmail>
  /** Octets of memory, roughly. */
  readonly maxMemory: number
}

export interface KnownAccount {
  readonly state: string
  /** The latest received first, equal ones in order of id. */
  readonly emails: readonly AccountEmail[]
  /** Of queries, by their text. */
  readonly results: Cache<readonly AccountEmail[]>
}

/** Approximate memory in octets of an account, and of an email. */
const ACCOUNT = 1000
const EMAIL = 600
/** Results of one account: of the list that is on the screen and of some before it. */
const MAX_RESULTS = 4
/** Changed emails that are read one by one; for more of them the whole account is read again. */
const MAX_CHANGED = 2000

const latestFirst = (a: AccountEmail, b: AccountEmail): number => b.received - a.received || (a.id < b.id ? -1 : 1)

export class KnownAccounts {
  readonly #deps: KnownDeps
  readonly #kept: Cache<KnownAccount>

  constructor(deps: KnownDeps) {
    this.#deps = deps
    this.#kept = new Cache({ max: deps.maxMemory, weigh: ({ emails }) => ACCOUNT + EMAIL * emails.length })
  }

  /** As the account is now. */
  async of(asked: { readonly account: string; readonly signal?: AbortSignal | undefined }): Promise<KnownAccount> {
    const before = this.#kept.get(asked.account)
    const now = (before && (await this.#advance(asked.account, before))) ?? (await this.#collect(asked))
    if (now !== before) this.#kept.set(asked.account, now)
    return now
  }

  async #collect(asked: Parameters<KnownAccounts['of']>[0]): Promise<KnownAccount> {
    // Read first: changes during the collection are then read again by the next query.
    const state = await this.#deps.accountState(asked.account)
    return known(state, [...(await collectEmails(this.#deps, asked)).values()])
  }

  /** Undefined when the account must be collected again. */
  async #advance(account: string, before: KnownAccount): Promise<KnownAccount | undefined> {
    const changes = await this.#deps.accountChanges(account, before.state)
    if (changes === 'cannotCalculate') return undefined
    const { state, emails, mailboxes } = changes
    if (state === before.state) return before
    const present = [...emails.created, ...emails.updated]
    // The emails of a removed mailbox lose their places there before their own records say so.
    if (mailboxes.destroyed.length > 0 || present.length > MAX_CHANGED) return undefined
    const changed = new Set([...present, ...emails.destroyed])
    if (changed.size === 0) return { ...before, state }
    const rest = before.emails.filter(({ id }) => !changed.has(id))
    return known(state, [...rest, ...(await Array.fromAsync(this.#deps.emails(account, present)))])
  }
}

const known = (state: string, emails: AccountEmail[]): KnownAccount => ({
  state,
  emails: emails.sort(latestFirst),
  results: new Cache({ max: MAX_RESULTS }),
})
