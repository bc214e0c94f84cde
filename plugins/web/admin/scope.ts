/**
 * The part of the directory that a login sees and changes: all of it for administrators, the accounts, groups and
 * aliases of their domains for domain administrators.
 *
 * Invariants: a domain administrator changes no entry with an address outside their domains, no role, no right to relay
 * or to send as others, and no administrator; the last active administrator stays.
 */
import type { Entry } from '../../directory/store/api.ts'
import { HttpProblem, type Login } from '../http/api.ts'
import { domainOf, type PeopleIndex } from './people-index.ts'

const ROLE = 'domain-admin:'
const KINDS = new Set(['account', 'group', 'alias'])
/** Fields that a domain administrator may set. */
const FIELDS = new Set([
  'kind',
  'name',
  'addresses',
  'displayName',
  'status',
  'password',
  'quota',
  'forward',
  'senders',
  'members',
  'match',
  'targets',
  'attributes',
])

/** The domains of a login; undefined for all. */
export function domainsOf({ roles, may }: Login): readonly string[] | undefined {
  if (may('admin')) return undefined
  const named = roles.filter((role) => role.startsWith(ROLE)).map((role) => role.slice(ROLE.length).toLowerCase())
  // A role of the administrator's own with the permission is for all domains; a domain administrator never.
  return named.length === 0 && !roles.includes('domain-admin') ? undefined : named
}

const forbidden = (what: string) => new HttpProblem(403, `Your role does not include ${what}`)

const addressesOf = (entry: object): readonly string[] => [
  ...((entry as { addresses?: readonly string[] }).addresses ?? []),
  ...('match' in entry ? [String(entry.match)] : []),
]

/** Throws unless the login may see the entry. */
export function requireSight(login: Login, entry: Entry): void {
  const domains = domainsOf(login)
  if (!domains) return
  const isOwn =
    entry.kind === 'domain'
      ? domains.includes(entry.name.toLowerCase())
      : KINDS.has(entry.kind) && addressesOf(entry).some((address) => domains.includes(domainOf(address)))
  if (!isOwn) throw new HttpProblem(404, 'There is no such entry')
}

/** Throws unless the login may make the change: `before` is undefined for a new entry, `fields` for a removal. */
export function requireScope(
  login: Login,
  { kind, before, fields }: { readonly kind: string; readonly before?: Entry; readonly fields?: object },
): void {
  const domains = domainsOf(login)
  if (!domains) return
  if (!KINDS.has(kind)) throw forbidden('this')
  const wrong = Object.keys(fields ?? {}).find((field) => !FIELDS.has(field))
  if (wrong !== undefined) throw forbidden(wrong)
  const addresses = [...(before ? addressesOf(before) : []), ...(fields ? addressesOf(fields) : [])]
  if (addresses.length === 0 || addresses.some((address) => !domains.includes(domainOf(address))))
    throw forbidden('addresses of other domains')
  if (before?.kind === 'account' && before.roles.length > 0 && before.id !== login.identity.account)
    throw forbidden('accounts with a role')
}

/** Of the accounts that are removed or lose the role: the administrators without whom none would be left. */
export async function lastAdmins(people: PeopleIndex, gone: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  const admins = await people.ask({ kind: 'account', role: 'admin', status: 'active' })
  return admins.every(({ id }) => gone.has(id)) ? new Set(admins.map(({ id }) => id)) : new Set()
}

export const LAST_ADMIN = 'This is the last administrator: give the role to another account first'

/** Throws when the account is the last active administrator. */
export async function requireAdminLeft(people: PeopleIndex, account: string): Promise<void> {
  if ((await lastAdmins(people, new Set([account]))).has(account)) throw new HttpProblem(409, LAST_ADMIN)
}
