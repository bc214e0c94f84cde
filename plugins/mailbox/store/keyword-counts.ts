/**
 * Counts the messages of a mailbox by keyword, to limit the number of different keywords.
 *
 * Invariants: counts change in the commit of the entries; an unused keyword does not count. In a mailbox older than
 * these counts, only new keywords count until `iems mailbox check --repair`.
 */
import type { Change } from './account-transactions.ts'
import { keywordKey, type MailboxRecord } from './records.ts'

export interface KeywordLimit {
  /** Different keywords of one mailbox. */
  readonly most: number
  /** The effect on a message that exceeds the limit. */
  readonly excess: 'refuse' | 'leave out'
}

export const NO_LIMIT: KeywordLimit = { most: Number.POSITIVE_INFINITY, excess: 'leave out' }

const isKeyword = (flag: string) => !flag.startsWith('\\')

/** The mailbox's record after a message with these flags has come (1) or gone (-1). */
export async function countKeywords(
  change: Change,
  { id, record }: { readonly id: string; readonly record: MailboxRecord },
  flags: readonly string[],
  sign: 1 | -1,
): Promise<MailboxRecord> {
  let keywords = record.keywords ?? 0
  for (const keyword of flags.filter(isKeyword)) {
    const at = keywordKey(id, keyword)
    const before = (await change.get<number>(at)) ?? 0
    const after = before + sign
    if (before === 0 && after === 1) keywords++
    if (before === 1 && after === 0) keywords--
    if (after > 0) change.put(at, after)
    else if (before > 0) change.del(at)
  }
  return keywords === record.keywords ? record : { ...record, keywords }
}

/** The flags without keywords that would be more than the mailbox may have; undefined when that is to be refused. */
export async function fittingFlags(
  change: Change,
  { id, record }: { readonly id: string; readonly record: MailboxRecord },
  flags: readonly string[],
  { most, excess }: KeywordLimit,
): Promise<readonly string[] | undefined> {
  let left = most - (record.keywords ?? 0)
  const fitting: string[] = []
  for (const flag of flags)
    if (!isKeyword(flag) || (await change.get(keywordKey(id, flag))) !== undefined || left-- > 0) fitting.push(flag)
  return fitting.length < flags.length && excess === 'refuse' ? undefined : fitting
}
