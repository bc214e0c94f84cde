/**
 * Bulk import and export: tables for spreadsheets, LDIF for other directories.
 *
 * Invariants: exports can be imported; in all-or-none mode nothing changes if any line is wrong, and every wrong line
 * is reported.
 */
import type { CommandCall, CommandOutput } from 'iems'
import { type Change, type DirectoryApi, type Entry, type EntryKind, NAMING } from '../api.ts'
import { nameOfEntry } from '../entry-view.ts'
import { escaped, pathOf, rdnInPath } from '../places.ts'
import { ATTRIBUTE_PREFIX, attributeOf } from './attributes.ts'
import { readTable, rowOf } from './csv.ts'
import { columnsOf, patchOf, shownFields, unknownColumns, type Written } from './fields.ts'
import { ImportRun, type Line } from './import-run.ts'
import { type LdifEntry, ldifOf, namesIn, readLdif } from './ldif.ts'
import { changesOf, nameOfMember, newEntry, whyUnknownDomain } from './naming.ts'

/** Names of fields in LDIF; others get the prefix `iems-`. */
const LDAP_NAMES: Readonly<Record<string, string>> = {
  address: 'mail',
  'display-name': 'displayName',
  member: 'member',
  password: 'userPassword',
}
const CLASSES: Readonly<Partial<Record<EntryKind, readonly string[]>>> = {
  account: ['top', 'person', 'organizationalPerson', 'inetOrgPerson'],
  group: ['top', 'groupOfNames'],
  unit: ['top', 'organizationalUnit'],
}
/** Object classes of other directories for each kind. */
const READ_CLASSES: Readonly<Partial<Record<EntryKind, readonly string[]>>> = {
  account: ['inetorgperson', 'organizationalperson', 'person', 'posixaccount', 'user'],
  group: ['groupofnames', 'groupofuniquenames', 'group'],
  unit: ['organizationalunit'],
}

export class Transfer {
  readonly #service: DirectoryApi
  readonly #kind: EntryKind
  readonly #nameColumn
  readonly #nameAttribute

  constructor(service: DirectoryApi, kind: EntryKind) {
    this.#service = service
    this.#kind = kind
    this.#nameColumn = columnsOf(kind)[0] as string
    this.#nameAttribute = NAMING[kind]
  }

  import(call: CommandCall): AsyncGenerator<CommandOutput> {
    return new ImportRun(this.#service, this, call).run()
  }

  /** Domains of new addresses that do not exist in the directory: mail for them would not arrive. */
  async unknownDomains(changes: readonly Change[]): Promise<readonly string[]> {
    const fields = changes.map((change) => ('add' in change ? change.add : 'to' in change ? change.to : {}))
    const why = await Promise.all(fields.map((one) => whyUnknownDomain(this.#service, one)))
    return why.filter((one) => one !== undefined)
  }

  async changesFor(words: readonly Written[], isUpdate: boolean): Promise<Change[]> {
    const name = words.find((word) => word.name === this.#nameColumn)?.value ?? ''
    if (name === '') throw new Error(`there is no ${this.#nameColumn}`)
    const entry = isUpdate ? await this.#service.byName(this.#kind, name) : undefined
    return entry
      ? changesOf(this.#service, entry, words)
      : [await newEntry(this.#service, this.#kind, patchOf(this.#kind, words))]
  }

  /** Detects the format: LDIF begins with `dn:`, `version:` or a comment. */
  async *linesIn(input: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
    const source = input[Symbol.asyncIterator]()
    const first = await source.next()
    if (first.done) return
    const whole = (async function* () {
      yield first.value
      yield* { [Symbol.asyncIterator]: () => source }
    })()
    if (!/^\s*(?:#|dn:|version:)/i.test(Buffer.from(first.value).subarray(0, 200).toString())) {
      for await (const { line, cells } of readTable(whole)) {
        const unknown = unknownColumns(this.#kind, new Set(cells.map(([name]) => name)))
        if (unknown.length > 0) throw new Error(unknown.join('\n'))
        yield {
          line,
          words: cells.flatMap(([name, values]) => values.map((value) => ({ name, how: '=' as const, value }))),
        }
      }
      return
    }
    for await (const entry of readLdif(whole)) {
      const words = this.#wordsOf(entry)
      if (words) yield { line: entry.line, words }
    }
  }

  /** Converts an object of another directory to an entry; undefined for another kind. */
  #wordsOf({ dn, attributes }: LdifEntry): Written[] | undefined {
    const classes = attributes.flatMap(([name, value]) => (name === 'objectclass' ? [value.toLowerCase()] : []))
    if (this.#kind === 'object') throw new Error('objects are read from tables here, and from LDIF over LDAP (ldapadd)')
    const meant = READ_CLASSES[this.#kind]
    if (!(meant ? meant.some((one) => classes.includes(one)) : classes.includes(`iems-${this.#kind}`))) return undefined
    const names = namesIn(dn)
    const units = names.slice(1).flatMap(([name, value]) => (name === 'ou' ? [value] : []))
    const unit = units.toReversed().join('/')
    const words: Written[] = []
    const add = (name: string, value: string) => void words.push({ name, how: '=', value })
    const first = (name: string) => attributes.find((one) => one[0] === name)?.[1]
    const own = first(this.#nameAttribute) ?? first('cn') ?? names[0]?.[1] ?? ''
    add(this.#nameColumn, this.#kind === 'unit' ? [...units.toReversed(), own].join('/') : own)
    if (unit !== '' && (this.#kind === 'account' || this.#kind === 'group')) add('unit', unit)
    for (const [name, value] of attributes) {
      if (name === 'objectclass' || name === this.#nameAttribute) continue
      if (name === 'member' || name === 'uniquemember') add('member', namesIn(value)[0]?.[1] ?? value)
      else if (name === 'mail' || name === 'maillocaladdress') {
        if (!words.some((word) => word.name === 'address' && word.value === value)) add('address', value)
      } else if (name === 'displayname') add('display-name', value)
      else if (name === 'userpassword') add('password', value)
      else add(name.startsWith('iems-') ? name.slice(5) : `${ATTRIBUTE_PREFIX}${name}`, value)
    }
    return words
  }

  async *export({ options }: CommandCall): AsyncGenerator<CommandOutput> {
    const text = options.ldif ? this.#asLdif(await this.#suffixOf(options.suffix)) : this.#asTable()
    for await (const piece of text) yield { bytes: Buffer.from(piece) }
  }

  async #fieldsOf(entry: Entry): Promise<[name: string, values: readonly string[]][]> {
    const fields = shownFields(entry)
    if (entry.kind !== 'group') return fields
    const members: string[] = []
    for await (const member of this.#service.members(entry.id)) members.push(await nameOfMember(this.#service, member))
    return [...fields, ['member', members]]
  }

  async *#asTable(): AsyncGenerator<string> {
    const columns = new Set<string>(columnsOf(this.#kind).filter((name) => name !== 'password'))
    for await (const entry of this.#service.list(this.#kind)) for (const [name] of shownFields(entry)) columns.add(name)
    yield rowOf([...columns].map((name) => [name]))
    for await (const entry of this.#service.list(this.#kind)) {
      const fields = new Map(await this.#fieldsOf(entry))
      yield rowOf([...columns].map((name) => fields.get(name) ?? []))
    }
  }

  async #suffixOf(given: string | true | undefined): Promise<string> {
    if (typeof given === 'string') return given
    for await (const { name } of this.#service.list('domain')) return `dc=${name.split('.').map(escaped).join(',dc=')}`
    return 'dc=example,dc=org'
  }

  async #dnOf(entry: Entry, suffix: string): Promise<string> {
    if (!('attributes' in entry)) return `${this.#nameAttribute}=${escaped(nameOfEntry(entry))},${suffix}`
    const names = pathOf(entry)
      .split('/')
      .filter((name) => name !== '')
    return [...names.toReversed().map(rdnInPath), suffix].join(',')
  }

  async *#asLdif(suffix: string): AsyncGenerator<string> {
    yield 'version: 1\n\n'
    for await (const entry of this.#service.list(this.#kind)) {
      const attributes: [string, string][] = classesOf(entry).map((one) => ['objectClass', one])
      if (this.#kind === 'account') attributes.push(...personAttributes(entry))
      for (const [name, values] of shownFields(entry)) {
        if (name === 'unit' || name === 'rdn' || name === 'objectclass') continue
        const isOurs = columnsOf(this.#kind).includes(name)
        const called =
          name === this.#nameColumn
            ? this.#nameAttribute
            : (LDAP_NAMES[name] ?? (isOurs ? `iems-${name}` : (attributeOf(name) ?? name)))
        for (const value of this.#kind === 'unit' && name === 'path'
          ? [nameOfEntry(entry).split('/').at(-1) as string]
          : values)
          attributes.push([called, value])
      }
      if (entry.kind === 'group')
        for await (const member of this.#service.members(entry.id)) {
          const one = 'id' in member ? await this.#service.byId(member.id) : undefined
          attributes.push(
            one
              ? ['member', await this.#dnOf(one, suffix)]
              : ['iems-member', await nameOfMember(this.#service, member)],
          )
        }
      yield ldifOf(await this.#dnOf(entry, suffix), attributes)
    }
  }
}

const classesOf = (entry: Entry): readonly string[] => [
  ...(CLASSES[entry.kind] ?? (entry.kind === 'object' ? [] : ['top', `iems-${entry.kind}`])),
  ...(('attributes' in entry && entry.attributes.objectclass) || []),
]

/** RFC 4519: a person has cn and sn. */
function personAttributes(entry: Entry): [string, string][] {
  if (entry.kind !== 'account') return []
  const { attributes, displayName = entry.name } = entry
  const must: [string, string][] = []
  if (!attributes.cn?.length) must.push(['cn', displayName])
  if (!attributes.sn?.length) must.push(['sn', displayName.split(' ').at(-1) as string])
  return must
}
