/**
 * Mailboxes (RFC 8621 section 2). A name with levels in the store is a tree here.
 */

import { isDeepStrictEqual } from 'node:util'
import { Cache } from 'iems'
import * as z from 'zod'
import type { Mailbox, SpecialUse } from '../../../mailbox/store/api.ts'
import { type JmapCall, type JmapObject, MAIL, type ObjectType, type Patch, type Query } from '../api.ts'
import { isSnoozed } from '../conversations/snoozes.ts'
import { invalidProperties, ObjectError } from '../errors.ts'
import { meetsFilter } from '../filters.ts'
import { patched } from '../patched.ts'
import { idOf } from '../set.ts'
import { shareWithOf } from '../sharing/mailbox-shares.ts'
import { changesOf, done, type MailDeps, stateOf, type View, viewOf } from './deps.ts'

const ROLES: Readonly<Record<string, SpecialUse>> = {
  all: '\\All',
  archive: '\\Archive',
  drafts: '\\Drafts',
  flagged: '\\Flagged',
  junk: '\\Junk',
  sent: '\\Sent',
  snoozed: '\\Snoozed',
  trash: '\\Trash',
}
function roleOf(mailbox: Mailbox): string | null {
  if (mailbox.name === 'INBOX') return 'inbox'
  return isSnoozed(mailbox) ? 'snoozed' : (mailbox.specialUse?.slice(1).toLowerCase() ?? null)
}

/** In the order in which clients show them. */
const ORDER = ['inbox', 'snoozed', 'drafts', 'sent', 'archive', 'junk', 'trash']
const sortOrderOf = (mailbox: Mailbox): number => {
  const place = ORDER.indexOf(roleOf(mailbox) ?? '')
  return mailbox.sortOrder ?? (place < 0 ? 10 : place + 1)
}

const PROPERTIES = [
  'id',
  'name',
  'parentId',
  'role',
  'sortOrder',
  'totalEmails',
  'unreadEmails',
  'totalThreads',
  'unreadThreads',
  'myRights',
  'isSubscribed',
  'shareWith',
] as const

const filterSchema = z.strictObject({
  parentId: z.string().nullish(),
  name: z.string().optional(),
  role: z.string().nullish(),
  hasAnyRole: z.boolean().optional(),
  isSubscribed: z.boolean().optional(),
})
type MailboxCondition = z.output<typeof filterSchema>

const parentName = (name: string) => (name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : undefined)
const leafName = (name: string) => name.slice(name.lastIndexOf('/') + 1)

function parentIdOf({ name }: Mailbox, view: View): string | null {
  const above = parentName(name)
  return view.mailboxes.find((one) => one.name === above)?.id ?? null
}

/** RFC 8621 section 2: `myRights` from the letters of RFC 4314. */
function rightsOf(mailbox: Mailbox, view: View) {
  const may = (letters: string) => view.may(mailbox.id, letters)
  const isPlain = !mailbox.noSelect
  return {
    mayReadItems: isPlain && may('r'),
    mayAddItems: isPlain && may('i'),
    mayRemoveItems: isPlain && may('te'),
    maySetSeen: isPlain && may('s'),
    maySetKeywords: isPlain && may('w'),
    mayCreateChild: may('k'),
    mayRename: may('x') && mailbox.name !== 'INBOX',
    mayDelete: may('x') && mailbox.name !== 'INBOX',
    maySubmit: view.isOwn,
    mayShare: may('a'),
  }
}

/** Thread counts of mailboxes, computed once per state. */
class ThreadCounts {
  readonly #deps: Pick<MailDeps, 'mail'>
  readonly #known = new Cache<{ readonly modseq: number; readonly total: number; readonly unread: number }>({
    max: 2000,
  })

  constructor(deps: Pick<MailDeps, 'mail'>) {
    this.#deps = deps
  }

  async of(mailbox: Mailbox): Promise<{ readonly total: number; readonly unread: number }> {
    const known = this.#known.get(mailbox.id)
    if (known?.modseq === mailbox.modseq) return known
    const threads = new Set<string>()
    const unread = new Set<string>()
    for await (const { thread, flags } of this.#deps.mail.entries(mailbox, [[1, 4_294_967_295]])) {
      threads.add(thread)
      if (!flags.includes('\\Seen')) unread.add(thread)
    }
    const counted = { modseq: mailbox.modseq, total: threads.size, unread: unread.size }
    this.#known.set(mailbox.id, counted)
    return counted
  }
}

async function describe(
  mailbox: Mailbox,
  { view, counts, properties }: { view: View; counts: ThreadCounts; properties: readonly string[] | undefined },
): Promise<JmapObject> {
  const role = roleOf(mailbox)
  const wantsThreads = !properties || properties.some((name) => name.endsWith('Threads'))
  const threads = wantsThreads && !mailbox.noSelect ? await counts.of(mailbox) : { total: 0, unread: 0 }
  return {
    id: mailbox.id,
    name: mailbox.name === 'INBOX' ? 'Inbox' : leafName(mailbox.name),
    parentId: parentIdOf(mailbox, view),
    role,
    sortOrder: sortOrderOf(mailbox),
    totalEmails: mailbox.messages,
    unreadEmails: mailbox.unseen,
    totalThreads: threads.total,
    unreadThreads: threads.unread,
    myRights: rightsOf(mailbox, view),
    isSubscribed: mailbox.subscribed,
    shareWith: view.may(mailbox.id, 'a') ? shareWithOf(mailbox) : null,
  }
}

function meets(mailbox: Mailbox, condition: MailboxCondition, view: View): boolean {
  const { parentId, name, role, hasAnyRole, isSubscribed } = condition
  return (
    (parentId === undefined || parentIdOf(mailbox, view) === parentId) &&
    (name === undefined || leafName(mailbox.name).toLowerCase().includes(name.toLowerCase())) &&
    (role === undefined || roleOf(mailbox) === role) &&
    (hasAnyRole === undefined || (roleOf(mailbox) !== null) === hasAnyRole) &&
    (isSubscribed === undefined || mailbox.subscribed === isSubscribed)
  )
}

async function query(deps: MailDeps, asked: Query<MailboxCondition>): Promise<readonly string[]> {
  const view = await viewOf(deps, asked.account, asked.call)
  const { sortAsTree = false, filterAsTree = false } = asked.more as { sortAsTree?: boolean; filterAsTree?: boolean }
  const compare = (a: Mailbox, b: Mailbox): number => {
    for (const { property, isAscending } of asked.sort) {
      const order =
        property === 'sortOrder'
          ? sortOrderOf(a) - sortOrderOf(b)
          : property === 'name'
            ? leafName(a.name).localeCompare(leafName(b.name), 'en')
            : 0
      if (order !== 0) return isAscending ? order : -order
    }
    return a.id < b.id ? -1 : 1
  }
  const fits = new Set(
    view.mailboxes
      .filter((one) => meetsFilter(asked.filter, (condition) => meets(one, condition, view)))
      .map(({ id }) => id),
  )
  const isAbove = (one: Mailbox): boolean => {
    const parent = parentIdOf(one, view)
    const above = parent === null ? undefined : view.find(parent)
    return !above || (fits.has(above.id) && isAbove(above))
  }
  const found = view.mailboxes.filter((one) => fits.has(one.id) && (!filterAsTree || isAbove(one)))
  if (!sortAsTree) return found.sort(compare).map(({ id }) => id)
  const chosen = new Set(found.map(({ id }) => id))
  const walk = (parent: string | null): string[] =>
    view.mailboxes
      .filter((one) => parentIdOf(one, view) === parent)
      .sort(compare)
      .flatMap(({ id }) => [...(chosen.has(id) ? [id] : []), ...walk(id)])
  return walk(null)
}

const newMailbox = z.strictObject({
  name: z.string().min(1).max(255),
  parentId: z.string().nullable().default(null),
  role: z.string().nullable().default(null),
  sortOrder: z.int().min(0).optional(),
  isSubscribed: z.boolean().default(true),
})

function readProperties(given: unknown): z.output<typeof newMailbox> {
  const read = newMailbox.safeParse(given)
  if (!read.success)
    throw invalidProperties(
      [
        ...new Set(
          read.error.issues.map(({ path, ...issue }) =>
            String(path[0] ?? (issue as { keys?: string[] }).keys?.[0] ?? ''),
          ),
        ),
      ],
      read.error.issues[0]?.message,
    )
  if (read.data.name.includes('/') || /\p{Cc}/u.test(read.data.name))
    throw invalidProperties(['name'], 'A name has no slash and no control characters')
  return read.data
}

/** The store's name below a parent. Throws for a parent that is not there. */
function fullName(name: string, parentId: string | null, view: View): string {
  const parent = parentId === null ? undefined : view.find(parentId)
  if (parentId !== null && !parent) throw invalidProperties(['parentId'], 'There is no such mailbox')
  const full = parent ? `${parent.name}/${name}` : name
  const other = view.mailboxes.find((one) => one.name === full && !one.noSelect)
  if (other)
    throw new ObjectError('alreadyExists', 'There is a mailbox of that name', {
      existingId: other.id,
      properties: ['name'],
    })
  return full
}

async function create(deps: MailDeps, account: string, given: Patch, call: JmapCall): Promise<JmapObject> {
  const view = await viewOf(deps, account, call)
  const { shareWith, ...own } = given
  const { name, parentId: above, role, isSubscribed, sortOrder } = readProperties(own)
  const parentId = above === null ? null : idOf(above, call)
  if (!view.isOwn && (parentId === null || !view.may(parentId, 'k'))) throw new ObjectError('forbidden')
  if (role !== null && !(role in ROLES)) throw invalidProperties(['role'], 'There is no such role')
  if (role !== null && view.mailboxes.some((one) => roleOf(one) === role))
    throw invalidProperties(['role'], 'Another mailbox has this role')
  const specialUse = role === null ? undefined : ROLES[role]
  const made = done(await deps.mail.create(account, fullName(name, parentId, view), specialUse ? { specialUse } : {}))
  if (sortOrder !== undefined) done(await deps.mail.setSortOrder(made, sortOrder))
  if (made.subscribed !== isSubscribed) done(await deps.mail.subscribe(made, isSubscribed))
  if (view.isOwn && shareWith) await deps.shares.change(made, { shareWith }, call)
  const now = await viewOf(deps, account, call)
  const mailbox = now.find(made.id) ?? made
  const all = await describe(mailbox, { view: now, counts: new ThreadCounts(deps), properties: ['id'] })
  // RFC 8620 section 5.3: what the client did not send.
  return Object.fromEntries(Object.entries(all).filter(([property]) => !(property in given))) as JmapObject
}

/** Refuses a change of what the server sets; its present value may come along (RFC 8620 section 5.3). */
function refuseFixed(patch: Patch, before: JmapObject): void {
  const fixed = Object.keys(patch).filter(
    (path) => !SETTABLE.includes(path) && !isDeepStrictEqual(patch[path], before[path]),
  )
  if (fixed.length > 0) throw invalidProperties(fixed, 'These are set when a mailbox is created, or by the server')
}
const SETTABLE: readonly string[] = ['name', 'parentId', 'isSubscribed', 'sortOrder']

async function update(
  deps: MailDeps & { readonly counts: ThreadCounts },
  account: string,
  id: string,
  { patch, call }: { readonly patch: Patch; readonly call: JmapCall },
): Promise<null> {
  const { counts } = deps
  const view = await viewOf(deps, account, call)
  const mailbox = view.find(id)
  if (!mailbox) throw new ObjectError('notFound')
  const isSharing = (path: string) => path === 'shareWith' || path.startsWith('shareWith/')
  const sharing = Object.fromEntries(Object.entries(patch).filter(([path]) => isSharing(path)))
  const rest = Object.fromEntries(Object.entries(patch).filter(([path]) => !isSharing(path)))
  const isShared = Object.keys(sharing).length > 0
  if (isShared && !view.may(id, 'a')) throw new ObjectError('forbidden')
  const before = await describe(mailbox, { view, counts, properties: undefined })
  refuseFixed(rest, before)
  const { name: oldName, parentId: oldParent, isSubscribed, sortOrder } = before
  const settable = Object.fromEntries(Object.entries(rest).filter(([path]) => SETTABLE.includes(path)))
  const wanted = readProperties(patched({ name: oldName, parentId: oldParent, isSubscribed, sortOrder }, settable))
  const parentId = wanted.parentId === null ? null : idOf(wanted.parentId, call)
  if (wanted.name !== oldName || parentId !== oldParent) {
    if (!rightsOf(mailbox, view).mayRename) throw new ObjectError('forbidden')
    const name = fullName(wanted.name, parentId, view)
    if (name.startsWith(`${mailbox.name}/`))
      throw invalidProperties(['parentId'], 'A mailbox cannot stand below itself')
    done(await deps.mail.rename(mailbox, name))
  }
  if (wanted.isSubscribed !== isSubscribed) done(await deps.mail.subscribe(mailbox, wanted.isSubscribed))
  if (wanted.sortOrder !== undefined && wanted.sortOrder !== sortOrder)
    done(await deps.mail.setSortOrder(mailbox, wanted.sortOrder))
  if (isShared) await deps.shares.change(mailbox, sharing, call)
  return null
}

async function destroy(
  deps: MailDeps,
  account: string,
  id: string,
  { call, removeEmails }: { call: JmapCall; removeEmails: boolean },
) {
  const view = await viewOf(deps, account, call)
  const mailbox = view.find(id)
  if (!mailbox) throw new ObjectError('notFound')
  if (!rightsOf(mailbox, view).mayDelete) throw new ObjectError('forbidden')
  if (view.mailboxes.some(({ name }) => name.startsWith(`${mailbox.name}/`))) throw new ObjectError('mailboxHasChild')
  if (mailbox.messages > 0 && !removeEmails) throw new ObjectError('mailboxHasEmail')
  done(await deps.mail.remove(mailbox))
}

export function mailboxType(deps: MailDeps): ObjectType<MailboxCondition> {
  const counts = new ThreadCounts(deps)
  return {
    capability: MAIL,
    properties: PROPERTIES,
    state: (account) => stateOf(deps, account),
    async get({ account, ids, properties }, call) {
      const view = await viewOf(deps, account, call)
      const wanted = view.mailboxes.filter(({ id }) => ids === undefined || ids.includes(id))
      const found: JmapObject[] = []
      for (const mailbox of wanted) found.push(await describe(mailbox, { view, counts, properties }))
      return found
    },
    async changes(account, since, limit) {
      const { mailboxes, state, hasMore } = await changesOf(deps, account, since, limit)
      return { ...mailboxes, newState: state, hasMoreChanges: hasMore, more: { updatedProperties: null } }
    },
    filter: filterSchema,
    sorts: ['name', 'sortOrder', 'parentId'],
    queryArguments: z.strictObject({
      sortAsTree: z.boolean().default(false),
      filterAsTree: z.boolean().default(false),
    }),
    query: (asked) => query(deps, asked),
    setArguments: z.strictObject({ onDestroyRemoveEmails: z.boolean().default(false) }),
    create: (account, given, call) => create(deps, account, given, call),
    update: (account, id, patch, call) => update({ ...deps, counts }, account, id, { patch, call }),
    destroy: (account, id, call, { onDestroyRemoveEmails }) =>
      destroy(deps, account, id, { call, removeEmails: onDestroyRemoveEmails === true }),
  }
}
