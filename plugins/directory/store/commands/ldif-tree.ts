/**
 * Imports trees of other directories from LDIF: the classes determine an entry's kind, its DN the place.
 *
 * Invariants: attributes without a field are kept; a DN outside the suffix is an error; members are stored by name and
 * resolve once these entries exist.
 */
import { type CommandCall, type CommandOutput, counted } from 'iems'
import { type Change, type DirectoryApi, isRefused, type Member, NAMING, type NewEntry, nameInPath } from '../api.ts'
import { NOT_ALONE } from '../changes.ts'
import { kindOfClasses } from '../classes.ts'
import { escaped, joined, valuesIn } from '../places.ts'
import { ATTRIBUTE_PREFIX } from './attributes.ts'
import { patchOf, type Written } from './fields.ts'
import { type LdifEntry, readLdif } from './ldif.ts'
import { BY } from './naming.ts'

const MAX_ENTRIES = 1_000_000
const MAX_TOLD = 1000
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Attributes that every entry of a kind has implicitly. */
const IMPLIED: Readonly<Record<'account' | 'group' | 'unit' | 'object', readonly string[]>> = {
  account: ['top', 'person', 'organizationalperson', 'inetorgperson', 'inetlocalmailrecipient', 'iems-account'],
  group: ['top', 'groupofnames', 'iems-group'],
  unit: ['top', 'organizationalunit'],
  object: [],
}
/** Operational attributes. */
const OPERATIONAL: ReadonlySet<string> = new Set(
  `contextcsn createtimestamp creatorsname entrycsn entrydn entryuuid hassubordinates memberof modifiersname
  modifytimestamp numsubordinates structuralobjectclass subschemasubentry pwdchangedtime pwdfailuretime
  authtimestamp objectguid objectsid usncreated usnchanged whencreated whenchanged`.split(/\s+/),
)
/** Fields by their attributes. */
const FIELDS: Readonly<Record<string, string>> = {
  mail: 'address',
  maillocaladdress: 'address',
  displayname: 'display-name',
  userpassword: 'password',
  mailroutingaddress: 'forward',
}

export async function* importTree(
  service: DirectoryApi,
  { input, options, signal }: CommandCall,
): AsyncGenerator<CommandOutput> {
  const wrong: CommandOutput[] = []
  let failed = 0
  const fail = (line: number, why: string) => {
    failed++
    if (wrong.length < MAX_TOLD) wrong.push({ text: `line ${line}: ${why}`, value: { line, why } })
  }
  const made: { readonly line: number; readonly change: Change }[] = []
  let count = 0
  let suffix: readonly string[] | undefined = typeof options.suffix === 'string' ? rdnsIn(options.suffix) : undefined
  for await (const entry of readLdif(input)) {
    signal.throwIfAborted()
    if (++count > MAX_ENTRIES) throw new Error(`a file has at most ${MAX_ENTRIES} entries`)
    suffix ??= suffixIn(rdnsIn(entry.dn))
    try {
      made.push({ line: entry.line, change: changeOf(entry, suffix) })
    } catch (cause) {
      fail(entry.line, cause instanceof Error ? cause.message : String(cause))
    }
  }
  yield { progress: `${count} read, writing` }
  const mode = options.each ? 'each' : failed > 0 ? 'check' : 'all'
  const results = await service.change(
    made.map(({ change }) => change),
    BY,
    mode,
  )
  for (const [at, result] of results.entries())
    if (isRefused(result) && result !== NOT_ALONE) fail(made[at]?.line ?? 0, result.why)
  yield* wrong
  if (failed > 0 && !options.each) throw new Error(`${failed} of ${count} entries are wrong: nothing has been changed`)
  yield { text: `${counted(count - failed, 'entry')} added, ${failed} refused`, value: { read: count, failed } }
}

/** RDNs from the entry upwards, with their escapes. */
const rdnsIn = (dn: string): string[] => (dn.match(/(?:\\.|[^\\,])+/gs) ?? []).map((rdn) => rdn.trim())

/** The trailing dc= part of the first DN; without one, the whole DN: the first entry is the root. */
function suffixIn(rdns: readonly string[]): readonly string[] {
  const first = rdns.findIndex((_, at) => rdns.slice(at).every((rdn) => /^dc\s*=/i.test(rdn)))
  return first < 0 ? rdns : rdns.slice(first)
}

const folded = (rdns: readonly string[]) =>
  JSON.stringify(rdns.map((rdn) => valuesIn(rdn).map(([type, value]) => [type, value.toLowerCase()])))

/** RDNs below the suffix; undefined for a DN outside it. */
function below(dn: string, suffix: readonly string[]): string[] | undefined {
  const rdns = rdnsIn(dn)
  const own = rdns.length - suffix.length
  return own >= 0 && folded(rdns.slice(own)) === folded(suffix) ? rdns.slice(0, own) : undefined
}

const pathOf = (rdns: readonly string[]) => rdns.toReversed().reduce((path, rdn) => joined(path, nameInPath(rdn)), '')

function changeOf(entry: LdifEntry, suffix: readonly string[]): Change {
  const rdns = below(entry.dn, suffix)
  if (!rdns) throw new Error(`${entry.dn} is not below ${suffix.join(',')}: name the top of the tree with --suffix`)
  const all = new Map<string, string[]>()
  for (const [name, value] of entry.attributes) all.set(name, [...(all.get(name) ?? []), value])
  const [rdn = '', ...above] = rdns
  const types = valuesIn(rdn)
  const kind =
    rdn === ''
      ? 'object'
      : kindOfClasses({
          classes: all.get('objectclass') ?? [],
          has: (name) => all.has(name) || types.some(([type]) => type === name),
          isUnitName: types.length === 1 && types[0]?.[0] === 'ou',
          hasPassword: all.has('userpassword'),
        })
  const name = nameOf(kind, all, types)
  const { fields } = patchOf(kind, wordsOf(kind, all, name))
  const members = kind === 'group' ? { members: membersOf(all, suffix) } : {}
  const own = { kind, ...fields, ...members, ...placeOf(kind, { rdns, rdn, above, name }) }
  const uuid = all.get('entryuuid')?.[0]?.toLowerCase() ?? ''
  return { add: own as unknown as NewEntry, ...(UUID.test(uuid) ? { id: uuid } : {}) }
}

type Kind = ReturnType<typeof kindOfClasses>

interface Place {
  readonly rdns: readonly string[]
  readonly rdn: string
  readonly above: readonly string[]
  readonly name: string
}

function placeOf(kind: Kind, { rdns, rdn, above, name }: Place): object {
  if (kind === 'unit') return { path: pathOf(rdns) }
  const unit = pathOf(above)
  if (kind === 'object') return { rdn, unit }
  const usual = `${NAMING[kind]}=${escaped(name)}`
  return { name, unit, ...(rdn.toLowerCase() === usual.toLowerCase() ? {} : { rdn }) }
}

/** The name of an account or group. */
function nameOf(kind: Kind, all: ReadonlyMap<string, readonly string[]>, types: ReturnType<typeof valuesIn>): string {
  const inRdn = (type: string) => types.find(([one]) => one === type)?.[1]
  if (kind === 'account')
    return inRdn('uid') ?? all.get('uid')?.[0] ?? all.get('samaccountname')?.[0] ?? inRdn('cn') ?? types[0]?.[1] ?? ''
  return inRdn('cn') ?? all.get('cn')?.[0] ?? types[0]?.[1] ?? ''
}

function wordsOf(kind: Kind, all: ReadonlyMap<string, readonly string[]>, name: string): Written[] {
  const words: Written[] = []
  const add = (field: string, value: string) => void words.push({ name: field, how: '=', value })
  const isImplied = (value: string) => IMPLIED[kind].includes(value.toLowerCase())
  for (const [attribute, values] of all) {
    if (OPERATIONAL.has(attribute)) continue
    if (kind === 'group' && (attribute === 'member' || attribute === 'uniquemember')) continue
    const field = fieldOf(kind, attribute)
    for (const value of new Set(values)) {
      if (attribute === 'objectclass' ? isImplied(value) : attribute === NAMING[kind] && isNameOf(kind, value, name))
        continue
      if (field !== 'address' || !words.some((word) => word.name === field && word.value === value)) add(field, value)
    }
  }
  return words
}

/** A group with another RDN stores its `cn`; otherwise it is derived from the name. */
const isNameOf = (kind: Kind, value: string, name: string) =>
  kind !== 'object' && value.toLowerCase() === name.toLowerCase()

function fieldOf(kind: Kind, attribute: string): string {
  const field = FIELDS[attribute]
  const isField = kind === 'account' ? field !== undefined : kind === 'group' && field === 'address'
  if (isField && field !== undefined) return field
  return attribute.startsWith('iems-') ? attribute.slice('iems-'.length) : `${ATTRIBUTE_PREFIX}${attribute}`
}

function membersOf(all: ReadonlyMap<string, readonly string[]>, suffix: readonly string[]): Member[] {
  const named = [...(all.get('member') ?? []), ...(all.get('uniquemember') ?? [])]
  return named
    .filter((dn) => dn.includes('='))
    .map((dn) => {
      const rdns = below(dn, suffix)
      return rdns && rdns.length > 0 ? { path: pathOf(rdns) } : { dn }
    })
}
