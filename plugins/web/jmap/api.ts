/**
 * The Jmap service: how a plugin adds capabilities, methods and object types.
 *
 * Invariants: an object type implements only its specifics (lookup, changes, create, update, destroy); the kit derives
 * the standard methods of RFC 8620 section 5, with their limits and errors, for all types.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { defineService, type ServerSession } from 'iems'
import type { Login } from '../http/api.ts'
import type { Blob } from './blob/blob.ts'

export type { Blob } from './blob/blob.ts'
export { MethodError, ObjectError, type SetError } from './errors.ts'
export { patched } from './patched.ts'

/** One API request, as methods see it. */
export interface JmapCall {
  readonly login: Login
  /** The login's own account. */
  readonly own: string
  /** The capabilities that the client uses. */
  readonly using: ReadonlySet<string>
  /** Ids of objects created so far, by creation id (RFC 8620 section 3.3). */
  readonly createdIds: Map<string, string>
  readonly signal: AbortSignal
  /** Whether the login may use an account at all. */
  mayUse(account: string): Promise<boolean>
  /** A session with the kernel as this client; the caller closes it. */
  openSession(): Promise<ServerSession>
}

export interface Method<S extends StandardSchemaV1 = StandardSchemaV1> {
  readonly capability: string
  readonly arguments: S
  /** Answers the arguments of the response, or several responses. Throws `MethodError`. */
  run(given: StandardSchemaV1.InferOutput<S>, call: JmapCall): Promise<object | MoreResponses>
}

/** Responses of further methods after the method's own, as with `onSuccessUpdateEmail` (RFC 8621 section 7.5). */
export class MoreResponses {
  readonly first: object
  readonly further: readonly (readonly [name: string, given: object])[]
  constructor(first: object, further: readonly (readonly [name: string, given: object])[]) {
    this.first = first
    this.further = further
  }
}

export type JmapObject = { readonly id: string } & Readonly<Record<string, unknown>>
export type Patch = Readonly<Record<string, unknown>>

/** RFC 8620 section 5.2. */
export interface TypeChanges {
  readonly created: readonly string[]
  readonly updated: readonly string[]
  readonly destroyed: readonly string[]
  readonly newState: string
  readonly hasMoreChanges: boolean
  /** Further members of the response, such as `updatedProperties` of mailboxes. */
  readonly more?: Readonly<Record<string, unknown>>
  /** For the type's own `affected`. */
  readonly hint?: unknown
}

/** A condition tree (RFC 8620 section 5.5): operators of conditions that the type's schema has read. */
export type Filter<C> = C | { readonly operator: 'AND' | 'OR' | 'NOT'; readonly conditions: readonly Filter<C>[] }
export interface Comparator {
  readonly property: string
  readonly isAscending: boolean
  readonly collation?: string
  readonly [more: string]: unknown
}

export interface Query<C> {
  readonly account: string
  readonly filter: Filter<C> | undefined
  readonly sort: readonly Comparator[]
  /** Arguments of the type's own. */
  readonly more: Readonly<Record<string, unknown>>
  readonly call: JmapCall
}

/** The functions of a type. Without a function the method does not exist. Every function throws `MethodError`. */
export interface ObjectType<C = unknown> {
  readonly capability: string
  /** Properties of an object; a client that asks for another gets invalidArguments. `*` allows any. */
  readonly properties: readonly string[] | '*'
  state(account: string, call: JmapCall): Promise<string>
  /** Of all ids, or of those; absent ones are left out. `properties` undefined: all, or the type's default. */
  get(
    wanted: {
      readonly account: string
      readonly ids: readonly string[] | undefined
      readonly properties: readonly string[] | undefined
      readonly more: Readonly<Record<string, unknown>>
    },
    call: JmapCall,
  ): Promise<readonly JmapObject[]>
  /** Additional arguments of `get`. */
  readonly getArguments?: StandardSchemaV1
  changes?(account: string, since: string, limit: number | undefined, call: JmapCall): Promise<TypeChanges>
  readonly filter?: StandardSchemaV1<unknown, C>
  readonly sorts?: readonly string[]
  readonly queryArguments?: StandardSchemaV1
  /** All ids in order. */
  query?(query: Query<C>): Promise<readonly string[]>
  /** Ids whose place in a query's results may differ because of these changes; default: the changed ones. */
  affected?(account: string, changes: TypeChanges, call: JmapCall): Promise<readonly string[]>
  /** Answers the server-set properties, with the id. Throws `ObjectError`. */
  create?(account: string, given: Patch, call: JmapCall): Promise<JmapObject>
  /** Returns server-set properties that changed in addition. Throws `ObjectError`. */
  update?(account: string, id: string, patch: Patch, call: JmapCall): Promise<Patch | null>
  destroy?(account: string, id: string, call: JmapCall, more: Readonly<Record<string, unknown>>): Promise<void>
  readonly setArguments?: StandardSchemaV1
  /** Copies the object `given.id`, with the other properties in place of its own. Returns and throws as `create`. */
  copy?(from: string, to: string, given: Patch, call: JmapCall): Promise<JmapObject>
  /** After a set of which every part succeeded: further server-set properties that it changed, by id. */
  finish?(
    account: string,
    done: SetResult,
    more: Readonly<Record<string, unknown>>,
    call: JmapCall,
  ): Promise<Readonly<Record<string, Patch>>>
  /** After the whole set: further responses. */
  afterSet?(
    account: string,
    done: SetResult,
    more: Readonly<Record<string, unknown>>,
    call: JmapCall,
  ): Promise<readonly (readonly [name: string, given: object])[]>
}

export interface SetResult {
  readonly created: Readonly<Record<string, JmapObject>>
  readonly updated: Readonly<Record<string, Patch | null>>
  readonly destroyed: readonly string[]
}

export interface Capability {
  /** In the session object. */
  readonly session: object | (() => Promise<object>)
  /** In each account of the session object; undefined: the account does not have it. */
  account?(account: string, own: string): Promise<object | undefined> | object | undefined
}

/** Opens a plugin's content by what follows the letter of its blob id. */
export type OpenBlob = (account: string, id: string, call: JmapCall) => Promise<Blob | undefined>

export interface JmapApi {
  capability(urn: string, capability: Capability): void
  objects<C>(name: string, type: ObjectType<C>): void
  method<S extends StandardSchemaV1>(name: string, method: Method<S>): void
  /** Content whose blob ids begin with this upper-case letter; E, P and U are taken. `id`: what follows the letter. */
  blobs(letter: string, open: OpenBlob): void
  /** Undefined for content that does not exist, or that the login may not read. */
  openBlob(account: string, blobId: string, call: JmapCall): Promise<Blob | undefined>
  /** Notifies listening clients that objects of these types have changed. A hint, which may be lost. */
  changed(account: string, types: readonly string[]): void
  /** Reads the states of types for a push. */
  states(
    account: string,
    types: readonly string[],
    call: Pick<JmapCall, 'own'>,
  ): Promise<Readonly<Record<string, string>>>
}

export const Jmap = defineService<JmapApi>('jmap')

/** The address books of accounts, for plugins that ask whom an account knows. */
export interface ContactsApi {
  /**
   * Addresses of an account's own cards, in lower case: of all its books, or of the one with this id or name. Undefined
   * for a book that is not there.
   */
  addresses(account: string, book?: string): Promise<AsyncIterable<string> | undefined>
  /**
   * Adds a card (RFC 9553, with `uid`) to the account's first book. False: a card with this id is there, or was
   * destroyed by its owner.
   */
  add(account: string, id: string, card: ContactCard): Promise<boolean>
  /** An account's own cards (JSContact, RFC 9553). */
  cards(account: string): AsyncIterable<object>
}

export type ContactCard = { readonly uid: string } & Readonly<Record<string, unknown>>

export const Contacts = defineService<ContactsApi>('contacts')

export const CORE = 'urn:ietf:params:jmap:core'
export const MAIL = 'urn:ietf:params:jmap:mail'
export const SUBMISSION = 'urn:ietf:params:jmap:submission'
