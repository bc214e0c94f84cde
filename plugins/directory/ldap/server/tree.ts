/**
 * The directory as a tree of names: units, accounts and groups in their places, and for administrators lists of
 * domains, aliases and routing entries.
 *
 * Invariants: every entry has one name and every name one entry; names are case-insensitive.
 */
import { Cache } from 'iems'
import {
  aboveOf,
  type DirectoryApi,
  type DirectoryObject,
  type Entry,
  lastOf,
  type Member,
  NAMING,
  nameInPath,
  type Placed,
  pathOf,
  rdnInPath,
  rdnOf,
} from '../../store/api.ts'
import {
  type Ava,
  type Dn,
  foldText,
  foldType,
  formatDn,
  formatRdn,
  parseDn,
  type Rdn,
  relativeTo,
} from './protocol/dn.ts'
import { describe } from './schema.ts'

/** Maximum names whose places are cached, and the length of such a name: clients search below the same few. */
const PLACES = 1000
const PLACE_LENGTH = 256

/** Kinds that have a list of their own. */
export const LISTED = { domains: 'domain', aliases: 'alias', routes: 'route' } as const
export type ListName = keyof typeof LISTED
export type ListedKind = (typeof LISTED)[ListName]

/** The suffix has its own attributes once it has been added. */
export interface SuffixNode {
  readonly kind: 'suffix'
  readonly top?: DirectoryObject
}
export type Node = Entry | SuffixNode | { readonly kind: 'list'; readonly name: ListName }

const LIST_OF: Readonly<Record<ListedKind, ListName>> = { domain: 'domains', alias: 'aliases', route: 'routes' }

/** A position in the tree; `rdn` is empty at the suffix. */
export interface TreePlace {
  readonly kind: 'placed'
  readonly path: string
  /** Path of the parent. */
  readonly unit: string
  readonly rdn: Rdn
}
/** A parsed name; no place if no entry can have it. */
interface Named {
  readonly dn: Dn
  readonly place: Place | undefined
}
/** The actual or possible position of an entry. */
export type Place =
  | { readonly kind: 'list'; readonly name: ListName }
  | { readonly kind: ListedKind; readonly name: string }
  | TreePlace

const single = (rdn: Rdn | undefined): Ava | undefined => (rdn?.length === 1 ? rdn[0] : undefined)

/** Each value belongs to a different attribute (X.501 section 9.3). */
const isRdn = (rdn: Rdn) =>
  new Set(rdn.map(({ type }) => describe(type)?.base)).size === rdn.length &&
  rdn.every(({ value }) => value.trim() !== '')

/** An RDN as the directory stores it: canonical types in a fixed order. */
export const rdnText = (rdn: Rdn): string =>
  rdn
    .map(({ type, value }) => formatRdn([{ type: describe(type)?.base ?? type.toLowerCase(), value: value.trim() }]))
    .sort()
    .join('+')

const nameOf = (rdn: Rdn) => nameInPath(rdnText(rdn))

/** With the types as in responses. */
const readable = (rdn: Rdn): Rdn => rdn.map(({ type, value }) => ({ type: describe(type)?.shown ?? type, value }))
const readRdn = (text: string): Rdn => readable(parseDn(text)?.[0] ?? [])

const foldPath = (path: string) => path.split('/').map(foldText).join('/')

export const isTop = (node: Node) => node.kind === 'object' && node.rdn === ''

/** The path of a placed entry; '' for the suffix. */
function placedPath(node: Node): string | undefined {
  if (node.kind === 'suffix') return ''
  return 'attributes' in node ? pathOf(node) : undefined
}

export class Tree {
  readonly #directory: DirectoryApi
  readonly #suffix: Dn
  readonly #suffixText
  readonly #named = new Cache<Named>({ max: PLACES })
  readonly suffix
  readonly suffixText

  constructor(directory: DirectoryApi, suffix: Dn) {
    this.#directory = directory
    this.#suffix = suffix
    this.#suffixText = formatDn(suffix)
    this.suffix = suffix
    this.suffixText = this.#suffixText
  }

  /** Undefined for names that no entry can have. */
  placeOf(dn: Dn): Place | undefined {
    const own = relativeTo(dn, this.#suffix)
    if (!own) return undefined
    const [first = [], ...above] = own
    const ava = single(first)
    const top = single(own.at(-1))
    if (ava && top && foldType(top.type) === 'iems-list') return listed(ava, top, above)
    return own.every(isRdn) ? { kind: 'placed', path: pathIn(own), unit: pathIn(above), rdn: first } : undefined
  }

  /** Undefined for what is no name. */
  read(text: string): Named | undefined {
    const known = this.#named.get(text)
    if (known) return known
    const dn = parseDn(text)
    const named = dn && { dn, place: this.placeOf(dn) }
    if (named && text.length <= PLACE_LENGTH) this.#named.set(text, named)
    return named
  }

  async nodeAt(place: Place): Promise<Node | undefined> {
    if (place.kind === 'list') return place
    if (place.kind !== 'placed') return this.#directory.byName(place.kind, place.name)
    const entry = await this.#directory.at(place.path)
    return place.path === '' ? suffixNode(entry) : entry
  }

  async resolve(dn: Dn): Promise<Node | undefined> {
    const place = this.placeOf(dn)
    return place && this.nodeAt(place)
  }

  /** The names at a path and above, as written. */
  async #rdnsAt(path: string): Promise<Dn> {
    const rdns: Rdn[] = []
    for (let at = path; at !== ''; at = aboveOf(at)) {
      const entry = await this.#directory.at(at)
      rdns.push(readRdn(entry ? rdnOf(entry) : rdnInPath(lastOf(at))))
    }
    return rdns
  }

  async #rdnsOf(node: Node): Promise<Dn> {
    switch (node.kind) {
      case 'suffix':
        return []
      case 'list':
        return [rdn('iems-list', node.name)]
      case 'domain':
        return [rdn('iems-name', node.name), rdn('iems-list', LIST_OF.domain)]
      case 'alias':
      case 'route':
        return [rdn('iems-match', node.match), rdn('iems-list', LIST_OF[node.kind])]
      default:
        return isTop(node) ? [] : [readRdn(rdnOf(node)), ...(await this.#rdnsAt(aboveOf(pathOf(node))))]
    }
  }

  async dnOf(node: Node): Promise<string> {
    const own = formatDn(await this.#rdnsOf(node))
    return own === '' ? this.#suffixText : `${own},${this.#suffixText}`
  }

  /** The DN of the entry with this id; undefined when there is none. */
  async dnOfId(id: string): Promise<string | undefined> {
    const entry = await this.#directory.byId(id)
    return entry && this.dnOf(entry)
  }

  /** A member reference to an entry that does not exist yet. */
  memberAt(dn: Dn): Extract<Member, { path: string } | { dn: string }> {
    const place = this.placeOf(dn)
    return place?.kind === 'placed' && place.path !== '' ? { path: place.path } : { dn: formatDn(dn.map(readable)) }
  }

  /** Undefined for a member that has been deleted meanwhile. */
  async dnOfMember(member: Exclude<Member, { address: string }>): Promise<string | undefined> {
    if ('id' in member) return this.dnOfId(member.id)
    return 'dn' in member ? member.dn : formatDn([...(await this.#rdnsAt(member.path)), ...this.#suffix])
  }

  /** Ids of the groups that have a name as member, whether or not the entry exists. */
  async *groupsOf(text: string): AsyncGenerator<string> {
    const dn = parseDn(text)
    if (!dn) return
    const node = await this.resolve(dn)
    const entry = node?.kind === 'suffix' ? node.top : node
    if (entry && 'id' in entry) yield* this.#directory.memberOf(entry.id)
    yield* this.#directory.memberOf(this.memberAt(dn))
  }

  /** The DN of the nearest existing ancestor. */
  async nearest(dn: Dn): Promise<string> {
    for (let above = dn.slice(1); above.length > 0; above = above.slice(1)) {
      const node = await this.resolve(above)
      if (node) return this.dnOf(node)
    }
    return ''
  }

  lists(): readonly Node[] {
    return (Object.keys(LISTED) as ListName[]).map((name) => ({ kind: 'list', name }))
  }

  /** Direct children. */
  async *children(node: Node): AsyncGenerator<Node> {
    if (node.kind === 'list') yield* this.#directory.list(LISTED[node.name])
    if (node.kind === 'suffix') yield* this.lists()
    const path = placedPath(node)
    if (path !== undefined) yield* this.#directory.inUnit(path)
  }

  /** Everything below an entry, at any depth. */
  async *below(node: Node): AsyncGenerator<Node> {
    const path = placedPath(node)
    if (path === undefined) yield* this.children(node)
    else yield* this.#directory.below(path)
  }

  async hasChildren(node: Node): Promise<boolean> {
    for await (const _ of this.children(node)) return true
    return false
  }

  /** Whether an entry is in scope of a base. */
  isWithin(node: Node, base: Node, scope: 'base' | 'one' | 'sub'): boolean {
    if (scope === 'sub' && base.kind === 'suffix') return true
    const isBase = keyOf(node) === keyOf(base)
    if (scope === 'base') return isBase
    if (isBase) return scope === 'sub'
    const above = parentKeys(node)
    const place = above.indexOf(keyOf(base))
    return scope === 'one' ? place === 0 : place >= 0
  }
}

const rdn = (type: string, value: string): Rdn => [{ type, value }]

/** The path of these names, which start with the entry's own. */
const pathIn = (rdns: Dn): string => rdns.toReversed().map(nameOf).join('/')

function listed(ava: Ava, { value }: Ava, above: Dn): Place | undefined {
  const name = foldText(value) as ListName
  if (!Object.hasOwn(LISTED, name) || above.length > 1) return undefined
  if (above.length === 0) return { kind: 'list', name }
  const kind = LISTED[name]
  return foldType(ava.type) === NAMING[kind] ? { kind, name: ava.value } : undefined
}

const BARE: SuffixNode = { kind: 'suffix' }
const suffixNode = (entry: Placed | undefined): SuffixNode =>
  entry?.kind === 'object' ? { kind: 'suffix', top: entry } : BARE

/** The ancestors of an entry, nearest first. */
function parentKeys(node: Node): string[] {
  if (node.kind === 'suffix') return []
  if (node.kind === 'list') return ['suffix']
  const path = placedPath(node)
  if (path === undefined) return [`list ${LIST_OF[node.kind as ListedKind]}`, 'suffix']
  const keys: string[] = []
  for (let at = aboveOf(foldPath(path)); at !== ''; at = aboveOf(at)) keys.push(`at ${at}`)
  return path === '' ? [] : [...keys, 'suffix']
}

function keyOf(node: Node): string {
  if (node.kind === 'list') return `list ${node.name}`
  const path = placedPath(node)
  if (path === '') return 'suffix'
  return path === undefined ? (node as Entry).id : `at ${foldPath(path)}`
}
