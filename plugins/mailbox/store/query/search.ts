/**
 * The messages of a mailbox, or the emails of an account, that meet a condition: the cheap questions of all of them
 * first, text by the index, content only where it must be.
 *
 * Invariants: the result is the same whatever the index knows; a long search lets others run, and ends when its signal
 * is aborted.
 */
import { Pace } from 'iems'
import type { AccountEmail, Condition, Email, Entry, MailboxRef, TextQuery, Uids } from '../api.ts'
import { intersectUids } from '../uids.ts'
import { candidateOf } from './account-emails.ts'
import {
  type Candidate,
  cheapestFirst,
  meets,
  recordMeets,
  scopeOf,
  type TextCondition,
  type TextResults,
  textsOf,
} from './conditions.ts'

export interface SearchDeps {
  entries(mailbox: MailboxRef, uids: Uids): AsyncIterable<Entry>
  email(id: string): Promise<Email | undefined>
  find(query: TextQuery): AsyncIterable<string>
  candidates(mailbox: MailboxRef, query: Pick<TextQuery, 'fields' | 'text' | 'how'>): Promise<Uids | undefined>
  /** Of the Date field. */
  sent(mailbox: MailboxRef, uid: number): Promise<{ readonly sent?: number; readonly day?: number }>
}

/** One search while it runs. */
interface Search {
  readonly account: string
  readonly condition: Condition
  readonly signal?: AbortSignal | undefined
  readonly progress?: ((count: number) => Promise<void> | void) | undefined
}

/** Messages read before `progress` is called. */
const TURN = 200
/** Emails that are tested between checks for other sessions. */
const SLICE = 100
const ALL: Uids = [[1, 4_294_967_295]]

export async function* searchMailbox(
  deps: SearchDeps,
  { mailbox, scope, ...asked }: Search & { readonly mailbox: MailboxRef; readonly scope?: Uids | undefined },
): AsyncGenerator<Entry> {
  const condition = cheapestFirst(asked.condition)
  const pace = new Pace()
  const named = scopeOf(condition)
  const found = named ? undefined : await candidatesOf(deps, mailbox, condition)
  const uids = intersectUids(scope ?? ALL, named ?? found ?? ALL)
  let possible: (Candidate & Entry)[] = []
  for await (const entry of deps.entries(mailbox, uids)) {
    await pace.due()
    const candidate = { ...entry, mailboxes: [mailbox.id] }
    // Candidates that the record excludes are not looked up in the index.
    if (recordMeets(condition, candidate) !== false) possible.push(candidate)
  }
  const search = { ...asked, condition }
  for await (const { mailboxes: _, ...entry } of sift(deps, search, possible, ({ uid }) => ({ mailbox, uid })))
    yield entry
  possible = []
}

export async function searchEmails(
  deps: SearchDeps,
  asked: Search,
  emails: readonly AccountEmail[],
): Promise<readonly AccountEmail[]> {
  const search = { ...asked, condition: cheapestFirst(asked.condition) }
  const pace = new Pace()
  const possible: AccountEmail[] = []
  let isDecided = true
  for (const [index, email] of emails.entries()) {
    if (index % SLICE === 0) await pace.due()
    const answer = recordMeets(search.condition, candidateOf(email))
    if (answer === false) continue
    possible.push(email)
    isDecided &&= answer === true
  }
  if (isDecided) return possible
  const placeOf = ({ of }: { readonly of: AccountEmail }) => {
    const [{ mailbox, uid }] = of.places as readonly [AccountEmail['places'][number]]
    return { mailbox: { account: asked.account, id: mailbox }, uid }
  }
  const found: AccountEmail[] = []
  for await (const { of } of sift(deps, search, possible.map(candidateOf), placeOf)) found.push(of)
  return found
}

/** Those of some candidates that meet the whole condition. */
async function* sift<T extends Candidate>(
  deps: SearchDeps,
  search: Search,
  possible: readonly T[],
  placeOf: (candidate: T) => { readonly mailbox: MailboxRef; readonly uid: number },
): AsyncGenerator<T> {
  const { condition, signal, progress } = search
  const pace = new Pace()
  const texts = await findTexts(deps, search, possible)
  let count = 0
  for (const candidate of possible) {
    await pace.due()
    if (++count % TURN === 0) {
      await progress?.(count)
      signal?.throwIfAborted()
    }
    let email: Promise<Email | undefined> | undefined
    const lookup = {
      texts,
      sent() {
        const { mailbox, uid } = placeOf(candidate)
        return deps.sent(mailbox, uid)
      },
      email() {
        email ??= deps.email(candidate.email)
        return email
      },
    }
    if (await meets(condition, candidate, lookup)) yield candidate
  }
}

// --- text, by the index ---------------------------------------------------------------------------

async function findTexts(deps: SearchDeps, search: Search, possible: readonly Candidate[]): Promise<TextResults> {
  const texts = new Map<Condition, ReadonlySet<string>>()
  const conditions = textsOf(search.condition)
  if (conditions.length === 0) return texts
  const emails = [...new Set(possible.map(({ email }) => email))]
  for (const condition of conditions) texts.set(condition, await findText(deps, search, { condition, emails }))
  return texts
}

async function findText(
  deps: SearchDeps,
  { account, signal, progress }: Search,
  { condition, emails }: { readonly condition: TextCondition; readonly emails: readonly string[] },
): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  const { fields, text, how } = condition
  for await (const email of deps.find({ account, emails, fields, text, how, ...(signal ? { signal } : {}) })) {
    found.add(email)
    await progress?.(found.size)
    signal?.throwIfAborted()
  }
  return found
}

/** The UIDs that the search can only be about, by the index: a rare word spares a walk through the mailbox. */
async function candidatesOf(deps: SearchDeps, mailbox: MailboxRef, condition: Condition): Promise<Uids | undefined> {
  const parts = condition.kind === 'and' ? condition.of : [condition]
  for (const part of parts) {
    const [text] = textsOf(part)
    const uids = text === part ? await deps.candidates(mailbox, text) : undefined
    if (uids) return uids
  }
  return undefined
}
