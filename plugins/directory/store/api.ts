/**
 * The Directory service: domains, accounts, groups, aliases and routing entries, as the CLI, LDAP and web
 * administration read and change them.
 *
 * Invariants: an entry is identified by its id, which never changes; everything else may change without affecting
 * mailboxes; once a change resolves, it is on stable storage and applies to mail; every change is recorded with user
 * and time; an entry reveals only whether it has a password. A refusal is a value (`Refused`); an exception means that
 * the directory is unavailable.
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

import type { Passkey } from './records.ts'

export { aboveOf, escaped, joined, lastOf, NAMING, nameInPath, pathOf, rdnInPath, rdnOf, valuesIn } from './places.ts'
export type { Passkey } from './records.ts'

type Own<E> = Omit<E, keyof Kept | 'kind' | 'hasPassword' | 'members'>
/** The required and optional fields of a new entry. */
export type NewEntry =
  | ({ readonly kind: 'unit' } & Pick<Unit, 'path'> & Partial<Own<Unit>>)
  | ({ readonly kind: 'domain' } & Pick<Domain, 'name'> & Partial<Own<Domain>>)
  | ({ readonly kind: 'account' } & Pick<DirectoryAccount, 'name'> & Partial<Own<DirectoryAccount>> & Password)
  | ({ readonly kind: 'group' } & Pick<Group, 'name'> & Partial<Own<Group>> & { readonly members?: readonly Member[] })
  | ({ readonly kind: 'object' } & Pick<DirectoryObject, 'rdn'> & Partial<Own<DirectoryObject>>)
  | ({ readonly kind: 'alias' } & Own<Alias>)
  | ({ readonly kind: 'route' } & Own<RoutingEntry>)

interface Password {
  /** In plain text, or as a hash of a supported scheme; null removes it. */
  readonly password?: string | null
}

/** New values of fields; null removes a field. */
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
  /** With an id only to restore an earlier entry. */
  | { readonly add: NewEntry; readonly id?: string }
  /** `version`: only if the entry still has it. */
  | { readonly set: string; readonly to: EntryPatch; readonly version?: number }
  | {
      readonly set: string
      readonly members: { readonly add?: readonly Member[]; readonly remove?: readonly Member[] }
    }
  /** Turns an object into an account or a group; it keeps its id, place and group memberships. */
  | { readonly set: string; readonly as: NewEntry; readonly version?: number }
  /** An entry with children cannot be removed. */
  | { readonly remove: string }
  /** Brings a removed entry back: its id, fields, secrets, members and groups. */
  | { readonly restore: string }

/** An entry that can be brought back. */
export interface RemovedEntry {
  readonly entry: Entry
  /** Ms since 1970. */
  readonly at: number
  readonly by: string
}

/** The reason for a refusal. */
export interface Refused {
  readonly refused: 'NONEXISTENT' | 'ALREADYEXISTS' | 'INVALID' | 'INUSE' | 'CHANGED' | 'READONLY'
  readonly why: string
}
/** The result of a change, at the same index: the entry as it is now, or was before its removal. */
export type Changed = { readonly entry: Entry } | Refused

/** A change with its position in the feed. */
export interface FeedEntry extends Recorded {
  readonly cursor: string
}

/** One page of the change feed. */
export interface Feed {
  /** In commit order; empty when there are no more. */
  readonly entries: readonly FeedEntry[]
  /** Start of the next page. Cursors are ordered as text. */
  readonly cursor: string
  /** Changes after the given cursor have been swept: read the directory again, then continue from `cursor`. */
  readonly isTooLate: boolean
}

/**
 * Sent to every kernel on the store after a commit to the directory. Like every signal it may be lost: a follower also
 * reads the feed at its start and periodically.
 */
export const DirectoryChanged = defineSignal<object>('directory:changed')

/** A query that indexes can answer. */
export interface Asked {
  /**
   * `uid`, `cn`, `sn`, `givenname`, `mail` (any address), `displayname`, `telephonenumber`, `ou`, `maillocaladdress`
   * (of objects), `uidnumber`, `gidnumber`, `memberuid`, `notesname`, without options.
   */
  readonly attribute: string
  readonly value: string
  /** Case- and width-insensitive. */
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
  'notesname',
] as const

/** Where an application password is valid; `proxy` also opens other accounts, if administrators may do so. */
export const SCOPES = ['smtp', 'imap', 'pop3', 'sieve', 'ldap', 'web', 'proxy'] as const
export type Scope = (typeof SCOPES)[number]

/** An application password. */
export interface AppPassword {
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[]
  /** CIDR networks it may be used from; empty means any. */
  readonly networks: readonly string[]
  /** ms since 1970. */
  readonly expires?: number
  readonly created: number
}

export interface DirectoryApi {
  byId(id: string): Promise<Entry | undefined>
  /**
   * By display key: an account's or group's name or address, a domain's name, a unit's or object's path, the match of
   * an alias or route.
   */
  byName<K extends EntryKind>(kind: K, name: string): Promise<EntryOf<K> | undefined>
  /** Ordered by name, after `after`. */
  list<K extends EntryKind>(kind: K, options?: { readonly after?: string }): AsyncIterable<EntryOf<K>>
  /** All entries of these kinds, unordered: the fastest full scan. */
  all<K extends EntryKind>(kinds: readonly K[]): AsyncIterable<EntryOf<K>>
  /** The entry at a path. */
  at(path: string): Promise<Placed | undefined>
  /** Direct children of a unit or other entry; '' for the root. */
  inUnit(path: string): AsyncIterable<Placed>
  /** All descendants. */
  below(path: string): AsyncIterable<Placed>
  /** Accounts, groups, units and objects by an indexed attribute; each once. */
  find(asked: Asked): AsyncIterable<Placed>
  members(group: string): AsyncIterable<Member>
  /** Ids of the groups that directly contain an entry or a member reference. */
  memberOf(member: string | Member): AsyncIterable<string>
  /**
   * Applies changes in order. `all`: in one commit, or none of them if one is refused. `each`: those that succeed.
   * `check`: the result of `all` without any change. Returns one result each, in order; with `all`, every change that
   * is invalid by itself has its own reason.
   */
  change(changes: readonly Change[], by: string, mode?: 'all' | 'each' | 'check'): Promise<readonly Changed[]>

  appPasswords(account: string): Promise<readonly AppPassword[]>
  /** The password is returned only here. */
  addAppPassword(
    account: string,
    app: Pick<AppPassword, 'name' | 'scopes'> & Partial<Pick<AppPassword, 'networks' | 'expires'>>,
    by: string,
  ): Promise<{ readonly app: AppPassword; readonly password: string } | Refused>
  removeAppPassword(account: string, id: string, by: string): Promise<Changed>
  passkeys(account: string): Promise<readonly Passkey[]>
  addPasskey(
    account: string,
    passkey: Pick<Passkey, 'id' | 'name' | 'publicKey' | 'counter' | 'host'>,
    by: string,
  ): Promise<Passkey | Refused>
  /** Ends the logins by it. */
  removePasskey(account: string, id: string, by: string): Promise<Changed>
  /**
   * Records a use that the caller has verified; the login's identity. Undefined when the account may not log in, or the
   * counter shows that the passkey was copied.
   */
  takePasskey(account: string, id: string, counter: number): Promise<Identity | undefined>
  /** The identity that a login with the account's own password would now have. Undefined when it may not log in. */
  ownIdentity(account: string): Promise<Identity | undefined>
  /**
   * RFC 6238: starts with a new secret, which takes effect once a code has been confirmed. From then on the account's
   * password is valid only for the web, together with a code; programs use application passwords.
   */
  startTotp(account: string, by: string): Promise<{ readonly secret: string; readonly uri: string } | Refused>
  confirmTotp(account: string, code: string, by: string): Promise<boolean>
  removeTotp(account: string, by: string): Promise<Changed>
  hasTotp(account: string): Promise<boolean>
  /** Whether a login by this identity's password also needs a code. */
  needsCode(identity: Identity): Promise<boolean>
  /** Each code is valid once. */
  checkTotp(account: string, code: string): Promise<boolean>

  /**
   * Changes in commit order, by any kernel, after a cursor: at most `limit` (1000). Without a cursor: the current
   * cursor and no entries. A follower takes a cursor, reads the directory, then reads pages from there. Moving an entry
   * moves its descendants, and removing one removes it from its groups: only the change itself is in the feed.
   * Application passwords, passkeys and second factors are not.
   */
  feed(options?: { readonly after?: string; readonly limit?: number }): Promise<Feed>
  /** Removed entries that `restore` brings back; unordered. */
  removed(): AsyncIterable<RemovedEntry>
  /** Newest first. */
  history(options?: { readonly id?: string; readonly limit?: number }): AsyncIterable<Recorded>
}

export const isRefused = (value: unknown): value is Refused =>
  typeof value === 'object' && value !== null && 'refused' in value

export const Directory = defineService<DirectoryApi>('directory')
