/**
 * Checks an account's records for consistency, and repairs them where possible.
 *
 * Invariants: it changes nothing unless asked to repair, and repairs only what the entries determine: counts, UIDs,
 * change lists, holders. An entry with missing or damaged content is reported, never removed.
 */
import { type Store, unkey } from 'iems'
import { type Change, type ChangeAccount, isRefused } from './account-transactions.ts'
import type { UidRange, Uids } from './api.ts'
import type { Emails } from './emails.ts'
import {
  type AccountRecord,
  accountKey,
  type ChangeKind,
  changeKey,
  decode,
  type EntryRecord,
  entriesOf,
  heldKey,
  keywordKey,
  keywordsOf,
  type MailboxRecord,
  mailboxesOf,
  mailboxKey,
  nameKey,
  readEmailId,
  uidsKey,
  uidsOfMailbox,
} from './records.ts'
import { bucketOf, uidsOf } from './uids.ts'

export interface Problem {
  readonly mailbox: string
  readonly uid?: number
  readonly what: string
  /** Whether `--repair` puts it right. */
  readonly canRepair: boolean
}

export interface CheckOptions {
  readonly repair: boolean
  /** Reads all content and compares it with the hash stored on arrival. */
  readonly deep: boolean
}

export interface CheckDeps {
  readonly store: Store
  readonly changeAccount: ChangeAccount
  readonly emails: Emails
}

const ALL_UIDS: UidRange = [0, 4_294_967_295]

/** Totals of a mailbox's entries. */
interface Sum {
  messages: number
  unseen: number
  deleted: number
  size: number
  last: number
  readonly uids: UidRange[]
  /** Messages with each keyword, in lower case. */
  readonly keywords: Map<string, number>
}

interface Checked {
  readonly account: string
  readonly id: string
  readonly record: MailboxRecord
  readonly repair: boolean
  readonly deep: boolean
}

export class AccountCheck {
  readonly #deps: CheckDeps

  constructor(deps: CheckDeps) {
    this.#deps = deps
  }

  /** Every problem of an account; with `repair` they are put right as far as they can be, with `deep` content is read. */
  async *checkAccount(account: string, { repair, deep }: CheckOptions): AsyncGenerator<Problem> {
    let octets = 0
    let messages = 0
    for await (const [at, value] of this.#deps.store.scan(mailboxesOf(account))) {
      const [, , id] = unkey(at) as [string, string, string]
      const record = decode<MailboxRecord>(value)
      octets += record.size
      messages += record.messages
      if (decode<string>((await this.#deps.store.get(nameKey(account, record.name))) ?? encodeNothing()) !== id) {
        yield { mailbox: record.name, what: 'its name does not lead to it', canRepair: true }
        if (repair) await this.#change(account, (change) => change.put(nameKey(account, record.name), id))
      }
      yield* this.#checkMailbox({ account, id, record, repair, deep })
    }
    const kept = await this.#deps.store.get(accountKey(account))
    const counted = kept && decode<AccountRecord>(kept)
    if (counted && (counted.octets !== octets || counted.messages !== messages)) {
      const [own, theirs] = [counted, { octets, messages }].map(
        (one) => `${one.octets} octets in ${one.messages} messages`,
      )
      yield { mailbox: '', what: `the account counts ${own}, its mailboxes ${theirs}`, canRepair: true }
      if (repair)
        await this.#deps.changeAccount(account, async (change) => {
          change.setAccount({ ...(await change.account()), octets, messages })
          return null
        })
    }
  }

  async #change(account: string, work: (change: Change) => void): Promise<void> {
    const done = await this.#deps.changeAccount(account, async (change) => {
      work(change)
      return null
    })
    if (isRefused(done)) throw new Error(done.why)
  }

  async *#checkMailbox({ account, id, record, repair, deep }: Checked): AsyncGenerator<Problem> {
    const { name } = record
    const sum: Sum = { messages: 0, unseen: 0, deleted: 0, size: 0, last: 0, uids: [], keywords: new Map() }
    for await (const [at, value] of this.#deps.store.scan(entriesOf(id, ALL_UIDS))) {
      const uid = unkey(at)[2] as number
      const entry = decode<EntryRecord>(value)
      addTo(sum, uid, entry)
      for (const what of await this.#entryProblems({ account, id, deep }, uid, entry)) {
        yield { mailbox: name, uid, ...what }
        if (repair && what.mend) await this.#change(account, what.mend)
      }
    }
    for (const { what, mend } of await this.#mailboxProblems({ account, id, record }, sum)) {
      yield { mailbox: name, what, canRepair: true }
      if (repair) await this.#change(account, mend)
    }
  }

  async #entryProblems({ account, id, deep }: Omit<Checked, 'record' | 'repair'>, uid: number, entry: EntryRecord) {
    const problems: { what: string; canRepair: boolean; mend?: (change: Change) => void }[] = []
    const { base, tag } = readEmailId(entry.email)
    const held = heldKey(base, tag, account, id, uid)
    if (!(await this.#deps.store.get(held)))
      problems.push({ what: 'does not hold its email', canRepair: true, mend: (change) => change.put(held, 1) })
    const changed = changeKey(id, entry.modseq, uid)
    if (!(await this.#deps.store.get(changed)))
      problems.push({
        what: 'is not in the list of changes',
        canRepair: true,
        mend: (change) => change.put(changed, '+' satisfies ChangeKind),
      })
    const missing = await this.#contentProblem(entry, deep)
    if (missing) problems.push({ what: missing, canRepair: false })
    return problems
  }

  async #contentProblem(entry: EntryRecord, deep: boolean): Promise<string | undefined> {
    const email = await this.#deps.emails.email(entry.email)
    if (!email) return 'its email is missing'
    if (email.size !== entry.size) return `has ${email.size} octets, not ${entry.size}`
    const { verdict = 'missing', blob } = (await this.#deps.emails.verify(entry.email, deep)) ?? {}
    return verdict === 'right' || verdict === 'unproven' ? undefined : `its content is ${verdict} (blob ${blob})`
  }

  async #mailboxProblems({ account, id, record }: Omit<Checked, 'repair' | 'deep'>, sum: Sum) {
    const problems: { what: string; mend: (change: Change) => void }[] = []
    const { messages, unseen, deleted, size, last } = sum
    const counts = { messages, unseen, deleted, size, keywords: sum.keywords.size }
    const uidNext = Math.max(record.uidNext, last + 1)
    const wrong = Object.entries({ ...counts, uidNext }).filter(
      ([name, value]) => (record[name as 'size'] ?? 0) !== value,
    )
    if (wrong.length > 0)
      problems.push({
        what: wrong.map(([name, value]) => `${name} is ${record[name as 'size']}, not ${value}`).join(', '),
        mend: (change) => change.put(mailboxKey(account, id), { ...record, ...counts, uidNext }),
      })
    const keywords = new Map<string, number>()
    for await (const [at, value] of this.#deps.store.scan(keywordsOf(id)))
      keywords.set(String(unkey(at)[2]), decode<number>(value))
    const differing = [...new Set([...keywords.keys(), ...sum.keywords.keys()])].filter(
      (keyword) => keywords.get(keyword) !== sum.keywords.get(keyword),
    )
    if (differing.length > 0)
      problems.push({
        what: `the counts of ${differing.length} keywords are not those of its messages`,
        mend(change) {
          for (const keyword of differing) {
            const count = sum.keywords.get(keyword)
            if (count === undefined) change.del(keywordKey(id, keyword))
            else change.put(keywordKey(id, keyword), count)
          }
        },
      })
    const kept: UidRange[] = []
    for await (const [, value] of this.#deps.store.scan(uidsOfMailbox(id))) kept.push(...decode<Uids>(value))
    const uids = uidsOf(sum.uids)
    if (JSON.stringify(uidsOf(kept)) !== JSON.stringify(uids))
      problems.push({
        what: 'the list of its UIDs is not that of its messages',
        mend: (change) => writeUids(change, id, sum.uids),
      })
    return problems
  }
}

function addTo(sum: Sum, uid: number, { flags, size }: EntryRecord): void {
  sum.messages++
  if (!flags.includes('\\Seen')) sum.unseen++
  if (flags.includes('\\Deleted')) sum.deleted++
  sum.size += size
  for (const flag of flags) {
    if (flag.startsWith('\\')) continue
    const keyword = flag.toLowerCase()
    sum.keywords.set(keyword, (sum.keywords.get(keyword) ?? 0) + 1)
  }
  sum.last = uid
  const before = sum.uids.at(-1)
  if (before && before[1] === uid - 1) sum.uids[sum.uids.length - 1] = [before[0], uid]
  else sum.uids.push([uid, uid])
}

function writeUids(change: Change, id: string, ranges: readonly UidRange[]): void {
  const buckets = new Map<number, UidRange[]>()
  for (const [first, last] of ranges)
    for (let uid = first; uid <= last; uid++)
      buckets.set(bucketOf(uid), [...(buckets.get(bucketOf(uid)) ?? []), [uid, uid]])
  for (const [number, uids] of buckets) change.put(uidsKey(id, number), uidsOf(uids))
}

const encodeNothing = () => Buffer.from('null')
