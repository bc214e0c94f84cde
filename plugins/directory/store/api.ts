/**
 * The Directory service: domains, accounts, groups, aliases and routing entries, as CLI, LDAP and web administration
 * read and change them.
 *
 * What must stay true: an entry is its id, which never changes; whatever else it has may, and mailboxes do not notice;
 * a change is on stable storage, and true for mail, when it resolves; every change is recorded with who and when; what
 * an entry says of passwords is that there is one. Saying no is a value (`Refused`); an exception means "not now".
 */
import { defineService, defineSignal, type Identity } from 'iems'
import type {
  Alias,
  DirectoryAccount,
  DirectoryObject,
  Domain,
  Entry,
  EntryKind,
  EntryOf,
  Group,
  Kept,
  Member,
  Placed,
  Recorded,
  RoutingEntry,
  Unit,
} from './entries.ts'

export { type Classed, kindOfClasses } from './classes.ts'
export type {
  AccountStatus,
  Alias,
  Attributes,
  DirectoryAccount,
  DirectoryObject,
  Domain,
  Entry,
  EntryKind,
  EntryOf,
  Group,
  Member,
  Placed,
  Recorded,
  RouteTarget,
  RoutingEntry,
  Unit,
} from './entries.ts'
export { aboveOf, joined, lastOf, NAMING, nameInPath, pathOf, rdnInPath, rdnOf, valuesIn } from './places.ts'

type Own<E> = Omit<E, keyof Kept | 'kind' | 'hasPassword' | 'members'>
/** What is needed of a new entry, and what may be said of it. */
export type NewEntry =
  | ({ readonly kind: 'unit' } & Pick<Unit, 'path'> & Partial<Own<Unit>>)
  | ({ readonly kind: 'domain' } & Pick<Domain, 'name'> & Partial<Own<Domain>>)
  | ({ readonly kind: 'account' } & Pick<DirectoryAccount, 'name'> & Partial<Own<DirectoryAccount>> & Password)
  | ({ readonly kind: 'group' } & Pick<Group, 'name'> & Partial<Own<Group>> & { readonly members?: readonly Member[] })
  | ({ readonly kind: 'object' } & Pick<DirectoryObject, 'rdn'> & Partial<Own<DirectoryObject>>)
  | ({ readonly kind: 'alias' } & Own<Alias>)
  | ({ readonly kind: 'route' } & Own<RoutingEntry>)

interface Password {
  /** In the clear, or as a hash of a scheme that is known; null takes it away. */
  readonly password?: string | null
}

/** Fields get new values; null takes one away. */
type Patch<E> = { readonly [F in keyof Own<E>]?: Own<E>[F] | null }
export type EntryPatch = Patch<Unit> &
  Patch<Domain> &
  Patch<DirectoryAccount> &
  Patch<Group> &
  Patch<DirectoryObject> &
  Patch<Alias> &
  Patch<RoutingEntry> &
  Password

export type Change =
  /** With an id only when an entry comes back that was there before. */
  | { readonly add: NewEntry; readonly id?: string }
  /** `version`: only if it is still that. */
  | { readonly set: string; readonly to: EntryPatch; readonly version?: number }
  | {
      readonly set: string
      readonly members: { readonly add?: readonly Member[]; readonly remove?: readonly Member[] }
    }
  /** An object becomes an account or a group: it keeps its id, its place and the groups that it is in. */
  | { readonly set: string; readonly as: NewEntry; readonly version?: number }
  /** An entry below which something stands cannot go. */
  | { readonly remove: string }

/** Why not. */
export interface Refused {
  readonly refused: 'NONEXISTENT' | 'ALREADYEXISTS' | 'INVALID' | 'INUSE' | 'CHANGED' | 'READONLY'
  readonly why: string
}
/** What became of a change, by its place. The entry is what it is now, or was. */
export type Changed = { readonly entry: Entry } | Refused

/** A change, with its place in the feed. */
export interface FeedEntry extends Recorded {
  readonly cursor: string
}

/** One page of the change feed. */
export interface Feed {
  /** In the order in which the changes were committed; empty when there are no more at this moment. */
  readonly entries: readonly FeedEntry[]
  /** Where the next page begins. Cursors are compared as text. */
  readonly cursor: string
  /** Changes behind the given cursor have been swept from the history: read the directory again, then go on from `cursor`. */
  readonly isTooLate: boolean
}

/**
 * Sent to every kernel on the store after a commit to the directory. As every signal it may be missed: a follower
 * reads the feed at its start and from time to time as well.
 */
export const DirectoryChanged = defineSignal<object>('directory:changed')

/** What the indexes answer without a look at other entries. */
export interface Asked {
  /** `uid`, `cn`, `sn`, `givenname`, `mail` (any address), `displayname`, `telephonenumber`, `ou`, `maillocaladdress` (of objects), `uidnumber`, `gidnumber`, `memberuid`, options left out. */
  readonly attribute: string
  readonly value: string
  /** Case and width make no difference. */
  readonly how: 'equal' | 'begins'
}
export const INDEXED = [
  'uid',
  'cn',
  'sn',
  'givenname',
  'mail',
  'displayname',
  'telephonenumber',
  'ou',
  'maillocaladdress',
  'uidnumber',
  'gidnumber',
  'memberuid',
] as const

/** Where a password for one program counts; `proxy` also opens other accounts, where administrators may do that. */
export const SCOPES = ['smtp', 'imap', 'pop3', 'sieve', 'ldap', 'web', 'proxy'] as const
export type Scope = (typeof SCOPES)[number]

/** A password for one program. */
export interface AppPassword {
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[]
  /** CIDR networks it may be used from; none means any. */
  readonly networks: readonly string[]
  /** ms since 1970. */
  readonly expires?: number
  readonly created: number
}

export interface DirectoryApi {
  byId(id: string): Promise<Entry | undefined>
  /** By what people call it: an account's or group's name or address, a domain's name, a unit's or object's path, an alias' or route's match. */
  byName<K extends EntryKind>(kind: K, name: string): Promise<EntryOf<K> | undefined>
  /** In order of name, from behind `after` on. */
  list<K extends EntryKind>(kind: K, options?: { readonly after?: string }): AsyncIterable<EntryOf<K>>
  /** All of these kinds in no order: the quickest way to look at everything. */
  all<K extends EntryKind>(kinds: readonly K[]): AsyncIterable<EntryOf<K>>
  /** What stands at a path. */
  at(path: string): Promise<Placed | undefined>
  /** What stands directly in a unit, or below another entry; '' for the top. */
  inUnit(path: string): AsyncIterable<Placed>
  /** The same at any depth. */
  below(path: string): AsyncIterable<Placed>
  /** Accounts, groups, units and objects by an indexed attribute; each once. */
  find(asked: Asked): AsyncIterable<Placed>
  members(group: string): AsyncIterable<Member>
  /** Ids of the groups in which an entry, or what is named so, is itself. */
  memberOf(member: string | Member): AsyncIterable<string>
  /**
   * Makes changes in their order. `all`: in one commit, or none of them if one is refused. `each`: those that can be
   * made. `check`: what `all` would answer, without a change. One result for each, in the same order; with `all`, every
   * change that is wrong by itself says why.
   */
  change(changes: readonly Change[], by: string, mode?: 'all' | 'each' | 'check'): Promise<readonly Changed[]>

  appPasswords(account: string): Promise<readonly AppPassword[]>
  /** The password is told this once. */
  addAppPassword(
    account: string,
    app: Pick<AppPassword, 'name' | 'scopes'> & Partial<Pick<AppPassword, 'networks' | 'expires'>>,
    by: string,
  ): Promise<{ readonly app: AppPassword; readonly password: string } | Refused>
  removeAppPassword(account: string, id: string, by: string): Promise<Changed>
  /**
   * RFC 6238: begins with a new secret, which counts once a code has been confirmed. From then on the account's password
   * is for the web alone, where a code is asked for too; programs use passwords of their own.
   */
  startTotp(account: string, by: string): Promise<{ readonly secret: string; readonly uri: string } | Refused>
  confirmTotp(account: string, code: string, by: string): Promise<boolean>
  removeTotp(account: string, by: string): Promise<Changed>
  hasTotp(account: string): Promise<boolean>
  /** Whether a login that has shown nothing but this identity's password needs a code beside it. */
  needsCode(identity: Identity): Promise<boolean>
  /** Each code counts once. */
  checkTotp(account: string, code: string): Promise<boolean>

  /**
   * Changes in the order in which they were committed, by any kernel, from behind a cursor on: at most `limit` (1000).
   * Without a cursor: the cursor of this moment, and no entries. A follower takes a cursor, reads the directory, and
   * then reads pages from there. An entry that moves takes what stands below it along, and one that is removed leaves
   * its groups: only the change itself is in the feed. Passwords of programs and second factors are not.
   */
  feed(options?: { readonly after?: string; readonly limit?: number }): Promise<Feed>
  /** Newest first. */
  history(options?: { readonly id?: string; readonly limit?: number }): AsyncIterable<Recorded>
}

export const isRefused = (value: unknown): value is Refused =>
  typeof value === 'object' && value !== null && 'refused' in value

export const Directory = defineService<DirectoryApi>('directory')
