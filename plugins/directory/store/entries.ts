/**
 * The entries of the directory, as the service returns them.
 *
 * Invariants: an entry is identified by its id, which never changes; it contains no passwords or secrets.
 */

/** Additional attributes by lower-case LDAP name, with any number of values and lines. */
export type Attributes = Readonly<Record<string, readonly string[]>>

export interface Kept {
  /** UUID, the entryUUID of LDAP. */
  readonly id: string
  /** ms since 1970. */
  readonly created: number
  readonly modified: number
  /** Grows with every change, for conditional changes. */
  readonly version: number
}

/** A unit of the tree: `sales`, `sales/europe`. */
export interface Unit extends Kept {
  readonly kind: 'unit'
  /** Names from the root, separated by `/`: units by name, other entries as `cn=Users`; a `/` in a name is `\2f`. */
  readonly path: string
  readonly attributes: Attributes
}

/** A domain whose addresses are all in the directory. */
export interface Domain extends Kept {
  readonly kind: 'domain'
  readonly name: string
  /** Its addresses are equivalent to those of this domain. */
  readonly aliasOf?: string
  /** Receives mail for unknown addresses. Default: they are refused. */
  readonly catchAll?: string
}

export type AccountStatus =
  | 'active'
  /** Receives mail but cannot log in. */
  | 'suspended'
  /** Neither receives mail nor can log in. */
  | 'disabled'

export interface DirectoryAccount extends Kept {
  readonly kind: 'account'
  /** The login name. */
  readonly name: string
  /** Its RDN, if other than `uid=name`. */
  readonly rdn?: string
  /** Path of its parent (as `Unit.path`); '' for the root. */
  readonly unit: string
  /** The first is the primary address. */
  readonly addresses: readonly string[]
  readonly displayName?: string
  /** Storage quota in octets. */
  readonly quota?: number
  readonly status: AccountStatus
  /** Forwards its mail; `keep` also delivers a copy. */
  readonly forward?: { readonly to: readonly string[]; readonly keep: boolean }
  /** Its mail is stored on another system. */
  readonly route?: RouteTarget
  /** `admin` has full access. */
  readonly roles: readonly string[]
  /** May send to external addresses after login. */
  readonly mayRelay: boolean
  /** Additional addresses it may send as; `*@example.org` is a whole domain, `*` any. */
  readonly sendAs: readonly string[]
  readonly attributes: Attributes
  readonly hasPassword: boolean
}

export interface Group extends Kept {
  readonly kind: 'group'
  readonly name: string
  /** Its RDN, if other than `cn=name`. */
  readonly rdn?: string
  readonly unit: string
  /** Mail for these goes to all members. Empty: the group serves access rights only. */
  readonly addresses: readonly string[]
  /** Senders that may write to it. */
  readonly senders: 'anyone' | 'accounts' | 'members'
  readonly members: number
  readonly attributes: Attributes
}

/**
 * Any other entry: a contact, a role, an organization, a place. It has only attributes. Mail for a group reaches the
 * `mail` of a contact; otherwise objects do not affect mail.
 */
export interface DirectoryObject extends Kept {
  readonly kind: 'object'
  /** Its RDN: `cn=Barbara Jensen`. '' for the root entry. */
  readonly rdn: string
  readonly unit: string
  readonly attributes: Attributes
}

/**
 * By id: an entry. By address: any address. By path: the entry there, once it exists. By a DN outside this tree: for
 * display only.
 */
export type Member =
  | { readonly id: string }
  | { readonly address: string }
  | { readonly path: string }
  | { readonly dn: string }

/** Addresses that are replaced by others. */
export interface Alias extends Kept {
  readonly kind: 'alias'
  /** `info@example.org`; `sales-*@example.org`, `*@old.example` with wildcards. The most specific match wins. */
  readonly match: string
  /** Each `*` is replaced by the text that the corresponding wildcard matched. */
  readonly targets: readonly string[]
}

export interface RouteTarget {
  readonly channel: string
  readonly nexthop: string
}

/** The route of mail for an address, a domain or a pattern. */
export interface RoutingEntry extends Kept {
  readonly kind: 'route'
  /** `ann@example.org`, `example.org`, `*.example.org`, `ann-*@example.org` or `*`. The most specific match wins. */
  readonly match: string
  readonly target: RouteTarget
}

export type Entry = Unit | Domain | DirectoryAccount | Group | DirectoryObject | Alias | RoutingEntry
/** Entries with a place in the tree. */
export type Placed = Unit | DirectoryAccount | Group | DirectoryObject
export type EntryKind = Entry['kind']
export type EntryOf<K extends EntryKind> = Extract<Entry, { kind: K }>

/** A change in the history. */
export interface Recorded {
  /** ms since 1970. */
  readonly at: number
  readonly by: string
  readonly what: 'add' | 'set' | 'members' | 'remove'
  readonly id: string
  readonly kind: EntryKind
  /** Display key of the entry. */
  readonly name: string
  /** The changed fields, without values of passwords. */
  readonly fields: Readonly<Record<string, unknown>>
}
