/**
 * The history of an account: each email and each mailbox at its last change, and those that have gone.
 *
 * Invariants: the log holds an object once, at the modseq of its last change, in the commit of that change; removed
 * objects stay in the log until the sweep raises the account's `forgotten` above it; a state before that cannot be
 * continued from.
 */
import { type Key, type Store, unkey } from 'iems'
import type { Change } from './account-transactions.ts'
import type { AccountChanges, MailboxRef, ObjectChanges } from './api.ts'
import {
  type AccountRecord,
  accountKey,
  decode,
  type EntryRecord,
  goneKey,
  type LogKind,
  type LogRecord,
  logKey,
  logOf,
  type MailboxRecord,
  type ThreadRecord,
  threadKey,
} from './records.ts'

/** Notes that an email has got a place, lost one (`places`), or that one has changed. */
export async function noteEmail(
  change: Change,
  account: string,
  { email, thread }: Pick<EntryRecord, 'email' | 'thread'>,
  { places, now = 0 }: { readonly places: 1 | 0 | -1; readonly now?: number },
): Promise<void> {
  const at = threadKey(account, thread, email)
  const before = await change.get<ThreadRecord>(at)
  const modseq = await change.modseq()
  if (before) change.del(logKey(account, before.modseq, 'email', email))
  const next: ThreadRecord = { created: before?.created ?? modseq, modseq, places: (before?.places ?? 0) + places }
  const log = { created: next.created, thread } satisfies LogRecord
  if (next.places > 0) {
    change.put(at, next)
    change.put(logKey(account, modseq, 'email', email), log)
    return
  }
  change.del(at)
  noteGone(change, { account, modseq, kind: 'email', id: email }, { log, now })
}

/** The mailbox's record, noted as changed. */
export async function noteMailbox(
  change: Change,
  { account, id }: MailboxRef,
  record: MailboxRecord,
): Promise<MailboxRecord> {
  const modseq = await change.modseq()
  const { created = modseq, noted } = record
  if (noted !== undefined) change.del(logKey(account, noted, 'mailbox', id))
  change.put(logKey(account, modseq, 'mailbox', id), { created } satisfies LogRecord)
  return { ...record, created, noted: modseq }
}

export async function noteMailboxGone(
  change: Change,
  { account, id }: MailboxRef,
  { record: { created = 0, noted }, now }: { readonly record: MailboxRecord; readonly now: number },
): Promise<void> {
  if (noted !== undefined) change.del(logKey(account, noted, 'mailbox', id))
  noteGone(change, { account, modseq: await change.modseq(), kind: 'mailbox', id }, { log: { created }, now })
}

interface Logged {
  readonly account: string
  readonly modseq: number
  readonly kind: LogKind
  readonly id: string
}

function noteGone(
  change: Change,
  { account, modseq, kind, id }: Logged,
  { log, now }: { readonly log: LogRecord; readonly now: number },
): void {
  change.put(logKey(account, modseq, kind, id), { ...log, gone: true } satisfies LogRecord)
  change.put(goneKey(now, account, modseq, kind, id), 1)
}

// --- states ---------------------------------------------------------------------------------------

/** A client's position: up to a modseq, or within the changes since one. */
interface State {
  readonly since: number
  /** The last object that the client has got. */
  readonly after?: { readonly modseq: number; readonly kind: LogKind; readonly id: string }
}

const format = ({ since, after }: State): string =>
  after ? `${since}.${after.modseq}.${after.kind === 'email' ? 'e' : 'm'}.${after.id}` : `${since}`

function parse(text: string): State | undefined {
  const found = /^(\d{1,15})(?:\.(\d{1,15})\.([em])\.([\w-]{1,200}))?$/.exec(text)
  if (!found) return undefined
  const [, since, modseq, kind, id = ''] = found
  if (modseq === undefined) return { since: Number(since) }
  return { since: Number(since), after: { modseq: Number(modseq), kind: kind === 'e' ? 'email' : 'mailbox', id } }
}

export function createHistory(store: Store) {
  async function accountOf(account: string): Promise<AccountRecord | undefined> {
    const value = await store.get(accountKey(account))
    return value && decode<AccountRecord>(value)
  }

  async function lastOf(account: string): Promise<number> {
    for await (const [at] of store.scan({ ...logOf(account), reverse: true, limit: 1 })) return unkey(at)[2] as number
    return 0
  }

  async function accountState(account: string): Promise<string> {
    // The last change may have been swept.
    const [last, record] = [await lastOf(account), await accountOf(account)]
    return format({ since: Math.max(last, record?.forgotten ?? 0) })
  }

  async function accountChanges(
    account: string,
    since: string,
    { limit = Number.MAX_SAFE_INTEGER }: { readonly limit?: number } = {},
  ): Promise<AccountChanges | 'cannotCalculate'> {
    const from = parse(since)
    if (!from) return 'cannotCalculate'
    const page = new Page(from)
    const { after } = from
    const start = after
      ? logKey(account, after.modseq, after.kind, after.id)
      : logKey(account, from.since + 1, 'email', '')
    let hasMore = false
    let count = 0
    for await (const [at, value] of store.scan({ ...logOf(account), from: start })) {
      if (after && isSame(at, start)) continue
      if (count++ === limit) {
        hasMore = true
        break
      }
      page.add(at, decode<LogRecord>(value))
    }
    // Read last, so that a sweep during the read is noticed.
    const record = await accountOf(account)
    if (from.since < (record?.forgotten ?? 0) || from.since > (record?.modseq ?? 0)) return 'cannotCalculate'
    return page.end(hasMore)
  }

  return { accountState, accountChanges }
}

const isSame = (a: Key, b: Key): boolean => Buffer.compare(a, b) === 0

type Fate = 'created' | 'updated' | 'destroyed'

/** A part of an account's changes while it is read. */
class Page {
  readonly #from: State
  readonly #kinds = { email: new Map<string, Fate>(), mailbox: new Map<string, Fate>() }
  readonly #threads = new Set<string>()
  #last: Required<State>['after'] | undefined

  constructor(from: State) {
    this.#from = from
  }

  add(at: Key, { created, gone, thread }: LogRecord): void {
    const [, , modseq, kind, id] = unkey(at) as [string, string, number, LogKind, string]
    this.#last = { modseq, kind, id }
    const isNew = created > this.#from.since
    const objects = this.#kinds[kind]
    if (thread !== undefined && (isNew || gone)) this.#threads.add(thread)
    if (!gone) objects.set(id, objects.has(id) || !isNew ? 'updated' : 'created')
    // A client in the midst of the changes may know of it already.
    else if (!isNew || this.#from.after) objects.set(id, 'destroyed')
  }

  end(hasMore: boolean): AccountChanges {
    const { since } = this.#from
    const modseq = Math.max(since, this.#last?.modseq ?? this.#from.after?.modseq ?? 0)
    return {
      state: format(hasMore && this.#last ? { since, after: this.#last } : { since: modseq }),
      hasMore,
      emails: grouped(this.#kinds.email),
      mailboxes: grouped(this.#kinds.mailbox),
      threads: [...this.#threads],
    }
  }
}

function grouped(objects: ReadonlyMap<string, Fate>): ObjectChanges {
  const of = (wanted: Fate) => [...objects].flatMap(([id, change]) => (change === wanted ? [id] : []))
  return { created: of('created'), updated: of('updated'), destroyed: of('destroyed') }
}
