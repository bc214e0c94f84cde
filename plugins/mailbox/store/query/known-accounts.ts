/**
 * The emails of accounts that are queried again and again, kept in memory with the results of their recent queries.
 *
 * Invariants: a kept result belongs to one state of an account's history and never changes; each query advances to the
 * present state first, whichever kernel made the changes; memory is bounded, and the account that was queried least
 * recently is evicted first.
 */
import { Cache } from 'iems'
import type { AccountChanges, AccountEmail, Condition, SortKey } from '../api.ts'
import { type CollectDeps, candidateOf, collectEmails } from './account-emails.ts'
import { recordMeets } from './conditions.ts'

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
  /** When each of them was received, by its id. */
  readonly times: () => ReadonlyMap<string, number>
  /** Of queries, by their text. */
  readonly results: Cache<KnownResult>
}

export interface KnownResult {
  readonly condition: Condition
  readonly order: readonly SortKey[]
  readonly emails: readonly AccountEmail[]
}

/** An email's place in the order. */
type Received = Pick<AccountEmail, 'id' | 'received'>
/** A changed email, before and now. */
type Pair<Was = AccountEmail | undefined> = readonly [was: Was, is: AccountEmail]

/** Approximate memory in octets of an account, and of an email. */
const ACCOUNT = 1000
const EMAIL = 700
/** Results of one account: of the list that is on the screen and of some before it. */
const MAX_RESULTS = 4
/** Changed emails that are read one by one; for more of them the whole account is read again. */
const MAX_CHANGED = 2000
/** Emails changed in place, such as by flags; for more of them the account is put in order again. */
const MAX_IN_PLACE = 50

const latestFirst = (a: Received, b: Received): number => b.received - a.received || (a.id < b.id ? -1 : 1)

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

  /** Those of some ids that the account holds, in the order of the ids. */
  async emails(account: string, ids: readonly string[]): Promise<readonly AccountEmail[]> {
    if (!this.#kept.has(account)) return Array.fromAsync(this.#deps.emails(account, ids))
    const { emails, times } = await this.of({ account })
    return ids.flatMap((id) => {
      const received = times().get(id)
      return received === undefined ? [] : (findSame(emails, { id, received }) ?? [])
    })
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
    const now = await Array.fromAsync(this.#deps.emails(account, present))
    if (now.length === changed.size && now.length <= MAX_IN_PLACE) {
      const pairs = now.map((is): Pair => [findSame(before.emails, is), is])
      if (pairs.every(isInPlace)) return replaced(before, state, pairs)
    }
    const rest = before.emails.filter(({ id }) => !changed.has(id))
    return known(state, [...rest, ...now])
  }
}

function known(state: string, unsorted: AccountEmail[]): KnownAccount {
  const emails = unsorted.sort(latestFirst)
  let made: ReadonlyMap<string, number> | undefined
  const times = () => {
    made ??= new Map(emails.map(({ id, received }) => [id, received]))
    return made
  }
  return { state, emails, times, results: new Cache({ max: MAX_RESULTS }) }
}

/** The email of that id, if it was received at the same time. */
function findSame(emails: readonly AccountEmail[], wanted: Received): AccountEmail | undefined {
  let [low, high] = [0, emails.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (latestFirst(emails[middle] as Received, wanted) < 0) low = middle + 1
    else high = middle
  }
  return emails[low]?.id === wanted.id ? emails[low] : undefined
}

/** Whether an email keeps its position in every order but those by flags. */
const isInPlace = (pair: Pair): pair is Pair<AccountEmail> =>
  pair[0]?.thread === pair[1].thread && pair[0]?.received === pair[1].received

/** Whether a result holds the same emails after changes in place. */
const isKept = ({ condition, order }: KnownResult, pairs: readonly Pair<AccountEmail>[]): boolean =>
  order.every(({ by }) => by !== 'flag') &&
  pairs.every(([was, is]) => {
    const before = recordMeets(condition, candidateOf(was))
    return before !== undefined && before === recordMeets(condition, candidateOf(is))
  })

function replaced(before: KnownAccount, state: string, pairs: readonly Pair<AccountEmail>[]): KnownAccount {
  const renew = (emails: readonly AccountEmail[]) => {
    const now = [...emails]
    for (const [was, is] of pairs) {
      const at = now.indexOf(was)
      if (at >= 0) now[at] = is
    }
    return now
  }
  const results = new Cache<KnownResult>({ max: MAX_RESULTS })
  for (const [text, result] of before.results.entries())
    if (isKept(result, pairs)) results.set(text, { ...result, emails: renew(result.emails) })
  return { ...before, state, emails: renew(before.emails), results }
}
