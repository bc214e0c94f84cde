/**
 * Access rights of clients.
 *
 * Invariants: an attribute that a client may not read does not influence what it finds; roles are those of the
 * session's identity, which the kernel renews when the account changes; a deleted or locked account has no rights;
 * passwords are never readable.
 */
import type { Identity } from 'iems'
import type { DirectoryAccount, DirectoryApi } from '../../store/api.ts'
import { describe, isOperational } from './schema.ts'
import type { Node } from './tree.ts'

export type Who =
  | { readonly kind: 'anonymous' }
  /** Without an account when another plugin than the directory authenticated the user. */
  | { readonly kind: 'user' | 'admin'; readonly user: string; readonly account?: DirectoryAccount }

/** Readable part of an entry: nothing, everything, or some attributes. */
export type Readable = 'all' | ReadonlySet<string> | undefined

/** Attributes of address books. */
export const ADDRESS_BOOK: readonly string[] = [
  'objectClass',
  'uid',
  'cn',
  'sn',
  'givenName',
  'initials',
  'displayName',
  'mail',
  'title',
  'o',
  'ou',
  'departmentNumber',
  'description',
  'telephoneNumber',
  'mobile',
  'pager',
  'facsimileTelephoneNumber',
  'physicalDeliveryOfficeName',
  'roomNumber',
  'street',
  'postalAddress',
  'postalCode',
  'postOfficeBox',
  'l',
  'st',
  'c',
  'co',
  'labeledURI',
  'jpegPhoto',
  'preferredLanguage',
  'userCertificate',
  'userSMIMECertificate',
]

export interface AccessOptions {
  readonly anonymous: 'nothing' | 'address-book'
  readonly addressBook: readonly string[]
}

export type Access = ReturnType<typeof createAccess>

export function createAccess(directory: DirectoryApi, options: AccessOptions) {
  const book = new Set(options.addressBook.flatMap((name) => describe(name)?.base ?? []))

  async function whoIs(identity: Identity | undefined): Promise<Who> {
    if (!identity) return { kind: 'anonymous' }
    const kind = identity.roles?.includes('admin') ? 'admin' : 'user'
    if (identity.account === undefined) return { kind, user: identity.user }
    const account = await directory.byId(identity.account)
    // Deleted or locked since the login.
    if (account?.kind !== 'account' || account.status !== 'active') return { kind: 'anonymous' }
    return { kind, user: account.name, account }
  }

  function readable(who: Who, node: Node): Readable {
    if (who.kind === 'admin') return 'all'
    if (who.kind === 'anonymous' && options.anonymous === 'nothing') return undefined
    if (who.kind === 'user' && 'id' in node && node.id === who.account?.id) return 'all'
    switch (node.kind) {
      case 'suffix':
        return 'all'
      case 'unit':
        return book
      case 'account':
        return node.status === 'disabled' ? undefined : book
      case 'group':
        // Without an address it serves access rights only.
        return node.addresses.length > 0 ? book : undefined
      default:
        return undefined
    }
  }

  return { whoIs, readable }
}

/** Never readable, even if configured as additional attributes. */
const SECRETS: readonly string[] = ['userpassword', 'authpassword', 'sambantpassword', 'sambalmpassword', 'unicodepwd']

/** Group memberships are not part of address books. */
export function isReadable(readable: Readable, base: string): boolean {
  if (readable === undefined || SECRETS.includes(base)) return false
  return readable === 'all' || readable.has(base) || (base !== 'memberof' && isOperational(base))
}
