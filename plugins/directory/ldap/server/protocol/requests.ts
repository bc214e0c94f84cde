/**
 * Requests of LDAP clients (RFC 4511), parsed from complete messages.
 *
 * Invariants: the id is read first, so that an invalid rest can be answered; names and attribute types are UTF-8,
 * values are octets.
 */
import { BerError, BerReader, TAG } from './ber.ts'
import { type Filter, type FilterLimits, readFilter } from './filter.ts'

export interface Control {
  readonly type: string
  readonly isCritical: boolean
  readonly value?: Buffer
}

export interface Attribute {
  readonly type: string
  readonly values: readonly Buffer[]
}

export interface Envelope {
  readonly id: number
  /** The tag of the operation. */
  readonly operation: number
  readonly content: Buffer
  readonly controls: readonly Control[]
}

export interface SearchRequest {
  readonly kind: 'search'
  readonly base: string
  readonly scope: 'base' | 'one' | 'sub'
  readonly sizeLimit: number
  /** Seconds. */
  readonly timeLimit: number
  readonly typesOnly: boolean
  readonly filter: Filter
  readonly attributes: readonly string[]
}

export interface Modification {
  readonly how: 'add' | 'delete' | 'replace' | 'increment'
  readonly attribute: Attribute
}

export type Request =
  | {
      readonly kind: 'bind'
      readonly version: number
      readonly name: string
      readonly simple?: Buffer
      readonly sasl?: { readonly mechanism: string; readonly credentials?: Buffer }
    }
  | { readonly kind: 'unbind' }
  | SearchRequest
  | { readonly kind: 'modify'; readonly dn: string; readonly changes: readonly Modification[] }
  | { readonly kind: 'add'; readonly dn: string; readonly attributes: readonly Attribute[] }
  | { readonly kind: 'delete'; readonly dn: string }
  | {
      readonly kind: 'rename'
      readonly dn: string
      readonly newRdn: string
      readonly deleteOld: boolean
      readonly newSuperior?: string
    }
  | { readonly kind: 'compare'; readonly dn: string; readonly attribute: string; readonly value: Buffer }
  | { readonly kind: 'abandon'; readonly id: number }
  | { readonly kind: 'extended'; readonly name: string; readonly value?: Buffer }

/** Request operations by tag. */
export const OPERATION = {
  bind: 0x60,
  unbind: 0x42,
  search: 0x63,
  modify: 0x66,
  add: 0x68,
  delete: 0x4a,
  rename: 0x6c,
  compare: 0x6e,
  abandon: 0x50,
  extended: 0x77,
} as const

/** Maximum attributes, changes and controls of one request. */
const MAX_ITEMS = 10_000
const MAX_CONTROLS = 20

/** `message`: the content of its sequence. */
export function readEnvelope(message: Buffer): Envelope {
  const reader = new BerReader(message)
  const id = reader.integer()
  const operation = reader.tag
  if (id < 0 || operation === undefined) throw new BerError('no message of LDAP')
  const content = reader.element()
  const controls: Control[] = []
  if (reader.tag === 0xa0) {
    const list = reader.inside(0xa0)
    while (!list.isAtEnd) {
      if (controls.length >= MAX_CONTROLS) throw new BerError('too many controls')
      controls.push(readControl(list.inside()))
    }
  }
  return { id, operation, content, controls }
}

function readControl(reader: BerReader): Control {
  const type = reader.text()
  const isCritical = reader.tag === TAG.boolean ? reader.boolean() : false
  return { type, isCritical, ...(reader.isAtEnd ? {} : { value: reader.octets() }) }
}

/** Undefined for an unknown operation. */
export function readRequest({ operation, content }: Envelope, limits: FilterLimits): Request | undefined {
  const reader = new BerReader(content)
  switch (operation) {
    case OPERATION.bind:
      return readBind(reader)
    case OPERATION.unbind:
      return { kind: 'unbind' }
    case OPERATION.search:
      return readSearch(reader, limits)
    case OPERATION.modify:
      return { kind: 'modify', dn: reader.text(), changes: readList(reader.inside(), readModification) }
    case OPERATION.add:
      return { kind: 'add', dn: reader.text(), attributes: readList(reader.inside(), readAttribute) }
    case OPERATION.delete:
      return { kind: 'delete', dn: textOf(content) }
    case OPERATION.rename: {
      const [dn, newRdn, deleteOld] = [reader.text(), reader.text(), reader.boolean()]
      return { kind: 'rename', dn, newRdn, deleteOld, ...(reader.isAtEnd ? {} : { newSuperior: reader.text(0x80) }) }
    }
    case OPERATION.compare: {
      const dn = reader.text()
      const pair = reader.inside()
      return { kind: 'compare', dn, attribute: pair.text(), value: pair.octets() }
    }
    case OPERATION.abandon:
      return {
        kind: 'abandon',
        id: content.length > 0 && content.length <= 4 ? content.readIntBE(0, content.length) : -1,
      }
    case OPERATION.extended:
      return { kind: 'extended', name: reader.text(0x80), ...(reader.isAtEnd ? {} : { value: reader.octets(0x81) }) }
    default:
      return undefined
  }
}

/** Content without an element around it. */
function textOf(content: Buffer): string {
  const text = content.toString()
  if (!Buffer.from(text).equals(content)) throw new BerError('text that is no UTF-8')
  return text
}

function readBind(reader: BerReader): Request {
  const version = reader.integer()
  const name = reader.text()
  if (reader.tag === 0x80) return { kind: 'bind', version, name, simple: reader.octets(0x80) }
  if (reader.tag !== 0xa3) return { kind: 'bind', version, name }
  const sasl = reader.inside(0xa3)
  const mechanism = sasl.text()
  return {
    kind: 'bind',
    version,
    name,
    sasl: { mechanism, ...(sasl.isAtEnd ? {} : { credentials: sasl.octets() }) },
  }
}

const SCOPES = ['base', 'one', 'sub'] as const

function readSearch(reader: BerReader, limits: FilterLimits): Request {
  const base = reader.text()
  const scope = SCOPES[reader.enumerated()]
  const derefAliases = reader.enumerated()
  const sizeLimit = reader.integer()
  const timeLimit = reader.integer()
  if (scope === undefined || derefAliases < 0 || derefAliases > 3 || sizeLimit < 0 || timeLimit < 0)
    throw new BerError('a number out of range')
  const typesOnly = reader.boolean()
  const filter = readFilter(reader, limits)
  const attributes = readList(reader.inside(), (list) => list.text())
  return { kind: 'search', base, scope, sizeLimit, timeLimit, typesOnly, filter, attributes }
}

function readList<T>(list: BerReader, read: (list: BerReader) => T): T[] {
  const items: T[] = []
  while (!list.isAtEnd) {
    if (items.length >= MAX_ITEMS) throw new BerError('too many items')
    items.push(read(list))
  }
  return items
}

export function readAttribute(list: BerReader): Attribute {
  const reader = list.inside()
  const type = reader.text()
  const set = reader.inside(TAG.set)
  const values: Buffer[] = []
  while (!set.isAtEnd) values.push(set.octets())
  return { type, values }
}

/** RFC 4525 adds the last one. */
const CHANGES = ['add', 'delete', 'replace', 'increment'] as const

function readModification(list: BerReader): Modification {
  const reader = list.inside()
  const how = CHANGES[reader.enumerated()]
  if (how === undefined) throw new BerError('no such change')
  return { how, attribute: readAttribute(reader) }
}

// --- values of controls and extended operations ----------------------------------------------------

/** RFC 2696. */
export function readPaged(value: Buffer | undefined): { readonly size: number; readonly cookie: Buffer } {
  const reader = new BerReader(value ?? Buffer.alloc(0)).inside()
  const size = reader.integer()
  if (size < 0) throw new BerError('a number out of range')
  return { size, cookie: reader.octets() }
}

export interface SortKey {
  readonly attribute: string
  readonly rule?: string
  readonly isReverse: boolean
}

/** RFC 2891. */
export function readSortKeys(value: Buffer | undefined): readonly SortKey[] {
  return readList(new BerReader(value ?? Buffer.alloc(0)).inside(), (list) => {
    const key = list.inside()
    const attribute = key.text()
    const rule = key.tag === 0x80 ? key.text(0x80) : undefined
    return { attribute, ...(rule === undefined ? {} : { rule }), isReverse: key.isAtEnd ? false : key.boolean(0x81) }
  })
}

/** draft-ietf-ldapext-ldapv3-vlv-09 section 6.1. */
export interface ViewRequest {
  /** Entries before and after the target. */
  readonly before: number
  readonly after: number
  /**
   * An offset in a list that the client believes to have `contentCount` entries; or the first entry from a value on.
   */
  readonly target: { readonly offset: number; readonly contentCount: number } | { readonly atLeast: Buffer }
}

export function readView(value: Buffer | undefined): ViewRequest {
  const reader = new BerReader(value ?? Buffer.alloc(0)).inside()
  const [before, after] = [reader.integer(), reader.integer()]
  if (before < 0 || after < 0) throw new BerError('a number out of range')
  if (reader.tag !== 0xa0) return { before, after, target: { atLeast: reader.octets(0x81) } }
  const pair = reader.inside(0xa0)
  const [offset, contentCount] = [pair.integer(), pair.integer()]
  if (offset < 0 || contentCount < 0) throw new BerError('a number out of range')
  return { before, after, target: { offset, contentCount } }
}

/** RFC 3062. */
export function readPasswordModify(value: Buffer | undefined): {
  readonly user?: string
  readonly old?: Buffer
  readonly new?: Buffer
} {
  if (value === undefined) return {}
  const reader = new BerReader(value).inside()
  const user = reader.tag === 0x80 ? reader.text(0x80) : undefined
  const old = reader.tag === 0x81 ? reader.octets(0x81) : undefined
  const given = reader.tag === 0x82 ? reader.octets(0x82) : undefined
  return { ...(user === undefined ? {} : { user }), ...(old ? { old } : {}), ...(given ? { new: given } : {}) }
}
