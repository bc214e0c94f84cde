/**
 * Finds candidate entries for a filter through indexes.
 *
 * Invariants: a plan never omits a matching entry (candidates are checked again); without a plan all entries below the
 * base are candidates.
 */
import { isUtf8 } from 'node:buffer'
import { type DirectoryApi, type Entry, type EntryKind, INDEXED } from '../../store/api.ts'
import { parseDn } from './protocol/dn.ts'
import type { Filter } from './protocol/filter.ts'
import { className, describe } from './schema.ts'
import type { Tree } from './tree.ts'
import { CLASSES } from './view.ts'

export interface Plan {
  /** Lower for fewer expected entries. */
  readonly cost: number
  /** May contain duplicates. */
  entries(): AsyncIterable<Entry>
}

const COST = { one: 0, equal: 1, members: 2, begins: 3 } as const
type Indexed = (typeof INDEXED)[number]

const ALL_KINDS: readonly EntryKind[] = ['account', 'group', 'unit', 'object', 'domain', 'alias', 'route']
/** Entries of these kinds have a fixed class and the auxiliary ones; others may have any. */
const LISTED_KINDS: readonly EntryKind[] = ['domain', 'alias', 'route']

export class Planner {
  readonly #directory: DirectoryApi
  readonly #tree: Tree

  constructor(directory: DirectoryApi, tree: Tree) {
    this.#directory = directory
    this.#tree = tree
  }

  async *#byIds(ids: AsyncIterable<string | undefined>): AsyncGenerator<Entry> {
    for await (const id of ids) {
      const entry = id === undefined ? undefined : await this.#directory.byId(id)
      if (entry) yield entry
    }
  }

  async #idOf(dn: string): Promise<string | undefined> {
    const parsed = parseDn(dn)
    const node = parsed && (await this.#tree.resolve(parsed))
    return node && 'id' in node ? node.id : undefined
  }

  #groupsOf(dn: string): AsyncIterable<Entry> {
    return this.#byIds(this.#tree.groupsOf(dn))
  }

  async *#membersOf(dn: string): AsyncGenerator<Entry> {
    const id = await this.#idOf(dn)
    if (id === undefined) return
    for await (const member of this.#directory.members(id)) {
      const entry = 'id' in member ? await this.#directory.byId(member.id) : undefined
      if (entry) yield entry
    }
  }

  async *#addressed(address: string): AsyncGenerator<Entry> {
    yield* this.#directory.find({ attribute: 'mail', value: address, how: 'equal' })
    yield* this.#directory.find({ attribute: 'maillocaladdress', value: address, how: 'equal' })
    yield* maybe(this.#directory.byName('alias', address))
    yield* maybe(this.#directory.byName('route', address))
  }

  async *#matched(match: string): AsyncGenerator<Entry> {
    yield* maybe(this.#directory.byName('alias', match))
    yield* maybe(this.#directory.byName('route', match))
  }

  #equal(base: string, value: string): Plan | undefined {
    switch (base) {
      case 'entryuuid':
        return { cost: COST.one, entries: () => maybe(this.#directory.byId(value.toLowerCase())) }
      case 'maillocaladdress':
        return { cost: COST.equal, entries: () => this.#addressed(value) }
      case 'iems-match':
        return { cost: COST.one, entries: () => this.#matched(value) }
      case 'iems-name':
        return { cost: COST.one, entries: () => maybe(this.#directory.byName('domain', value)) }
      case 'member':
      case 'uniquemember':
        return { cost: COST.members, entries: () => this.#groupsOf(value) }
      case 'memberof':
        return { cost: COST.members, entries: () => this.#membersOf(value) }
      default:
        return isIndexed(base)
          ? { cost: COST.equal, entries: () => this.#directory.find({ attribute: base, value, how: 'equal' }) }
          : undefined
    }
  }

  plan(filter: Filter): Plan | undefined {
    switch (filter.kind) {
      case 'and': {
        const plans = filter.of.map((filter) => this.plan(filter)).filter((one) => one !== undefined)
        return plans.sort((a, b) => a.cost - b.cost)[0]
      }
      case 'or': {
        const plans = filter.of.map((filter) => this.plan(filter)).filter((one) => one !== undefined)
        if (plans.length < filter.of.length || plans.length === 0) return undefined
        return { cost: Math.max(...plans.map(({ cost }) => cost)), entries: () => inTurn(plans) }
      }
      case 'equal':
      case 'approx': {
        const base = describe(filter.attribute)?.key
        return base === undefined || !isUtf8(filter.value) ? undefined : this.#equal(base, filter.value.toString())
      }
      case 'substrings': {
        const base = describe(filter.attribute)?.key ?? ''
        const { initial } = filter
        if (!isIndexed(base) || !initial || !isUtf8(initial) || initial.toString().trim() === '') return undefined
        const value = initial.toString()
        return { cost: COST.begins, entries: () => this.#directory.find({ attribute: base, value, how: 'begins' }) }
      }
      default:
        return undefined
    }
  }
}

async function* maybe(entry: Promise<Entry | undefined>): AsyncGenerator<Entry> {
  const found = await entry
  if (found) yield found
}

async function* inTurn(plans: readonly Plan[]): AsyncGenerator<Entry> {
  for (const one of plans) yield* one.entries()
}

/** Telephone numbers are compared without spaces, but indexed with them. */
const isIndexed = (base: string): base is Indexed =>
  base !== 'telephonenumber' && (INDEXED as readonly string[]).includes(base)

/** The kinds that a filter can match. */
export function kindsIn(filter: Filter): readonly EntryKind[] {
  if (filter.kind === 'and')
    return filter.of.map(kindsIn).reduce((left, right) => left.filter((kind) => right.includes(kind)), ALL_KINDS)
  if (filter.kind === 'or') {
    const kinds = new Set(filter.of.flatMap(kindsIn))
    return ALL_KINDS.filter((kind) => kinds.has(kind))
  }
  if (filter.kind !== 'equal' || describe(filter.attribute)?.key !== 'objectclass') return ALL_KINDS
  const name = className(filter.value.toString()).toLowerCase()
  return ALL_KINDS.filter(
    (kind) => !LISTED_KINDS.includes(kind) || CLASSES[kind].some((one) => one.toLowerCase() === name),
  )
}
