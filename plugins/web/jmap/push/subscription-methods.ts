/**
 * PushSubscription/get and /set (RFC 8620 section 7.2.1 and 7.2.2): they belong to a login, not to an account.
 */
import { isSameSecret } from 'iems'
import * as z from 'zod'
import { CORE, type JmapApi, type JmapCall } from '../api.ts'
import { invalidProperties, MethodError, ObjectError, type SetError } from '../errors.ts'
import { patched } from '../patched.ts'
import { orNull } from '../set.ts'
import { MAX_LIFETIME_MS, MAX_SUBSCRIPTIONS, type PushSubscription, type PushSubscriptions } from './subscriptions.ts'

export interface SubscriptionMethodsDeps {
  readonly subscriptions: PushSubscriptions
  readonly now: () => number
  readonly types: readonly string[]
  /** Whether endpoints may be without TLS, for push services on the server's own network. */
  readonly mayBePlain: boolean
  /** Sends the code that proves the endpoint to be the client's. */
  verify(account: string, id: string, one: PushSubscription): void
  changed(account: string): void
}

const created = z.strictObject({
  deviceClientId: z.string().min(1).max(255),
  url: z.url({ protocol: /^https?$/ }).max(2000),
  keys: z.strictObject({ p256dh: z.string().max(200), auth: z.string().max(100) }).nullish(),
  expires: z.iso.datetime().nullish(),
  types: z.array(z.string().max(255)).max(100).nullish(),
})
const updatable = z.strictObject({
  verificationCode: z.string().max(255).nullish(),
  expires: z.iso.datetime().nullish(),
  types: z.array(z.string().max(255)).max(100).nullish(),
})
const PROPERTIES = ['id', 'deviceClientId', 'verificationCode', 'expires', 'types']

export function addSubscriptionMethods(jmap: JmapApi, deps: SubscriptionMethodsDeps): void {
  jmap.method('PushSubscription/get', {
    capability: CORE,
    arguments: z.looseObject({
      ids: z.array(z.string()).max(500).nullish(),
      properties: z.array(z.string()).max(20).nullish(),
    }),
    async run({ ids, properties }, call) {
      // RFC 8620 section 7.2.1: the url and the keys are never shown again.
      if (properties?.some((name) => !PROPERTIES.includes(name))) throw new MethodError('forbidden')
      const list: Record<string, unknown>[] = []
      for await (const { id, one } of deps.subscriptions.list(call.own)) {
        if (ids && !ids.includes(id)) continue
        const all: Record<string, unknown> = describe(id, one)
        list.push(
          Object.fromEntries(
            PROPERTIES.filter((name) => name === 'id' || !properties || properties.includes(name)).map((name) => [
              name,
              all[name],
            ]),
          ),
        )
      }
      const known = new Set(list.map(({ id }) => id))
      return { list, notFound: (ids ?? []).filter((id) => !known.has(id)) }
    },
  })
  jmap.method('PushSubscription/set', {
    capability: CORE,
    arguments: z.looseObject({
      create: z.record(z.string().max(255), z.unknown()).nullish(),
      update: z.record(z.string().max(255), z.record(z.string(), z.unknown())).nullish(),
      destroy: z.array(z.string()).max(500).nullish(),
    }),
    async run({ create, update, destroy }, call) {
      const answer = {
        created: await each(Object.entries(create ?? {}), (_, given) => createOne(deps, given, call)),
        updated: await each(Object.entries(update ?? {}), (id, patch) =>
          updateOne(deps, { id, patch: patch as object }, call),
        ),
        destroyed: await each(
          (destroy ?? []).map((id) => [id, null] as const),
          (id) => destroyOne(deps, id, call),
        ),
      }
      deps.changed(call.own)
      return {
        created: answer.created.done,
        notCreated: answer.created.refused,
        updated: answer.updated.done,
        notUpdated: answer.updated.refused,
        destroyed: answer.destroyed.done && Object.keys(answer.destroyed.done),
        notDestroyed: answer.destroyed.refused,
      }
    },
  })
}

async function each(
  given: readonly (readonly [string, unknown])[],
  make: (key: string, value: unknown) => Promise<unknown>,
) {
  const done: Record<string, unknown> = Object.create(null)
  const refused: Record<string, SetError> = Object.create(null)
  for (const [key, value] of given) {
    try {
      done[key] = await make(key, value)
    } catch (cause) {
      if (!(cause instanceof ObjectError)) throw cause
      refused[key] = cause.error
    }
  }
  return { done: orNull(done), refused: orNull(refused) }
}

const iso = (at: number) => `${new Date(at).toISOString().slice(0, 19)}Z`

const describe = (id: string, { deviceClientId, isVerified, code, expires, types }: PushSubscription) => ({
  id,
  deviceClientId,
  verificationCode: isVerified ? code : null,
  expires: iso(expires),
  types,
})

const expiryOf = ({ now }: SubscriptionMethodsDeps, given: string | null | undefined) =>
  Math.min(given ? Date.parse(given) : Number.POSITIVE_INFINITY, now() + MAX_LIFETIME_MS)

async function createOne(deps: SubscriptionMethodsDeps, given: unknown, call: JmapCall) {
  const read = created.safeParse(given)
  if (!read.success)
    throw invalidProperties(
      read.error.issues.map(({ path }) => String(path[0] ?? '')),
      read.error.issues[0]?.message,
    )
  let count = 0
  for await (const _ of deps.subscriptions.list(call.own)) count++
  // RFC 8620 section 7.2
  if (!deps.mayBePlain && !/^https:/i.test(read.data.url))
    throw invalidProperties(['url'], 'The URL must begin with https://')
  if (count >= MAX_SUBSCRIPTIONS) throw new ObjectError('overQuota', `At most ${MAX_SUBSCRIPTIONS} push subscriptions`)
  const { deviceClientId, url, keys, expires, types } = read.data
  const { id, one } = await deps.subscriptions.create(call.own, {
    deviceClientId,
    url,
    keys: keys ?? null,
    expires: expiryOf(deps, expires),
    types: types ?? null,
  })
  deps.verify(call.own, id, one)
  return { id, expires: iso(one.expires), ...(keys === undefined ? { keys: null } : {}) }
}

async function updateOne(
  deps: SubscriptionMethodsDeps,
  { id, patch }: { readonly id: string; readonly patch: object },
  call: JmapCall,
) {
  const one = await deps.subscriptions.get(call.own, id)
  if (!one) throw new ObjectError('notFound')
  const read = updatable.safeParse(patched({}, patch as Record<string, unknown>))
  if (!read.success)
    throw invalidProperties(
      read.error.issues.map(({ path }) => String(path[0] ?? '')),
      read.error.issues[0]?.message,
    )
  const { verificationCode, expires, types } = read.data
  if (verificationCode !== undefined && !isSameSecret(verificationCode ?? '', one.code))
    throw invalidProperties(['verificationCode'], 'This is not the code that was pushed')
  const after: PushSubscription = {
    ...one,
    isVerified: one.isVerified || verificationCode !== undefined,
    ...(expires === undefined ? {} : { expires: expiryOf(deps, expires) }),
    ...('types' in patch ? { types: types ?? null } : {}),
  }
  if (!(await deps.subscriptions.replace(call.own, id, one, after))) throw new ObjectError('serverFail', 'Try again')
  return after.expires === one.expires ? null : { expires: iso(after.expires) }
}

async function destroyOne(deps: SubscriptionMethodsDeps, id: string, call: JmapCall): Promise<null> {
  if (!(await deps.subscriptions.get(call.own, id))) throw new ObjectError('notFound')
  await deps.subscriptions.remove(call.own, id)
  return null
}
