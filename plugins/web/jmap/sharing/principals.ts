/**
 * Principals (RFC 9670 section 2): the accounts and groups that mailboxes can be shared with.
 *
 * Invariants: a principal's id is the account's id, or names a group; clients do not change principals.
 */
import * as z from 'zod'
import type { Account, AccountsApi } from '../../../directory/static/api.ts'
import type { DirectoryApi, Group } from '../../../directory/store/api.ts'
import type { JmapCall, JmapObject, ObjectType, Query } from '../api.ts'
import { MethodError } from '../errors.ts'
import { meetsFilter } from '../filters.ts'
import { changesSince } from '../stateless.ts'

export const PRINCIPALS = 'urn:ietf:params:jmap:principals'
export const OWNER = 'urn:ietf:params:jmap:principals:owner'
/** Every account, as an identifier of access rights. */
export const ANYONE = 'anyone'
const GROUP = 'g_'
/** Principals that one query looks at. */
const MAX_QUERIED = 100_000
/** Principals that `get` without ids returns before it refuses. */
const MAX_ALL = 1001
const STATE = '0'

/** The principal of an identifier of access rights. */
export function principalOf(identifier: string): string {
  return identifier.startsWith('group:')
    ? `${GROUP}${Buffer.from(identifier.slice('group:'.length)).toString('base64url')}`
    : identifier
}

/** The identifier of access rights of a principal. */
export function identifierOf(principal: string): string {
  return principal.startsWith(GROUP)
    ? `group:${Buffer.from(principal.slice(GROUP.length), 'base64url').toString()}`
    : principal
}

const filterSchema = z.strictObject({
  accountIds: z.array(z.string()).optional(),
  email: z.string().optional(),
  name: z.string().optional(),
  text: z.string().optional(),
  type: z.string().optional(),
  timeZone: z.string().optional(),
})
type Condition = z.output<typeof filterSchema>

export interface PrincipalsDeps {
  readonly accounts: AccountsApi
  readonly directory: DirectoryApi | undefined
}

interface Principal extends JmapObject {
  readonly type: 'individual' | 'group'
  readonly name: string
  readonly email: string | null
}

const individual = ({ id, name, displayName, addresses }: Account, call: JmapCall): Principal => ({
  ...{ id, type: 'individual', name: displayName ?? name, description: null, email: addresses[0] ?? null },
  ...{ timeZone: null, capabilities: {} },
  accounts: id === call.own ? { [id]: { name: addresses[0] ?? name, isPersonal: true, isReadOnly: false } } : null,
})

const group = ({ name, addresses }: Group): Principal => ({
  ...{ id: principalOf(`group:${name}`), type: 'group', name, description: null, email: addresses[0] ?? null },
  ...{ timeZone: null, capabilities: {}, accounts: null },
})

export class Principals {
  readonly #deps: PrincipalsDeps

  constructor(deps: PrincipalsDeps) {
    this.#deps = deps
  }

  async find(id: string, call: JmapCall): Promise<Principal | undefined> {
    const { accounts, directory } = this.#deps
    if (!id.startsWith(GROUP)) {
      const account = await accounts.byId(id)
      return account && individual(account, call)
    }
    const found = await directory?.byName('group', identifierOf(id).slice('group:'.length))
    return found && group(found)
  }

  async *all(call: JmapCall): AsyncGenerator<Principal> {
    const { accounts, directory } = this.#deps
    for await (const account of accounts.list()) yield individual(account, call)
    if (directory) for await (const one of directory.list('group')) yield group(one)
  }
}

const contains = (text: string | null, part: string) => text?.toLowerCase().includes(part.toLowerCase()) === true

function meets({ id, type, name, email }: Principal, condition: Condition): boolean {
  return (
    (condition.accountIds === undefined || condition.accountIds.includes(id)) &&
    (condition.type === undefined || condition.type === type) &&
    (condition.name === undefined || contains(name, condition.name)) &&
    (condition.email === undefined || contains(email, condition.email)) &&
    (condition.text === undefined || contains(name, condition.text) || contains(email, condition.text)) &&
    condition.timeZone === undefined
  )
}

export function principalType(principals: Principals): ObjectType<Condition> {
  const requireOwn = (account: string, call: JmapCall) => {
    if (account !== call.own) throw new MethodError('accountNotSupportedByMethod')
  }
  return {
    capability: PRINCIPALS,
    properties: ['id', 'type', 'name', 'description', 'email', 'timeZone', 'capabilities', 'accounts'],
    // The directory has no state that JMAP could follow.
    state: async () => STATE,
    changes: async (_, since) => changesSince(since, STATE),
    async get({ account, ids }, call) {
      requireOwn(account, call)
      const found: Principal[] = []
      if (ids) for (const id of ids) found.push(...[await principals.find(id, call)].filter((one) => one !== undefined))
      else
        for await (const one of principals.all(call)) {
          found.push(one)
          if (found.length >= MAX_ALL) break
        }
      return found
    },
    filter: filterSchema,
    sorts: ['name', 'type'],
    async query({ account, filter, sort, call }: Query<Condition>) {
      requireOwn(account, call)
      const found: Principal[] = []
      let looked = 0
      for await (const one of principals.all(call)) {
        if (looked++ >= MAX_QUERIED || call.signal.aborted) throw new MethodError('tooManyPrincipals')
        if (meetsFilter(filter, (condition) => meets(one, condition))) found.push(one)
      }
      const compare = (a: Principal, b: Principal): number => {
        for (const { property, isAscending } of sort) {
          const order = String(a[property]).localeCompare(String(b[property]), 'en')
          if (order !== 0) return isAscending ? order : -order
        }
        return 0
      }
      return found.sort(compare).map(({ id }) => id)
    },
  }
}
