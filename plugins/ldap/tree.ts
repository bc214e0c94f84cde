/**
 * The directory as a tree of names: units, accounts and groups where they stand, and for administrators lists of
 * domains, aliases and routing entries.
 *
 * What must stay true: every entry has one name and every name one entry; which of a name's letters are written large
 * makes no difference.
 */
import {
  type DirectoryAccount,
  type DirectoryApi,
  type Entry,
  type EntryKind,
  type Group,
  NAMING,
  type Unit,
} from '../directory/api.ts'
import { type Ava, type Dn, foldText, foldType, formatDn, type Rdn, relativeTo } from './protocol/dn.ts'

/** Kinds that stand in a list of their own. */
export const LISTED = { domains: 'domain', aliases: 'alias', routes: 'route' } as const
export type ListName = keyof typeof LISTED
export type ListedKind = (typeof LISTED)[ListName]

export type Node = Entry | { readonly kind: 'suffix' } | { readonly kind: 'list'; readonly name: ListName }
export type Placed = Unit | DirectoryAccount | Group

const LIST_OF: Readonly<Record<ListedKind, ListName>> = { domain: 'domains', alias: 'aliases', route: 'routes' }

/** Where an entry stands, or could. */
export type Place =
  | { readonly kind: 'suffix' }
  | { readonly kind: 'list'; readonly name: ListName }
  /** By its own kind and name, in a unit ('' for the top), as it was written. */
  | { readonly kind: EntryKind; readonly name: string; readonly unit: string }

export type Tree = ReturnType<typeof createTree>

const single = (rdn: Rdn | undefined): Ava | undefined => (rdn?.length === 1 ? rdn[0] : undefined)

export function createTree(directory: DirectoryApi, suffix: Dn) {
  const suffixText = formatDn(suffix)

  /** Names of units from the entry upwards, as a path; undefined when there are others among them. */
  function pathOf(rdns: Dn): string | undefined {
    const names = rdns.map((rdn) => {
      const ava = single(rdn)
      // A path could not be told from two names.
      return ava && foldType(ava.type) === 'ou' && !ava.value.includes('/') ? ava.value : undefined
    })
    return names.includes(undefined) ? undefined : names.toReversed().join('/')
  }

  /** Undefined for names that no entry can have. */
  function placeOf(dn: Dn): Place | undefined {
    const own = relativeTo(dn, suffix)
    if (!own) return undefined
    const [first, ...above] = own
    if (!first) return { kind: 'suffix' }
    const ava = single(first)
    const top = single(own.at(-1))
    if (!ava || !top) return undefined
    if (foldType(top.type) === 'iems-list') return listed(ava, top, above)
    const unit = pathOf(above)
    if (unit === undefined) return undefined
    const type = foldType(ava.type)
    if (type === 'uid') return { kind: 'account', name: ava.value, unit }
    if (type === 'cn') return { kind: 'group', name: ava.value, unit }
    const path = pathOf(own)
    return path === undefined ? undefined : { kind: 'unit', name: path, unit }
  }

  function listed(ava: Ava, { value }: Ava, above: Dn): Place | undefined {
    const name = foldText(value) as ListName
    if (!Object.hasOwn(LISTED, name) || above.length > 1) return undefined
    if (above.length === 0) return { kind: 'list', name }
    const kind = LISTED[name]
    return foldType(ava.type) === NAMING[kind] ? { kind, name: ava.value, unit: '' } : undefined
  }

  async function nodeAt(place: Place): Promise<Node | undefined> {
    if (place.kind === 'suffix' || place.kind === 'list') return place
    const entry = await directory.byName(place.kind, place.name)
    // By address is not by name, and in another unit it is somebody else.
    if (!entry || !isCalled(entry, place.name)) return undefined
    return 'unit' in entry && foldText(entry.unit) !== foldText(place.unit) ? undefined : entry
  }

  const isCalled = (entry: Entry, name: string) =>
    !('name' in entry) || entry.kind === 'domain' || foldText(entry.name) === foldText(name)

  async function resolve(dn: Dn): Promise<Node | undefined> {
    const place = placeOf(dn)
    return place && nodeAt(place)
  }

  const unitNames = (path: string): string[] => path.split('/').filter((name) => name !== '')
  const rdn = (type: string, value: string): Rdn => [{ type, value }]
  const unitRdns = (path: string): Dn =>
    unitNames(path)
      .toReversed()
      .map((name) => rdn('ou', name))

  /** What a unit is called as it was written; accounts know it as it is compared. */
  async function writtenPath(path: string): Promise<string> {
    return path === '' ? '' : ((await directory.byName('unit', path))?.path ?? path)
  }

  async function rdnsOf(node: Node): Promise<Dn> {
    switch (node.kind) {
      case 'suffix':
        return []
      case 'list':
        return [rdn('iems-list', node.name)]
      case 'unit':
        return unitRdns(node.path)
      case 'account':
      case 'group':
        return [rdn(NAMING[node.kind], node.name), ...unitRdns(await writtenPath(node.unit))]
      case 'domain':
        return [rdn('iems-name', node.name), rdn('iems-list', LIST_OF.domain)]
      default:
        return [rdn('iems-match', node.match), rdn('iems-list', LIST_OF[node.kind])]
    }
  }

  async function dnOf(node: Node): Promise<string> {
    const own = formatDn(await rdnsOf(node))
    return own === '' ? suffixText : `${own},${suffixText}`
  }

  /** The DN of whoever has this id; undefined when nobody has. */
  async function dnOfId(id: string): Promise<string | undefined> {
    const entry = await directory.byId(id)
    return entry && dnOf(entry)
  }

  /** The DN of the nearest entry above a name. */
  async function nearest(dn: Dn): Promise<string> {
    for (let above = dn.slice(1); above.length > 0; above = above.slice(1)) {
      const node = await resolve(above)
      if (node) return dnOf(node)
    }
    return ''
  }

  const lists = (): readonly Node[] => (Object.keys(LISTED) as ListName[]).map((name) => ({ kind: 'list', name }))

  /** Directly below. */
  async function* children(node: Node): AsyncGenerator<Node> {
    if (node.kind === 'list') yield* directory.list(LISTED[node.name])
    if (node.kind === 'suffix') {
      yield* lists()
      yield* directory.inUnit('')
    }
    if (node.kind === 'unit') yield* directory.inUnit(node.path)
  }

  /** Everything below, at any depth. */
  async function* below(node: Node): AsyncGenerator<Node> {
    for await (const child of children(node)) {
      yield child
      if (child.kind === 'unit' || child.kind === 'list') yield* below(child)
    }
  }

  async function hasChildren(node: Node): Promise<boolean> {
    for await (const _ of children(node)) return true
    return false
  }

  /** Whether an entry is the base or below it, as far as the scope goes. */
  function isWithin(node: Node, base: Node, scope: 'base' | 'one' | 'sub'): boolean {
    const isBase = keyOf(node) === keyOf(base)
    if (scope === 'base') return isBase
    if (isBase) return scope === 'sub'
    const above = parentKeys(node)
    const place = above.indexOf(keyOf(base))
    return scope === 'one' ? place === 0 : place >= 0
  }

  /** From the nearest on. */
  function parentKeys(node: Node): string[] {
    if (node.kind === 'suffix') return []
    if (node.kind === 'list') return ['suffix']
    if (node.kind === 'domain' || node.kind === 'alias' || node.kind === 'route')
      return [`list ${LIST_OF[node.kind]}`, 'suffix']
    const names = unitNames(foldText(node.kind === 'unit' ? node.path : node.unit))
    const units = names.map((_, at) => `unit ${names.slice(0, names.length - at).join('/')}`)
    return [...(node.kind === 'unit' ? units.slice(1) : units), 'suffix']
  }

  function keyOf(node: Node): string {
    if (node.kind === 'suffix') return 'suffix'
    if (node.kind === 'list') return `list ${node.name}`
    return node.kind === 'unit' ? `unit ${foldText(node.path)}` : node.id
  }

  return {
    suffix,
    suffixText,
    placeOf,
    nodeAt,
    resolve,
    dnOf,
    dnOfId,
    nearest,
    lists,
    children,
    below,
    hasChildren,
    isWithin,
    writtenPath,
  }
}
