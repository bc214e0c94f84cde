/**
 * Accounts, groups, aliases, domains, routes and units: lists with filters and order, single entries, and changes of
 * thousands at once.
 *
 * Invariants: every change goes through the directory's service in the caller's name and is in the history; the last
 * active administrator stays.
 */
import { setImmediate as turn } from 'node:timers/promises'
import * as z from 'zod'
import {
  type Change,
  type DirectoryApi,
  type Entry,
  type EntryKind,
  type EntryPatch,
  isRefused,
  type Member,
  type NewEntry,
} from '../../../directory/store/api.ts'
import type { MailStoreApi } from '../../../mailbox/store/api.ts'
import { HttpProblem, requireFresh } from '../../http/api.ts'
import type { Audit } from '../audit.ts'
import type { LastLogins } from '../last-logins.ts'
import { LISTED, type ListedEntry, type PeopleIndex, type Question } from '../people-index.ts'
import { type AdminCall, type AdminRoutes, type Line, lines } from '../routes.ts'
import { domainsOf, LAST_ADMIN, lastAdmins, requireAdminLeft, requireScope, requireSight } from '../scope.ts'

const kind = z.enum(LISTED)
const text = z.string().min(1).max(500)
const filterShape = {
  search: z.string().max(500).optional(),
  domain: text.optional(),
  role: text.optional(),
  status: z.enum(['active', 'suspended', 'disabled']).optional(),
}
const SORTS = ['name', 'displayName', 'address', 'quota', 'modified'] as const
const MAX_PAGE = 500
const MAX_IDS = 100_000
/** Changes of one commit. */
const BATCH = 100
const MAX_MEMBERS_SHOWN = 1000
const MAX_HISTORY = 50
const ofOne = z.object({ kind, id: z.string().max(100) })
const fields = z.record(z.string(), z.unknown())

const bulk = z.strictObject({
  action: z.enum(['remove', 'set']),
  ids: z.array(z.string().max(100)).min(1).max(MAX_IDS).optional(),
  /** All entries that fit, instead of `ids`. */
  filter: z.strictObject(filterShape).optional(),
  /** New values, for `set`; null removes a field. */
  fields: fields.optional(),
})
type Bulk = z.output<typeof bulk>

const STATUS = { NONEXISTENT: 404, ALREADYEXISTS: 409, INVALID: 400, INUSE: 409, CHANGED: 409, READONLY: 403 } as const

export interface DirectoryDeps {
  readonly routes: AdminRoutes
  readonly directory: DirectoryApi
  readonly people: PeopleIndex
  readonly mail: MailStoreApi | undefined
  readonly audit: Audit
  readonly logins: LastLogins
}

export function addDirectory(deps: DirectoryDeps): void {
  const { routes } = deps
  routes.route({
    method: 'GET',
    path: '/api/v1/directory/:kind',
    who: 'people:read',
    summary: 'List entries by filter and order, page by page',
    params: z.object({ kind }),
    query: z.object({
      ...filterShape,
      sort: z.enum(SORTS).default('name'),
      descending: z.stringbool().default(false),
      offset: z.coerce.number().int().min(0).default(0),
      limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100),
    }),
    run: (call) => list(deps, call),
  })
  routes.route({
    method: 'POST',
    path: '/api/v1/directory/:kind',
    who: 'people:change',
    summary: 'Add an entry',
    params: z.object({ kind }),
    body: fields,
    run: async (call) => {
      const { params, body } = call
      requireScope(call.login, { kind: params.kind, fields: body })
      return change(deps, call, { add: { kind: params.kind, ...body } as NewEntry }, 'add')
    },
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/directory/:kind/:id',
    who: 'people:read',
    summary: 'Show an entry with its members, groups, usage and latest changes',
    params: ofOne,
    run: async (call) => shown(deps, await entryOf(deps, call)),
  })
  routes.route({
    method: 'PATCH',
    path: '/api/v1/directory/:kind/:id',
    who: 'people:change',
    summary: 'Change fields of an entry; null removes a field; `addMembers` and `removeMembers` change a group',
    params: ofOne,
    body: fields,
    run: (call) => patch(deps, call),
  })
  routes.route({
    method: 'DELETE',
    path: '/api/v1/directory/:kind/:id',
    who: 'people:change',
    summary: 'Remove an entry; the mailboxes of an account stay',
    params: ofOne,
    fresh: true,
    run: async (call) => {
      const before = await entryOf(deps, call)
      requireScope(call.login, { kind: before.kind, before })
      if (before.kind === 'account') await requireAdminLeft(deps.people, before.id)
      await change(deps, call, { remove: before.id }, 'remove')
    },
  })
  routes.route({
    method: 'POST',
    path: '/api/v1/directory/:kind/changes',
    who: 'people:change',
    summary: 'Remove or change many entries; a stream with progress and a line for each fault',
    params: z.object({ kind }),
    body: bulk,
    limit: { body: 16_000_000 },
    run: async (call) => {
      if (call.body.action === 'remove') requireFresh(call.login)
      return lines(changeMany(deps, call, await idsOf(deps, call)))
    },
  })
}

async function list({ people, mail, logins }: DirectoryDeps, call: AdminCall) {
  const { offset, limit, ...question } = call.query
  const found = await asked(people, call, question)
  const rows = found.slice(offset, offset + limit)
  const isAccounts = call.params.kind === 'account'
  const usages = mail && isAccounts ? await Promise.all(rows.map(({ id }) => mail.usage(id))) : []
  const times = isAccounts ? await Promise.all(rows.map(({ id }) => logins.of(id))) : []
  return {
    total: found.length,
    entries: rows.map((row, index) => {
      const [used, at] = [usages[index]?.octets, times[index]]
      const lastLogin = at === undefined ? {} : { lastLogin: at }
      return { ...row, ...(used === undefined ? {} : { used }), ...lastLogin }
    }),
    ...(offset + limit < found.length ? { next: offset + limit } : {}),
  }
}

/** The entries that fit and that the login may see. */
async function asked(people: PeopleIndex, { login, params }: AdminCall, question: object) {
  const defined: Omit<Question, 'kind'> = Object.fromEntries(
    Object.entries(question).filter(([, value]) => value !== undefined),
  )
  const found = await people.ask({ kind: params.kind, ...defined })
  const domains = domainsOf(login)
  return domains ? found.filter((one) => one.domains.some((domain) => domains.includes(domain))) : found
}

async function entryOf({ directory }: DirectoryDeps, { login, params }: AdminCall): Promise<Entry> {
  const entry = await directory.byId(params.id)
  if (!entry || entry.kind !== params.kind) throw new HttpProblem(404, 'There is no such entry')
  requireSight(login, entry)
  return entry
}

async function shown({ directory, mail }: DirectoryDeps, entry: Entry) {
  const history = []
  for await (const one of directory.history({ id: entry.id, limit: MAX_HISTORY })) history.push(one)
  if (entry.kind === 'group') {
    const members = []
    for await (const member of directory.members(entry.id)) {
      members.push(await memberShown(directory, member))
      if (members.length >= MAX_MEMBERS_SHOWN) break
    }
    return { entry, members, history }
  }
  if (entry.kind !== 'account') return { entry, history }
  const groups = []
  for await (const id of directory.memberOf(entry.id)) {
    const group = await directory.byId(id)
    if (group?.kind === 'group') groups.push({ id, name: group.name })
  }
  return {
    entry,
    groups,
    usage: (await mail?.usage(entry.id)) ?? null,
    appPasswords: (await directory.appPasswords(entry.id)).map(({ name, scopes, created }) => ({
      name,
      scopes,
      created,
    })),
    hasSecondFactor: await directory.hasTotp(entry.id),
    history,
  }
}

async function memberShown(directory: DirectoryApi, member: Member) {
  if (!('id' in member)) return member
  const entry = await directory.byId(member.id)
  return { ...member, name: entry && 'name' in entry ? entry.name : member.id }
}

async function patch(deps: DirectoryDeps, call: AdminCall) {
  const { addMembers = [], removeMembers = [], ...to } = call.body
  const before = await entryOf(deps, call)
  requireScope(call.login, { kind: before.kind, before, fields: to })
  if (losesAdmin(before, to)) await requireAdminLeft(deps.people, before.id)
  let entry = before
  if (addMembers.length > 0 || removeMembers.length > 0)
    entry = await change(deps, call, { set: before.id, members: { add: addMembers, remove: removeMembers } }, 'members')
  return Object.keys(to).length === 0 ? entry : change(deps, call, { set: before.id, to: to as EntryPatch }, 'set')
}

/** Whether a change takes the rights of an active administrator. */
function losesAdmin(before: Entry, to: Readonly<Record<string, unknown>>): boolean {
  if (before.kind !== 'account' || !before.roles.includes('admin')) return false
  const { roles = before.roles, status = before.status } = to
  return status !== 'active' || !(roles as readonly string[]).includes('admin')
}

async function change({ directory, audit }: DirectoryDeps, call: AdminCall, wanted: Change, what: string) {
  const [result] = await directory.change([wanted], call.by)
  if (!result || isRefused(result)) {
    const { refused, why } = result ?? { refused: 'INVALID' as const, why: 'Nothing was changed' }
    throw new HttpProblem(STATUS[refused], why, { refused })
  }
  const { entry } = result
  await audit.add({ by: call.by, what: `${entry.kind}.${what}`, about: nameOf(entry), ...fieldsOf(wanted) })
  return entry
}

/** The names of changed fields; values may be personal or secret. */
function fieldsOf(wanted: Change): { fields?: Readonly<Record<string, unknown>> } {
  const to = 'to' in wanted ? wanted.to : 'add' in wanted ? wanted.add : undefined
  return to ? { fields: { changed: Object.keys(to).join(', ') } } : {}
}

const nameOf = (entry: Entry | ListedEntry): string =>
  'name' in entry ? entry.name : 'match' in entry ? entry.match : 'path' in entry ? entry.path : entry.id

async function idsOf({ people }: DirectoryDeps, call: AdminCall): Promise<readonly string[]> {
  const { ids, filter } = call.body as Bulk
  if (ids) return ids
  if (!filter) throw new HttpProblem(400, 'Name entries by ids or by a filter')
  return (await asked(people, call, filter)).map(({ id }) => id)
}

async function* changeMany(deps: DirectoryDeps, call: AdminCall, ids: readonly string[]): AsyncGenerator<Line> {
  const { directory, audit } = deps
  const { action, fields: to = {} } = call.body as Bulk
  const isRemoval = action === 'remove'
  const stays = isRemoval || 'roles' in to || 'status' in to ? await lastAdmins(deps.people, new Set(ids)) : new Set()
  const done = { changed: 0, faults: 0 }
  try {
    for (let at = 0; at < ids.length; at += BATCH) {
      // Other clients have their turn, and this one may have gone.
      await turn()
      if (call.signal.aborted) return
      const batch = ids.slice(at, at + BATCH)
      const allowed: string[] = []
      for (const id of batch) {
        const fault = stays.has(id) ? LAST_ADMIN : await faultOf(deps, call, id, isRemoval ? undefined : to)
        if (fault === undefined) allowed.push(id)
        else yield { fault, at: id }
        if (fault !== undefined) done.faults++
      }
      const wanted: Change[] = allowed.map((id) => (isRemoval ? { remove: id } : { set: id, to: to as EntryPatch }))
      for (const [index, result] of (await directory.change(wanted, call.by, 'each')).entries()) {
        if (!isRefused(result)) done.changed++
        else {
          done.faults++
          yield { fault: result.why, at: allowed[index] as string }
        }
      }
      const handled = Math.min(at + BATCH, ids.length)
      yield { progress: `${handled} of ${ids.length}`, done: handled, total: ids.length }
    }
    yield { text: `${done.changed} changed, ${done.faults} faults`, value: done }
  } finally {
    // A cancelled change has done a part, which the history says as well.
    await audit.add({ by: call.by, what: `${call.params.kind}.${action}-many`, fields: done })
  }
}

async function faultOf({ directory }: DirectoryDeps, call: AdminCall, id: string, to: object | undefined) {
  const before = await directory.byId(id)
  if (!before || before.kind !== (call.params.kind as EntryKind)) return 'There is no such entry'
  try {
    requireSight(call.login, before)
    requireScope(call.login, { kind: before.kind, before, ...(to ? { fields: to } : {}) })
    return id === call.login.identity.account && !to ? 'You cannot remove your own account' : undefined
  } catch (cause) {
    return (cause as Error).message
  }
}
