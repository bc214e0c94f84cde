/**
 * Email/query: conditions and orders of RFC 8621 section 4.4 as those of the mail store's query service.
 */
import * as z from 'zod'
import type { Condition, SortKey, TextField } from '../../../mailbox/store/api.ts'
import type { Comparator, Filter, Query, TypeChanges } from '../api.ts'
import { MethodError } from '../errors.ts'
import { type MailDeps, viewOf } from './deps.ts'

const text = z.string().max(1000)
const keyword = z.string().min(1).max(255)
const utc = z.iso.datetime()

export const emailFilter = z.strictObject({
  inMailbox: z.string().optional(),
  inMailboxOtherThan: z.array(z.string()).max(500).optional(),
  before: utc.optional(),
  after: utc.optional(),
  minSize: z.int().min(0).optional(),
  maxSize: z.int().min(0).optional(),
  allInThreadHaveKeyword: keyword.optional(),
  someInThreadHaveKeyword: keyword.optional(),
  noneInThreadHaveKeyword: keyword.optional(),
  hasKeyword: keyword.optional(),
  notKeyword: keyword.optional(),
  hasAttachment: z.boolean().optional(),
  text: text.optional(),
  from: text.optional(),
  to: text.optional(),
  cc: text.optional(),
  bcc: text.optional(),
  subject: text.optional(),
  body: text.optional(),
  header: z.array(z.string().max(1000)).min(1).max(2).optional(),
})
export type EmailCondition = z.output<typeof emailFilter>

export const EMAIL_SORTS = [
  'receivedAt',
  'size',
  'from',
  'to',
  'subject',
  'sentAt',
  'hasKeyword',
  'allInThreadHaveKeyword',
  'someInThreadHaveKeyword',
]

/** JMAP keywords of system flags (RFC 8621 section 4.1.1). */
const SYSTEM: Readonly<Record<string, string>> = {
  $seen: '\\Seen',
  $flagged: '\\Flagged',
  $answered: '\\Answered',
  $draft: '\\Draft',
}
export const flagOf = (given: string) => SYSTEM[given.toLowerCase()] ?? given

const EVERYWHERE: readonly TextField[] = ['from', 'to', 'cc', 'bcc', 'subject', 'body', 'attachments']
const all = (of: readonly Condition[]): Condition => ({ kind: 'and', of })
const not = (of: Condition): Condition => ({ kind: 'not', of })
const flag = (given: string, isSet = true): Condition => ({ kind: 'flag', flag: flagOf(given), isSet })

/** Quoted words must be adjacent; other words may occur anywhere. */
function texts(given: string, fields: readonly TextField[]): Condition {
  const phrases = [...given.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].flatMap(([, double, single, word]) => {
    const found = double ?? single ?? word ?? ''
    return found === '' ? [] : [{ found, isPhrase: word === undefined }]
  })
  return all(
    phrases.map(({ found, isPhrase }) => ({
      kind: 'text',
      fields,
      text: found,
      how: isPhrase ? 'substring' : 'words',
    })),
  )
}

/** Conditions that need the threads of the account first. */
type InThread = (how: 'all' | 'some', keyword: string) => Promise<Condition>

/** Facts about the account that conditions need. */
interface Around {
  readonly inThread: InThread
  /** Ids of the account's mailboxes. */
  readonly mailboxes: readonly string[]
}

async function conditionOf(given: EmailCondition, { inThread, mailboxes }: Around): Promise<Condition> {
  const found: Condition[] = []
  const add = <K extends keyof EmailCondition>(name: K, make: (value: NonNullable<EmailCondition[K]>) => Condition) => {
    const value = given[name]
    if (value !== undefined) found.push(make(value))
  }
  add('inMailbox', (id) => ({ kind: 'mailbox', id }))
  add('inMailboxOtherThan', (ids) => ({
    kind: 'or',
    of: mailboxes.filter((id) => !ids.includes(id)).map((id) => ({ kind: 'mailbox', id })),
  }))
  add('before', (at) => ({ kind: 'time', of: 'received', is: 'before', at: Date.parse(at) }))
  add('after', (at) => ({ kind: 'time', of: 'received', is: 'since', at: Date.parse(at) }))
  add('minSize', (than) => ({ kind: 'size', is: 'larger', than: than - 1 }))
  add('maxSize', (than) => ({ kind: 'size', is: 'smaller', than }))
  add('hasKeyword', (keyword) => flag(keyword))
  add('notKeyword', (keyword) => flag(keyword, false))
  add('hasAttachment', (has) => ({ kind: 'attachments', has }))
  add('text', (value) => texts(value, EVERYWHERE))
  for (const name of ['from', 'to', 'cc', 'bcc', 'subject', 'body'] as const) add(name, (value) => texts(value, [name]))
  add('header', ([name = '', value = '']) => ({ kind: 'field', name: name.toLowerCase(), text: value }))
  if (given.allInThreadHaveKeyword) found.push(await inThread('all', given.allInThreadHaveKeyword))
  if (given.someInThreadHaveKeyword) found.push(await inThread('some', given.someInThreadHaveKeyword))
  if (given.noneInThreadHaveKeyword) found.push(not(await inThread('some', given.noneInThreadHaveKeyword)))
  return all(found)
}

async function filterOf(filter: Filter<EmailCondition> | undefined, around: Around): Promise<Condition> {
  if (!filter) return { kind: 'all' }
  if (!('operator' in filter)) return conditionOf(filter, around)
  const of: Condition[] = []
  for (const one of filter.conditions) of.push(await filterOf(one, around))
  if (filter.operator === 'AND') return all(of)
  return filter.operator === 'OR' ? { kind: 'or', of } : not({ kind: 'or', of })
}

const BY: Readonly<Record<string, 'received' | 'size' | 'displayFrom' | 'displayTo' | 'subject' | 'sent'>> = {
  receivedAt: 'received',
  size: 'size',
  from: 'displayFrom',
  to: 'displayTo',
  subject: 'subject',
  sentAt: 'sent',
}

async function orderOf(
  sort: readonly Comparator[],
  threadsWith: (how: 'all' | 'some', keyword: string) => Promise<ReadonlySet<string>>,
): Promise<SortKey[]> {
  const order: SortKey[] = []
  for (const { property, isAscending, keyword: given } of sort) {
    const by = BY[property]
    if (!by && typeof given !== 'string') throw new MethodError('unsupportedSort', `${property} needs a keyword`)
    const keyword = String(given)
    // Ascending: those without the keyword come first.
    if (by) order.push({ by, isReverse: !isAscending })
    else if (property === 'hasKeyword') order.push({ by: 'flag', flag: flagOf(keyword), isReverse: isAscending })
    else {
      const ids = await threadsWith(property === 'allInThreadHaveKeyword' ? 'all' : 'some', keyword)
      order.push({ by: 'threads', ids, isReverse: isAscending })
    }
  }
  return order
}

export async function queryEmails(deps: MailDeps, { account, filter, sort, more, call }: Query<EmailCondition>) {
  const view = await viewOf(deps, account, call)
  const threads = (how: 'all' | 'some', given: string) => threadsWith(deps, { account, how, keyword: given })
  const inThread: InThread = async (how, given) => ({ kind: 'threads', ids: await threads(how, given) })
  const found = await deps.query.emails({
    account,
    condition: await filterOf(filter, { inThread, mailboxes: view.mailboxes.map(({ id }) => id) }),
    order: await orderOf(sort.length === 0 ? [{ property: 'receivedAt', isAscending: false }] : sort, threads),
    collapseThreads: more.collapseThreads === true,
    signal: call.signal,
  })
  return (view.isOwn ? found : found.filter((email) => view.sees(email))).map(({ id }) => id)
}

/** Threads of which some email, or every one, has a keyword. */
async function threadsWith(
  { query }: MailDeps,
  {
    account,
    how,
    keyword: given,
  }: { readonly account: string; readonly how: 'all' | 'some'; readonly keyword: string },
): Promise<ReadonlySet<string>> {
  const has = new Set((await query.emails({ account, condition: flag(given) })).map(({ thread }) => thread))
  if (how === 'some') return has
  for (const { thread } of await query.emails({ account, condition: flag(given, false) })) has.delete(thread)
  return has
}

/**
 * Emails whose position may change: the changed ones, and others of their threads, which may now represent the thread.
 */
export async function affectedEmails(
  { mail }: MailDeps,
  account: string,
  { hint }: TypeChanges,
): Promise<readonly string[]> {
  const threads = new Set(hint as readonly string[])
  const ids: string[] = []
  for (const thread of threads) for (const { id } of await mail.thread(account, thread)) ids.push(id)
  return ids
}
