/**
 * Creates, updates and destroys objects (RFC 8620 section 5.3), in that order, each independently.
 *
 * Invariants: a failed object does not affect the others; a reference to an object that was not created is refused, not
 * passed on.
 */
import { IemsError } from 'iems'
import type { JmapCall, JmapObject, ObjectType, Patch, SetResult } from './api.ts'
import { ObjectError, type SetError } from './errors.ts'

interface Wanted {
  readonly account: string
  readonly create: Readonly<Record<string, Patch>>
  readonly update: Readonly<Record<string, Patch>>
  readonly destroy: readonly string[]
  readonly more: Readonly<Record<string, unknown>>
}

/** A `SetResult` that may still get changed properties. */
interface Made extends SetResult {
  readonly created: Record<string, JmapObject>
  readonly updated: Record<string, Patch | null>
}

interface Refused {
  readonly create: Record<string, SetError>
  readonly update: Record<string, SetError>
  readonly destroy: Record<string, SetError>
}

/** An id, or the id created for `#creationId`. Throws `ObjectError`. */
export function idOf(given: string, { createdIds }: Pick<JmapCall, 'createdIds'>): string {
  if (!given.startsWith('#')) return given
  const id = createdIds.get(given.slice(1))
  if (id === undefined) throw new ObjectError('notFound', `nothing was created as ${given}`)
  return id
}

async function attempt<T>(work: () => Promise<T>, refuse: (error: SetError) => void): Promise<T | undefined> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof ObjectError) refuse(cause.error)
    else if (cause instanceof IemsError) refuse({ type: 'serverFail', description: 'Try again later' })
    else throw cause
    return undefined
  }
}

/** By names that a client chose: `__proto__` is one like any other. */
const named = <T>(): Record<string, T> => Object.create(null)

/** Null for an empty map or list, where a result is `…|null` (RFC 8620 section 5.3). */
export const orNull = <T extends object>(values: T): T | null => (Object.keys(values).length === 0 ? null : values)

/** The response of a `set` method. */
export const setResponse = (
  states: { readonly accountId: string; readonly oldState: string; readonly newState: string },
  { result, refused }: { readonly result: SetResult; readonly refused: Refused },
) => ({
  ...states,
  created: orNull(result.created),
  updated: orNull(result.updated),
  destroyed: orNull(result.destroyed),
  notCreated: orNull(refused.create),
  notUpdated: orNull(refused.update),
  notDestroyed: orNull(refused.destroy),
})

const FORBIDDEN = { type: 'forbidden' } as const

export async function setObjects(
  type: ObjectType,
  { account, create, update, destroy, more }: Wanted,
  call: JmapCall,
): Promise<{ readonly result: Made; readonly refused: Refused }> {
  const created = named<JmapObject>()
  const updated = named<Patch | null>()
  const destroyed: string[] = []
  const refused: Refused = { create: named(), update: named(), destroy: named() }
  for (const [key, given] of Object.entries(create)) {
    if (!type.create) refused.create[key] = FORBIDDEN
    const made = await attempt(
      async () => type.create?.(account, given, call),
      (error) => {
        refused.create[key] = error
      },
    )
    if (!made) continue
    created[key] = made
    call.createdIds.set(key, made.id)
  }
  const doomed = new Set(destroy)
  for (const [key, patch] of Object.entries(update)) {
    const refuse = (error: SetError) => {
      refused.update[key] = error
    }
    if (!type.update) refuse(FORBIDDEN)
    else if (doomed.has(key)) refuse({ type: 'willDestroy' })
    else {
      const done = await attempt(async () => {
        const id = idOf(key, call)
        return { id, changed: (await type.update?.(account, id, patch, call)) ?? null }
      }, refuse)
      if (done) updated[done.id] = done.changed
    }
  }
  for (const key of doomed) {
    const refuse = (error: SetError) => {
      refused.destroy[key] = error
    }
    if (!type.destroy) refuse(FORBIDDEN)
    else {
      const id = await attempt(async () => {
        const found = idOf(key, call)
        await type.destroy?.(account, found, call, more)
        return found
      }, refuse)
      if (id !== undefined) destroyed.push(id)
    }
  }
  return { result: { created, updated, destroyed }, refused }
}
