/**
 * Search and compare (RFC 4511 sections 4.5 and 4.10).
 *
 * Invariants: a client sees only the entries and attributes that it may read; long searches yield to mail, and end at
 * their limits of time and examined entries. A response that is kept with an entry's object is as current as the
 * object: the directory hands out another one after each of its changes.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { DirectoryApi } from '../../store/api.ts'
import { type Access, isReadable, type Readable, type Who } from './access.ts'
import { type Candidate, compile, dnsIn, foldDnText, type Memberships, type Predicate } from './matching.ts'
import { kindsIn, Planner } from './plan.ts'
import { type Dn, parseDn } from './protocol/dn.ts'
import { type Filter, type Term, termsOf } from './protocol/filter.ts'
import type { SearchRequest } from './protocol/requests.ts'
import { entryResponse, LdapError } from './protocol/responses.ts'
import { type AttributeDescription, appliesTo, describe, isBinary, isOperational } from './schema.ts'
import { createSelections, type Selection, selects } from './selection.ts'
import { isTop, type Node, type Tree } from './tree.ts'
import {
  type Attributes,
  addOperational,
  attributesOf,
  createLazy,
  hasUniqueMembers,
  LAZY,
  type LazyName,
} from './view.ts'

/** Kept with an entry. */
interface View {
  readonly attributes: Attributes
  readonly hasOptions: boolean
  /** Its last response. */
  drawn?: {
    readonly readable: Readable
    readonly selection: Selection
    readonly typesOnly: boolean
    readonly response: Buffer
  }
}
/** Entries of one search whose views are kept: the directory caches no more. */
const MAX_KEPT = 10_000
/** Octets of the largest response that is kept. */
const MAX_DRAWN = 4096

/** An entry that the client may see. */
export interface Visible {
  readonly node: Node
  readonly readable: Readable
  readonly view: View
  /** Those of the view, and computed ones. */
  attributes: Attributes
}

export interface Searched {
  readonly who: Who
  /** Maximum examined entries. */
  readonly lookedAt: number
  /** Throws when the search must end. */
  check(): void
}

/** Entries examined before yielding. */
const AT_ONCE = 64

/** Searches also yield to each other: one continues per turn of the event loop. */
function createTurns(): () => Promise<void> {
  let last = Promise.resolve()
  return () => {
    last = last.then(() => turn())
    return last
  }
}

export class Searching {
  readonly #directory: DirectoryApi
  readonly #tree: Tree
  readonly #access: Access
  readonly #lazy
  readonly #planner
  readonly #nextTurn = createTurns()
  readonly #views = new WeakMap<Node, View>()
  readonly selectionOf = createSelections()
  readonly #top

  constructor(directory: DirectoryApi, tree: Tree, access: Access) {
    this.#directory = directory
    this.#tree = tree
    this.#access = access
    this.#lazy = createLazy(directory, tree)
    this.#planner = new Planner(directory, tree)
    this.#top = tree.suffix[0] ?? []
  }

  #viewOf(node: Node, isKept: boolean): View {
    const known = isKept ? this.#views.get(node) : undefined
    if (known) return known
    const attributes = attributesOf(node, this.#top)
    const view = { attributes, hasOptions: [...attributes.keys()].some((key) => key.includes(';')) }
    if (isKept) this.#views.set(node, view)
    return view
  }

  #visible(who: Who, node: Node, isKept = true): Visible | undefined {
    const readable = this.#access.readable(who, node)
    if (!readable) return undefined
    const view = this.#viewOf(node, isKept)
    return { node, readable, view, attributes: view.attributes }
  }

  /** The entry with that name, if the client may see it. */
  async find(text: string, who: Who): Promise<Visible> {
    const named = this.#tree.read(text)
    if (!named) throw new LdapError('invalidDnSyntax', 'this is no name')
    const node = named.place && (await this.#tree.nodeAt(named.place))
    const found = node && this.#visible(who, node)
    if (!found) throw new LdapError('noSuchObject', '', await this.#nearestTo(named.dn, who))
    return found
  }

  async #nearestTo(dn: Dn, who: Who): Promise<string> {
    return who.kind === 'anonymous' ? '' : this.#tree.nearest(dn)
  }

  async #load(one: Visible, names: readonly LazyName[]): Promise<void> {
    for (const name of names) {
      if (one.attributes.has(name) || !isReadable(one.readable, name)) continue
      const values = await this.#lazy(one.node, name)
      if (values.length > 0) one.attributes = new Map(one.attributes).set(name, values)
    }
  }

  withOperational(one: Visible): Visible {
    if (one.attributes.has('subschemasubentry')) return one
    const all = new Map(one.attributes)
    addOperational(one.node, all)
    one.attributes = all
    return one
  }

  async #membershipsIn(filter: Filter): Promise<Memberships> {
    const of = async (dns: readonly string[], ask: (id: string) => AsyncIterable<string>) => {
      const found = new Map<string, ReadonlySet<string>>()
      for (const text of dns) {
        const node = await this.#nodeOf(text)
        const folded = foldDnText(text)
        if (folded !== undefined && node && 'id' in node)
          found.set(folded, new Set(await Array.fromAsync(ask(node.id))))
      }
      return found
    }
    const groupsOf = new Map<string, ReadonlySet<string>>()
    for (const text of dnsIn(filter, ['member', 'uniquemember'])) {
      const folded = foldDnText(text)
      if (folded !== undefined) groupsOf.set(folded, new Set(await Array.fromAsync(this.#tree.groupsOf(text))))
    }
    return {
      groupsOf,
      membersOf: await of(dnsIn(filter, ['memberof']), (id) => this.#membersOf(id)),
    }
  }

  async *#membersOf(id: string): AsyncGenerator<string> {
    for await (const member of this.#directory.members(id)) if ('id' in member) yield member.id
  }

  async #nodeOf(text: string): Promise<Node | undefined> {
    const dn = parseDn(text)
    return dn && this.#tree.resolve(dn)
  }

  /** Candidate entries in scope, including the base. */
  async *#inScope(base: Node, { scope, filter }: SearchRequest): AsyncGenerator<Node> {
    if (scope !== 'one') yield base
    if (scope === 'base') return
    const planned = this.#planner.plan(filter)
    if (planned) {
      const seen = new Set<string>()
      for await (const entry of planned.entries()) {
        if (seen.has(entry.id) || ('id' in base && base.id === entry.id) || isTop(entry)) continue
        seen.add(entry.id)
        if (this.#tree.isWithin(entry, base, scope)) yield entry
      }
      // No index covers these.
      if (base.kind === 'suffix') yield* this.#tree.lists()
    } else if (scope === 'one') yield* this.#tree.children(base)
    else if (base.kind === 'suffix') {
      yield* this.#tree.lists()
      for await (const entry of this.#directory.all(kindsIn(filter))) if (!isTop(entry)) yield entry
    } else yield* this.#tree.below(base)
  }

  async *search(request: SearchRequest, { who, lookedAt, check }: Searched): AsyncGenerator<Visible> {
    const { filter } = request
    // Address books without a search base search everything below the root.
    const isAll = request.base.trim() === '' && request.scope === 'sub'
    const base = await this.find(isAll ? this.#tree.suffixText : request.base, who)
    const isMeant = compile(filter, await this.#membershipsIn(filter))
    const terms = termsOf(filter)
    const needed = lazyIn(terms)
    const needsDn = terms.some(hasDnPart)
    const needsOperational = terms.some(isOfOperational)
    let looked = 0
    for await (const node of this.#inScope(base.node, request)) {
      check()
      if (++looked > lookedAt)
        throw new LdapError(
          'adminLimitExceeded',
          'too many entries to look at: ask for less, or by an indexed attribute',
        )
      if (looked % AT_ONCE === 0) await this.#nextTurn()
      const one = this.#visible(who, node, looked <= MAX_KEPT)
      if (!one) continue
      if (needsOperational) this.withOperational(one)
      if (needed.length > 0) await this.#load(one, needed)
      const dn = needsDn ? await this.#tree.dnOf(node) : ''
      if (isMeant(candidateOf(one, dn)) === true) yield one
    }
  }

  async compare(one: Visible, attribute: string, value: Buffer): Promise<boolean> {
    const description = describe(attribute)
    if (!description) throw new LdapError('undefinedAttributeType', 'there is no such attribute')
    const { base } = description
    if (!isReadable(one.readable, base)) throw new LdapError('insufficientAccessRights', 'this cannot be compared')
    const filter: Filter = { kind: 'equal', attribute, value }
    if (isOperational(base)) this.withOperational(one)
    await this.#load(one, lazyIn([{ kind: 'present', attribute }]))
    if (!valuesOf(one, description)?.length) throw new LdapError('noSuchAttribute', 'it has no such attribute')
    const isMeant: Predicate = compile(filter, await this.#membershipsIn(filter))
    return isMeant(candidateOf(one, '')) === true
  }

  /** The response that is kept with the entry, if it is the one that is asked for. */
  known({ view: { drawn }, readable }: Visible, selection: Selection, typesOnly: boolean): Buffer | undefined {
    const isMeant = drawn?.selection === selection && drawn.readable === readable && drawn.typesOnly === typesOnly
    return isMeant ? drawn.response : undefined
  }

  async draw(one: Visible, selection: Selection, typesOnly: boolean): Promise<Buffer> {
    if (selection.operational || [...selection.names].some(isOperational)) this.withOperational(one)
    const wanted = LAZY.filter((name) => selects(selection, name, name))
    await this.#load(one, wanted)
    const shown: [string, readonly (string | Buffer)[]][] = []
    for (const [key, values] of one.attributes) {
      const description = describe(key)
      if (!description || !isReadable(one.readable, description.base)) continue
      if (!selects(selection, key, description.base)) continue
      shown.push([shownName(description), typesOnly ? [] : shownValues(description, values)])
    }
    const { readable, view } = one
    const response = entryResponse(await this.#tree.dnOf(one.node), shown)
    if (response.length <= MAX_DRAWN) view.drawn = { readable, selection, typesOnly, response }
    return response
  }
}

/** Values of an attribute and of its subtypes, by subtype or option (RFC 4512 section 2.5). */
function valuesOf(
  { readable, attributes, view }: Visible,
  { covers, options, key, base, type }: AttributeDescription,
): readonly string[] | undefined {
  // RFC 4511 section 4.5.1.7: an unknown attribute evaluates to undefined, not to false.
  const none = type ? [] : undefined
  if (covers.length === 1 && !view.hasOptions)
    return isReadable(readable, base) ? (attributes.get(key) ?? none) : undefined
  const may = covers.filter((one) => isReadable(readable, one))
  if (may.length === 0) return undefined
  const found: string[] = []
  for (const [name, values] of attributes) {
    const own = describe(name)
    if (own && may.includes(own.base) && options.every((one) => own.options.includes(one))) found.push(...values)
  }
  return found.length > 0 ? found : none
}

function* allOf({ readable, attributes }: Visible): Generator<readonly [string, readonly string[]]> {
  for (const [name, values] of attributes) {
    const base = describe(name)?.base
    if (base !== undefined && isReadable(readable, base)) yield [base, values]
  }
}

const candidateOf = (one: Visible, dn: string): Candidate => ({
  id: 'id' in one.node ? one.node.id : undefined,
  dn,
  values: (description) => valuesOf(one, description),
  all: () => allOf(one),
  memberBase: hasUniqueMembers(one.node) ? 'uniquemember' : 'member',
})

/** RFC 4523: certificates are always sent with ;binary. */
const shownName = ({ shown, type }: AttributeDescription) =>
  type?.syntax === 'certificate' && !shown.endsWith(';binary') ? `${shown};binary` : shown

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

function shownValues({ base }: AttributeDescription, values: readonly string[]): readonly (string | Buffer)[] {
  if (!isBinary(base)) return values
  return values.map((value) => (BASE64.test(value) ? Buffer.from(value, 'base64') : value))
}

const isOfOperational = ({ attribute }: Term) =>
  attribute !== undefined && isOperational(describe(attribute)?.base ?? '')

/** Computed attributes that a filter needs. Equality of members is looked up from the member's side. */
function lazyIn(terms: readonly Term[]): LazyName[] {
  const names = terms.flatMap((term) => {
    if (term.attribute === undefined) return 'rule' in term && term.rule !== undefined ? lazyByRule(term.rule) : []
    const { base = '', covers = [] } = describe(term.attribute) ?? {}
    const isEqual = term.kind === 'equal' || term.kind === 'approx'
    return LAZY.filter((one) => covers.includes(one) && !(isEqual && one === base && BY_ID.includes(one)))
  })
  return [...new Set(names)]
}

const BY_ID: readonly string[] = ['member', 'uniquemember', 'memberof']
const lazyByRule = (rule: string) => LAZY.filter((one) => appliesTo(rule, one))

const hasDnPart = (term: Term) => term.kind === 'extensible' && term.inDn
