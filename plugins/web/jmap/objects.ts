/**
 * The standard methods of RFC 8620 section 5, made once for every object type.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import * as z from 'zod'
import {
  type Comparator,
  type Filter,
  type JmapObject,
  type Method,
  MoreResponses,
  type ObjectType,
  type Patch,
} from './api.ts'
import { idSchema, ownArguments, requireAccount } from './arguments.ts'
import { copyMethod } from './copy.ts'
import { MethodError } from './errors.ts'
import { setObjects, setResponse } from './set.ts'

export interface Limits {
  readonly objectsInGet: number
  readonly objectsInSet: number
}

const account = { accountId: idSchema }
/** RFC 4790; announced in the session. */
export const COLLATIONS = ['i;unicode-casemap']
const MAX_CHANGES = 100_000

const MAX_FILTER_DEPTH = 16
const MAX_FILTER_CONDITIONS = 500

const only = (object: JmapObject, properties: readonly string[] | undefined): JmapObject => {
  if (!properties) return object
  const chosen: Record<string, unknown> = { id: object.id }
  for (const name of properties) if (name in object) chosen[name] = object[name]
  return chosen as JmapObject
}

function getMethod(type: ObjectType, { objectsInGet }: Limits): Method {
  const schema = z.looseObject({
    ...account,
    ids: z.array(z.string().max(255)).nullish(),
    properties: z.array(z.string().max(500)).max(1000).nullish(),
  })
  return {
    capability: type.capability,
    arguments: schema,
    async run(given, call) {
      const { accountId, ids, properties, ...rest } = given as z.output<typeof schema>
      await requireAccount(accountId, call)
      if (ids && ids.length > objectsInGet) throw new MethodError('requestTooLarge')
      const more = await ownArguments(type.getArguments, rest)
      if (properties && type.properties !== '*')
        for (const name of properties)
          if (!type.properties.includes(name)) throw new MethodError('invalidArguments', `no property ${name}`)
      const wanted = ids ? [...new Set(ids)] : undefined
      const state = await type.state(accountId, call)
      const found = await type.get({ account: accountId, ids: wanted, properties: properties ?? undefined, more }, call)
      if (found.length > objectsInGet) throw new MethodError('requestTooLarge')
      const known = new Set(found.map(({ id }) => id))
      return {
        accountId,
        state,
        list: found.map((object) => only(object, properties ?? undefined)),
        notFound: (wanted ?? []).filter((id) => !known.has(id)),
      }
    },
  }
}

function changesMethod(type: ObjectType): Method {
  const schema = z.strictObject({
    ...account,
    sinceState: z.string().max(255),
    maxChanges: z.int().positive().nullish(),
  })
  return {
    capability: type.capability,
    arguments: schema,
    async run(given, call) {
      const { accountId, sinceState, maxChanges } = given as z.output<typeof schema>
      await requireAccount(accountId, call)
      const {
        more = {},
        hint: _,
        ...changes
      } = await (type.changes as NonNullable<ObjectType['changes']>)(
        accountId,
        sinceState,
        maxChanges ?? undefined,
        call,
      )
      return { accountId, oldState: sinceState, ...changes, ...more }
    },
  }
}

const querySchema = z.looseObject({
  ...account,
  filter: z.unknown().optional(),
  sort: z
    .array(
      z.looseObject({ property: z.string(), isAscending: z.boolean().default(true), collation: z.string().optional() }),
    )
    .max(20)
    .nullish(),
})
const windowSchema = {
  position: z.int().default(0),
  anchor: z.string().max(255).nullish(),
  anchorOffset: z.int().default(0),
  limit: z.int().min(0).nullish(),
  calculateTotal: z.boolean().default(false),
}

/** A filter whose conditions the type's schema has read. Throws `unsupportedFilter` and `invalidArguments`. */
export async function readFilter<C>(
  given: unknown,
  schema: StandardSchemaV1<unknown, C> | undefined,
): Promise<Filter<C> | undefined> {
  if (given === undefined || given === null) return undefined
  if (!schema) throw new MethodError('unsupportedFilter')
  let left = MAX_FILTER_CONDITIONS
  async function read(one: unknown, depth: number): Promise<Filter<C>> {
    if (depth > MAX_FILTER_DEPTH || left-- <= 0) throw new MethodError('unsupportedFilter', 'the filter is too large')
    if (typeof one !== 'object' || one === null || Array.isArray(one))
      throw new MethodError('invalidArguments', 'a filter is an object')
    const { operator, conditions } = one as { operator?: unknown; conditions?: unknown }
    if (operator !== undefined) {
      if (!['AND', 'OR', 'NOT'].includes(String(operator)) || !Array.isArray(conditions))
        throw new MethodError('invalidArguments', 'an operator is AND, OR or NOT with its conditions')
      const read1: Filter<C>[] = []
      for (const condition of conditions) read1.push(await read(condition, depth + 1))
      return { operator: operator as 'AND', conditions: read1 }
    }
    const result = await (schema as StandardSchemaV1<unknown, C>)['~standard'].validate(one)
    if (!result.issues) return result.value
    const [{ message, path = [] } = { message: 'wrong' }] = result.issues
    throw new MethodError('unsupportedFilter', `${path.map(String).join('/')}: ${message}`)
  }
  return read(given, 0)
}

function sortOf(type: ObjectType, sort: z.output<typeof querySchema>['sort']): readonly Comparator[] {
  for (const { property, collation } of sort ?? []) {
    if (!type.sorts?.includes(property)) throw new MethodError('unsupportedSort', `There is no order by ${property}`)
    if (collation !== undefined && !COLLATIONS.includes(collation))
      throw new MethodError('unsupportedSort', `There is no collation ${collation}`)
  }
  return (sort ?? []) as readonly Comparator[]
}

function queryMethod(type: ObjectType): Method {
  const schema = querySchema.extend(windowSchema)
  return {
    capability: type.capability,
    arguments: schema,
    async run(given, call) {
      const { accountId, filter, sort, position, anchor, anchorOffset, limit, calculateTotal, ...rest } =
        given as z.output<typeof schema>
      await requireAccount(accountId, call)
      const more = await ownArguments(type.queryArguments, rest)
      const queryState = await type.state(accountId, call)
      const query = type.query as NonNullable<ObjectType['query']>
      const all = await query({
        account: accountId,
        filter: await readFilter(filter, type.filter),
        sort: sortOf(type, sort),
        more,
        call,
      })
      const start = startOf(all, { position, anchor, anchorOffset })
      const ids = all.slice(start, limit === null || limit === undefined ? undefined : start + limit)
      return {
        accountId,
        queryState,
        canCalculateChanges: type.changes !== undefined,
        position: start,
        ids,
        ...(calculateTotal ? { total: all.length } : {}),
      }
    },
  }
}

function startOf(
  all: readonly string[],
  { position, anchor, anchorOffset }: { position: number; anchor: string | null | undefined; anchorOffset: number },
): number {
  if (anchor === null || anchor === undefined)
    return position < 0 ? Math.max(0, all.length + position) : Math.min(position, all.length)
  const at = all.indexOf(anchor)
  if (at < 0) throw new MethodError('anchorNotFound')
  return Math.min(Math.max(0, at + anchorOffset), all.length)
}

/**
 * The changes of a query's results: every changed object is removed, and those that match are added at their new
 * position. Unchanged objects keep their relative order.
 */
function queryChangesMethod(type: ObjectType): Method {
  const schema = querySchema.extend({
    sinceQueryState: z.string().max(255),
    maxChanges: z.int().positive().nullish(),
    upToId: z.string().max(255).nullish(),
    calculateTotal: z.boolean().default(false),
  })
  return {
    capability: type.capability,
    arguments: schema,
    async run(given, call) {
      const { accountId, filter, sort, sinceQueryState, maxChanges, upToId, calculateTotal, ...rest } =
        given as z.output<typeof schema>
      await requireAccount(accountId, call)
      const more = await ownArguments(type.queryArguments, rest)
      const changes = await (type.changes as NonNullable<ObjectType['changes']>)(
        accountId,
        sinceQueryState,
        MAX_CHANGES,
        call,
      )
      if (changes.hasMoreChanges) throw new MethodError('cannotCalculateChanges')
      const all = await (type.query as NonNullable<ObjectType['query']>)({
        account: accountId,
        filter: await readFilter(filter, type.filter),
        sort: sortOf(type, sort),
        more,
        call,
      })
      const touched = new Set([
        ...changes.created,
        ...changes.updated,
        ...changes.destroyed,
        ...((await type.affected?.(accountId, changes, call)) ?? []),
      ])
      const last = upToId ? all.indexOf(upToId) : -1
      const until = last < 0 ? all.length : last + 1
      const added = all.slice(0, until).flatMap((id, index) => (touched.has(id) ? [{ id, index }] : []))
      if (maxChanges && touched.size + added.length > maxChanges) throw new MethodError('tooManyChanges')
      return {
        accountId,
        oldQueryState: sinceQueryState,
        newQueryState: changes.newState,
        removed: [...touched],
        added,
        ...(calculateTotal ? { total: all.length } : {}),
      }
    },
  }
}

/** Puts further changed properties into the objects that were created or updated. */
function addChanges(
  { created, updated }: Awaited<ReturnType<typeof setObjects>>['result'],
  changes: Readonly<Record<string, Patch>>,
): void {
  for (const [id, patch] of Object.entries(changes)) {
    const [key] = Object.entries(created).find(([, one]) => one.id === id) ?? []
    if (key === undefined) updated[id] = { ...updated[id], ...patch }
    else created[key] = { ...(created[key] as JmapObject), ...patch }
  }
}

function setMethod(type: ObjectType, { objectsInSet }: Limits): Method {
  const schema = z.looseObject({
    ...account,
    ifInState: z.string().max(255).nullish(),
    create: z.record(z.string().max(255), z.record(z.string(), z.unknown())).nullish(),
    update: z.record(z.string().max(256), z.record(z.string(), z.unknown())).nullish(),
    destroy: z.array(z.string().max(256)).nullish(),
  })
  return {
    capability: type.capability,
    arguments: schema,
    async run(given, call) {
      const { accountId, ifInState, create, update, destroy, ...rest } = given as z.output<typeof schema>
      await requireAccount(accountId, call)
      const more = await ownArguments(type.setArguments, rest)
      const count = Object.keys(create ?? {}).length + Object.keys(update ?? {}).length + (destroy ?? []).length
      if (count > objectsInSet) throw new MethodError('requestTooLarge')
      const oldState = await type.state(accountId, call)
      if (ifInState && ifInState !== oldState) throw new MethodError('stateMismatch')
      const { result, refused } = await setObjects(
        type,
        { account: accountId, create: create ?? {}, update: update ?? {}, destroy: destroy ?? [], more },
        call,
      )
      if ([refused.create, refused.update, refused.destroy].every((one) => Object.keys(one).length === 0))
        addChanges(result, (await type.finish?.(accountId, result, more, call)) ?? {})
      const further = (await type.afterSet?.(accountId, result, more, call)) ?? []
      const newState = await type.state(accountId, call)
      const first = setResponse({ accountId, oldState, newState }, { result, refused })
      return further.length === 0 ? first : new MoreResponses(first, further)
    },
  }
}

/** The methods that a type has, by their names. */
export function methodsOf(name: string, type: ObjectType, limits: Limits): readonly (readonly [string, Method])[] {
  const methods: (readonly [string, Method])[] = [[`${name}/get`, getMethod(type, limits)]]
  if (type.changes) methods.push([`${name}/changes`, changesMethod(type)])
  if (type.query) methods.push([`${name}/query`, queryMethod(type)])
  if (type.query && type.changes) methods.push([`${name}/queryChanges`, queryChangesMethod(type)])
  if (type.create || type.update || type.destroy) methods.push([`${name}/set`, setMethod(type, limits)])
  if (type.copy) methods.push([`${name}/copy`, copyMethod(name, type, limits)])
  return methods
}
