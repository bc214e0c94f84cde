/**
 * Copies objects from one account to another (RFC 8620 section 5.4).
 *
 * Invariants: each object succeeds or fails by itself; an original is destroyed only after its copy exists.
 */
import * as z from 'zod'
import { type JmapCall, type Method, MoreResponses, type ObjectType, type Patch } from './api.ts'
import { idSchema, requireAccount } from './arguments.ts'
import { MethodError } from './errors.ts'
import { orNull, setObjects, setResponse } from './set.ts'

const state = z.string().max(255).nullish()
const schema = z.strictObject({
  fromAccountId: idSchema,
  ifFromInState: state,
  accountId: idSchema,
  ifInState: state,
  create: z.record(z.string().max(255), z.record(z.string(), z.unknown())),
  onSuccessDestroyOriginal: z.boolean().default(false),
  destroyFromIfInState: state,
})

export function copyMethod(name: string, type: ObjectType, limits: { readonly objectsInSet: number }): Method {
  return {
    capability: type.capability,
    arguments: schema,
    async run(given, call) {
      const { fromAccountId, accountId, create, ...wanted } = given as z.output<typeof schema>
      await requireAccount(accountId, call)
      if (fromAccountId === accountId) throw new MethodError('invalidArguments', 'The accounts are the same')
      if (!(await call.mayUse(fromAccountId))) throw new MethodError('fromAccountNotFound')
      if (Object.keys(create).length > limits.objectsInSet) throw new MethodError('requestTooLarge')
      const oldState = await type.state(accountId, call)
      const isOld = wanted.ifFromInState && wanted.ifFromInState !== (await type.state(fromAccountId, call))
      if (isOld || (wanted.ifInState && wanted.ifInState !== oldState)) throw new MethodError('stateMismatch')
      const copying = {
        ...type,
        create: (to: string, one: Patch) => type.copy?.(fromAccountId, to, one, call),
      } as ObjectType
      const { result, refused } = await setObjects(
        copying,
        { account: accountId, create, update: {}, destroy: [], more: {} },
        call,
      )
      const response = {
        fromAccountId,
        accountId,
        oldState,
        newState: await type.state(accountId, call),
        created: orNull(result.created),
        notCreated: orNull(refused.create),
      }
      const copied = Object.keys(result.created).map((key) => String(create[key]?.id))
      if (!wanted.onSuccessDestroyOriginal || copied.length === 0) return response
      const further = await destroyOriginals(
        type,
        fromAccountId,
        { copied, ifInState: wanted.destroyFromIfInState },
        call,
      )
      return new MoreResponses(response, [[further.name === 'set' ? `${name}/set` : 'error', further.response]])
    },
  }
}

async function destroyOriginals(
  type: ObjectType,
  account: string,
  { copied, ifInState }: { readonly copied: readonly string[]; readonly ifInState?: string | null | undefined },
  call: JmapCall,
): Promise<{ readonly name: 'set' | 'error'; readonly response: object }> {
  const oldState = await type.state(account, call)
  if (ifInState && ifInState !== oldState) return { name: 'error', response: { type: 'stateMismatch' } }
  const done = await setObjects(type, { account, create: {}, update: {}, destroy: copied, more: {} }, call)
  const newState = await type.state(account, call)
  return { name: 'set', response: setResponse({ accountId: account, oldState, newState }, done) }
}
