/**
 * Derives the kind of an entry from another directory's classes and attributes.
 */
import type { Placed } from './entries.ts'

const GROUPS: readonly string[] = [
  'groupofnames',
  'groupofuniquenames',
  'iems-group',
  'posixgroup',
  'group',
  'groupofmembers',
]
const PEOPLE: readonly string[] = [
  ...['person', 'organizationalperson', 'inetorgperson', 'residentialperson', 'pilotperson', 'user'],
  ...['account', 'posixaccount', 'shadowaccount'],
]

export interface Classed {
  readonly classes: readonly string[]
  /** Whether it has an attribute, by lower-case name. */
  has(attribute: string): boolean
  /** Whether its RDN is only `ou`. */
  readonly isUnitName: boolean
  readonly hasPassword: boolean
}

/**
 * A person with a `uid` (or Active Directory's equivalent) or a password is an account. Other persons are contacts,
 * which are objects, like everything that is of no other kind.
 */
export function kindOfClasses({ classes, has, isUnitName, hasPassword }: Classed): Placed['kind'] {
  const names = classes.map((name) => name.toLowerCase())
  const isAny = (known: readonly string[]) => names.some((name) => known.includes(name))
  if (isAny(GROUPS) || has('member') || has('uniquemember')) return 'group'
  const isPerson = isAny(PEOPLE) && !names.includes('computer')
  if (names.includes('iems-account') || (isPerson && (has('uid') || has('samaccountname')))) return 'account'
  if (isUnitName) return 'unit'
  return hasPassword ? 'account' : 'object'
}
