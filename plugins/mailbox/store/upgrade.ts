/**
 * Histories of accounts from before they were kept, made of the entries there are.
 *
 * It may be cut off and begin again: it writes the same records, and the account's own record last.
 */
import { type Op, type Store, unkey } from 'iems'
import {
  type AccountRecord,
  accountKey,
  allAccounts,
  decode,
  type EntryRecord,
  encode,
  entriesOf,
  type LogRecord,
  logKey,
  type MailboxRecord,
  mailboxesOf,
  mailboxKey,
  type ThreadRecord,
  threadKey,
} from './records.ts'

const BATCH = 500

export async function makeHistories(store: Store): Promise<void> {
  for await (const [at, value] of store.scan(allAccounts))
    await makeHistory(store, (unkey(at) as [string, string])[1], decode<AccountRecord>(value))
}

async function makeHistory(store: Store, account: string, record: AccountRecord): Promise<void> {
  const emails = new Map<string, ThreadRecord & { readonly thread: string }>()
  const ops: Op[] = []
  let messages = 0
  for await (const [at, value] of store.scan(mailboxesOf(account))) {
    const id = unkey(at)[2] as string
    const mailbox = decode<MailboxRecord>(value)
    const { modseq } = mailbox
    messages += mailbox.messages
    ops.push({ put: mailboxKey(account, id), value: encode({ ...mailbox, created: modseq, noted: modseq }) })
    ops.push({ put: logKey(account, modseq, 'mailbox', id), value: encode({ created: modseq } satisfies LogRecord) })
    for await (const [, value] of store.scan(entriesOf(id, [0, 4_294_967_295]))) {
      const { email, thread, modseq } = decode<EntryRecord>(value)
      const before = emails.get(email)
      emails.set(email, {
        thread,
        created: Math.min(before?.created ?? modseq, modseq),
        modseq: Math.max(before?.modseq ?? modseq, modseq),
        places: (before?.places ?? 0) + 1,
      })
    }
  }
  for (const [email, { thread, ...one }] of emails) {
    ops.push({ put: threadKey(account, thread, email), value: encode(one) })
    const log: LogRecord = { created: one.created, thread }
    ops.push({ put: logKey(account, one.modseq, 'email', email), value: encode(log) })
  }
  for (let start = 0; start < ops.length; start += BATCH) await store.commit(ops.slice(start, start + BATCH))
  // Earlier removals are unknown, so clients start over.
  const next: AccountRecord = { ...record, messages, forgotten: record.modseq }
  await store.commit([{ put: accountKey(account), value: encode(next) }])
}
