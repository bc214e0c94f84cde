/**
 * The MailQuery service put together.
 */
import { Pace } from 'iems'
import type {
  AccountEmail,
  AccountSearch,
  Entry,
  MailboxRef,
  MailboxSort,
  MailboxThreads,
  MailQueryApi,
  SortKey,
  ThreadTree,
} from '../api.ts'
import { uidsOf } from '../uids.ts'
import { KnownAccounts, type KnownDeps } from './known-accounts.ts'
import { type SearchDeps, searchEmails, searchMailbox } from './search.ts'
import { isOfRecords, sortBy } from './sort.ts'
import { Summaries, type SummariesDeps } from './summaries.ts'
import { byReferences, orderedSubject, type Threaded } from './threading.ts'

export type QueryDeps = Omit<SearchDeps, 'sent'> & Pick<SummariesDeps, 'sortKeys'> & KnownDeps

const LATEST_FIRST: readonly SortKey[] = [{ by: 'received', isReverse: true }]

export function createQuery(deps: QueryDeps): MailQueryApi {
  const entries = (mailbox: MailboxRef, uids: readonly number[]): AsyncIterable<Entry> =>
    deps.entries(mailbox, uidsOf(uids.map((uid) => [uid, uid])))
  const summaries = new Summaries({ ...deps, entries })
  const accounts = new KnownAccounts(deps)
  const searching: SearchDeps = {
    ...deps,
    async sent(mailbox, uid) {
      const [{ sent, day } = {}] = await summaries.of({ mailbox, uids: [uid] })
      return { ...(sent === undefined ? {} : { sent }), ...(day === undefined ? {} : { day }) }
    },
  }
  return {
    search: ({ mailbox, ...query }) => searchMailbox(searching, { account: mailbox.account, mailbox, ...query }),
    sort: (query) => sortMailbox(summaries, query),
    threads: (query) => threadMailbox(summaries, query),
    emails: (query) => findEmails({ accounts, searching, summaries }, query),
    emailsById: (account, ids) => accounts.emails(account, ids),
  }
}

/** Kept until other messages or another order are asked for: clients that show page by page ask for it again and again. */
async function sortMailbox(summaries: Summaries, query: MailboxSort): Promise<readonly number[]> {
  const { mailbox, uids } = query
  const order = JSON.stringify(query.order)
  const known = summaries.sorted(mailbox, order, uids)
  if (known) return known
  const all = await summaries.of(query)
  const items = uids.map((item, index) => ({ item, sorted: all[index] as (typeof all)[number] }))
  const sorted = sortBy(items, query.order, (a, b) => a - b)
  summaries.keepSorted(mailbox, { order, uids, is: sorted })
  return sorted
}

/** Kept until other messages are asked for: a mailbox that has not changed is threaded once. */
async function threadMailbox(summaries: Summaries, query: MailboxThreads): Promise<readonly ThreadTree[]> {
  const { mailbox, uids, algorithm } = query
  const known = summaries.threads(mailbox, algorithm, uids)
  if (known) return known
  const all = await summaries.of(query)
  const messages = all.map(
    ({ sent, received, subject, isReply, id, references }, index): Threaded => ({
      uid: uids[index] as number,
      sent: sent ?? received,
      subject,
      isReply,
      id,
      references,
    }),
  )
  const pace = new Pace()
  const trees = algorithm === 'references' ? await byReferences(messages, () => pace.due()) : orderedSubject(messages)
  summaries.keepThreads(mailbox, algorithm, { uids, is: trees })
  return trees
}

interface EmailsDeps {
  readonly accounts: KnownAccounts
  readonly searching: SearchDeps
  readonly summaries: Summaries
}

async function findEmails(
  deps: EmailsDeps,
  { order = LATEST_FIRST, collapseThreads = false, ...query }: AccountSearch,
): Promise<readonly AccountEmail[]> {
  const { emails, results } = await deps.accounts.of(query)
  const text = textOf({ condition: query.condition, order, collapseThreads })
  const before = results.get(text)
  if (before) return before.emails
  const matching = await searchEmails(deps.searching, query, emails)
  const sorted = await inOrder(deps.summaries, query, { emails: matching, order })
  const threads = new Set<string>()
  const found = collapseThreads ? sorted.filter(({ thread }) => !threads.has(thread) && threads.add(thread)) : sorted
  results.set(text, { condition: query.condition, order, emails: found })
  return found
}

/** Of a query, to find its result again. */
const textOf = (query: Pick<AccountSearch, 'condition' | 'order' | 'collapseThreads'>): string =>
  JSON.stringify(query, (_, value: unknown) => (value instanceof Set ? [...value] : value))

const isLatestFirst = ([first, ...more]: readonly SortKey[]): boolean =>
  more.length === 0 && first?.by === 'received' && first.isReverse === true

/** Emails that come with the latest first, in another order. */
async function inOrder(
  summaries: Summaries,
  query: AccountSearch,
  { emails, order }: { readonly emails: readonly AccountEmail[]; readonly order: readonly SortKey[] },
): Promise<readonly AccountEmail[]> {
  if (isLatestFirst(order)) return emails
  return sortBy(await withSummaries(summaries, query, { emails, order }), order, (a, b) => (a.id < b.id ? -1 : 1))
}

/** Emails with their sort keys, read through the first location of each. */
async function withSummaries(
  summaries: Summaries,
  { account, signal, progress }: Pick<AccountSearch, 'account' | 'signal' | 'progress'>,
  { emails, order }: { readonly emails: readonly AccountEmail[]; readonly order: readonly SortKey[] },
) {
  const needs = !isOfRecords(order)
  const places = Map.groupBy(needs ? emails : [], ({ places: [place] }) => place?.mailbox ?? '')
  const known = new Map<string, Awaited<ReturnType<Summaries['of']>>[number]>()
  for (const [id, here] of places) {
    const uids = here.map(({ places: [place] }) => place?.uid ?? 0)
    const found = await summaries.of({
      mailbox: { account, id },
      uids,
      ...(signal ? { signal } : {}),
      ...(progress ? { progress } : {}),
    })
    for (const [index, { id }] of here.entries()) known.set(id, found[index] as (typeof found)[number])
  }
  return emails.map((item) => {
    const { flags, received, size, thread } = item
    return { item, sorted: { ...EMPTY, ...known.get(item.id), flags, received, size, thread } }
  })
}

const EMPTY = { subject: '', isReply: false, from: '', to: '', cc: '', displayFrom: '', displayTo: '', references: [] }
