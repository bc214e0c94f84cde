/**
 * The entries of the directory, as the service shows them.
 *
 * What must stay true: an entry is its id, which never changes; passwords and secrets are no part of it.
 */

/** Further attributes by their LDAP names in lower case; any number of values, each any number of lines. */
export type Attributes = Readonly<Record<string, readonly string[]>>

export interface Kept {
  /** UUID, the entryUUID of LDAP. */
  readonly id: string
  /** ms since 1970. */
  readonly created: number
  readonly modified: number
  /** Grows with every change; for changes that are meant for one state only. */
  readonly version: number
}

/** A level of the tree: `sales`, `sales/europe`. */
export interface Unit extends Kept {
  readonly kind: 'unit'
  /** Names from the top, divided by `/`: of units as they are, of others as `cn=Users`; a `/` in a name is `\2f`. */
  readonly path: string
  readonly attributes: Attributes
}

/** A domain whose addresses are all known here. */
export interface Domain extends Kept {
  readonly kind: 'domain'
  readonly name: string
  /** Its addresses mean those of this other domain. */
  readonly aliasOf?: string
  /** Where mail for its unknown addresses goes. Default: it is refused. */
  readonly catchAll?: string
}

export type AccountStatus =
  | 'active'
  /** Gets mail and cannot log in. */
  | 'suspended'
  /** Neither. */
  | 'disabled'

export interface DirectoryAccount extends Kept {
  readonly kind: 'account'
  /** What its owner logs in with. */
  readonly name: string
  /** Its relative distinguished name, where that is not `uid=name`. */
  readonly rdn?: string
  /** The path of what it stands in (as `Unit.path`); '' for the top. */
  readonly unit: string
  /** The first is the one to write to. */
  readonly addresses: readonly string[]
  readonly displayName?: string
  /** Octets its mailboxes may hold. */
  readonly quota?: number
  readonly status: AccountStatus
  /** Its mail goes there as well, or instead. */
  readonly forward?: { readonly to: readonly string[]; readonly keep: boolean }
  /** Its mail is kept somewhere else. */
  readonly route?: RouteTarget
  /** `admin` may change everything. */
  readonly roles: readonly string[]
  /** May send mail to other places after logging in. */
  readonly mayRelay: boolean
  /** Addresses it may send as beside its own; `*@example.org` is a whole domain, `*` any. */
  readonly sendAs: readonly string[]
  readonly attributes: Attributes
  readonly hasPassword: boolean
}

export interface Group extends Kept {
  readonly kind: 'group'
  readonly name: string
  /** Its relative distinguished name, where that is not `cn=name`. */
  readonly rdn?: string
  readonly unit: string
  /** Mail for these goes to all members. None: the group is for access rights alone. */
  readonly addresses: readonly string[]
  /** Who may write to it. */
  readonly senders: 'anyone' | 'accounts' | 'members'
  readonly members: number
  readonly attributes: Attributes
}

/**
 * Any other entry: a contact, a role, an organization, a place. It has attributes alone. Mail for a group reaches the
 * `mail` of a contact; nothing else of it makes a difference to mail.
 */
export interface DirectoryObject extends Kept {
  readonly kind: 'object'
  /** Its relative distinguished name: `cn=Barbara Jensen`. '' for the entry at the top, whose name the tree's root has. */
  readonly rdn: string
  readonly unit: string
  readonly attributes: Attributes
}

/**
 * By id: an entry. By address: anybody. By the path of an entry: what stands there, as soon as something does. By a DN
 * that no tree of this directory has: for show.
 */
export type Member =
  | { readonly id: string }
  | { readonly address: string }
  | { readonly path: string }
  | { readonly dn: string }

/** Addresses that stand for others. */
export interface Alias extends Kept {
  readonly kind: 'alias'
  /** `info@example.org`; `sales-*@example.org`, `*@old.example` with wildcards. The most exact one that fits counts. */
  readonly match: string
  /** Each `*` is what the wildcard of that place stood for. */
  readonly targets: readonly string[]
}

export interface RouteTarget {
  readonly channel: string
  readonly nexthop: string
}

/** Where mail for an address, a domain or whatever a pattern fits goes. */
export interface RoutingEntry extends Kept {
  readonly kind: 'route'
  /** `ann@example.org`, `example.org`, `*.example.org`, `ann-*@example.org` or `*`. The most exact one that fits counts. */
  readonly match: string
  readonly target: RouteTarget
}

export type Entry = Unit | Domain | DirectoryAccount | Group | DirectoryObject | Alias | RoutingEntry
/** What has a place in the tree. */
export type Placed = Unit | DirectoryAccount | Group | DirectoryObject
export type EntryKind = Entry['kind']
export type EntryOf<K extends EntryKind> = Extract<Entry, { kind: K }>

/** A change, as the history keeps it. */
export interface Recorded {
  /** ms since 1970. */
  readonly at: number
  readonly by: string
  readonly what: 'add' | 'set' | 'members' | 'remove'
  readonly id: string
  readonly kind: EntryKind
  /** What people call it. */
  readonly name: string
  /** The fields that changed, values of passwords left out. */
  readonly fields: Readonly<Record<string, unknown>>
}
