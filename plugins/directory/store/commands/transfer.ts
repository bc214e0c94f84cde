/**
 * Many entries at once, from and to files: tables for people with spreadsheets, LDIF for those with another directory.
 *
 * What must stay true: what is exported can be imported; with all-or-none nothing is changed if anything is wrong, and
 * every line that is wrong is told.
 */
import { type CommandCall, type CommandOutput, counted } from 'iems'
import { type Change, type DirectoryApi, type Entry, type EntryKind, isRefused, NAMING } from '../api.ts'
import { NOT_ALONE } from '../changes.ts'
import { nameOfEntry } from '../entry-view.ts'
import { escaped, pathOf, rdnInPath } from '../places.ts'
import { ATTRIBUTE_PREFIX, attributeOf } from './attributes.ts'
import { readTable, rowOf } from './csv.ts'
import { columnsOf, patchOf, shownFields, unknownColumns, type Written } from './fields.ts'
import { type LdifEntry, ldifOf, namesIn, readLdif } from './ldif.ts'
import { BY, changesOf, nameOfMember, newEntry, whyUnknownDomain } from './naming.ts'

/** Lines that are worked on at a time when each is for itself. */
const CHUNK = 1000
/** Mistakes that are told one by one. */
const TOLD = 1000
/** More would not be one file. */
const MOST = 1_000_000

interface Line {
  readonly line: number
  readonly words: readonly Written[]
}

/** What our fields are called in LDIF; the rest keeps its name, with `iems-` before it. */
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
/** Objects of other directories that are meant. */
const READ_CLASSES: Readonly<Partial<Record<EntryKind, readonly string[]>>> = {
  account: ['inetorgperson', 'organizationalperson', 'person', 'posixaccount', 'user'],
  group: ['groupofnames', 'groupofuniquenames', 'group'],
  unit: ['organizationalunit'],
}

export function createTransfer(service: DirectoryApi, kind: EntryKind) {
  const nameColumn = columnsOf(kind)[0] as string
  const nameAttribute = NAMING[kind]

  async function* importAll({ input, options, signal }: CommandCall): AsyncGenerator<CommandOutput> {
    const wrong: CommandOutput[] = []
    const tell = (line: number, why: string) => {
      if (wrong.length < TOLD) wrong.push({ text: `line ${line}: ${why}`, value: { line, why } })
    }
    let failed = 0
    let made = 0
    let lines: Line[] = []
    let changes: { line: number; change: Change }[] = []

    /** With anything wrong the rest is checked all the same, so that every wrong line is named. */
    async function make(mode: 'all' | 'each'): Promise<void> {
      const results = await service.change(
        changes.map(({ change }) => change),
        BY,
        mode === 'all' && failed > 0 ? 'check' : mode,
      )
      for (const [at, result] of results.entries()) {
        if (!isRefused(result)) made++
        else if (result !== NOT_ALONE) {
          failed++
          tell(changes[at]?.line ?? 0, result.why)
        }
      }
      changes = []
    }

    async function read(): Promise<void> {
      for (const { line, words } of lines) {
        try {
          const of = await changesFor(words, options.update === true)
          for (const change of of) changes.push({ line, change })
          for (const why of await unknownDomains(of)) throw new Error(why)
        } catch (cause) {
          failed++
          tell(line, cause instanceof Error ? cause.message : String(cause))
        }
      }
      lines = []
      if (options.each) await make('each')
    }

    let count = 0
    for await (const line of linesIn(input)) {
      signal.throwIfAborted()
      if (++count > MOST) throw new Error(`a file has at most ${MOST} entries`)
      lines.push(line)
      if (lines.length < CHUNK) continue
      await read()
      yield { progress: `${count} read${options.each ? `, ${made} made` : ''}` }
    }
    await read()
    if (!options.each) {
      yield { progress: `${count} read, writing` }
      await make('all')
    }
    yield* wrong
    if (failed > 0 && !options.each) throw new Error(`${failed} of ${count} are wrong: nothing has been changed`)
    yield { text: `${counted(made, 'change')} made, ${failed} refused`, value: { read: count, made, refused: failed } }
  }

  /** Domains of addresses in a change that are no domains here: mail for them would not arrive. */
  async function unknownDomains(changes: readonly Change[]): Promise<readonly string[]> {
    const fields = changes.map((change) => ('add' in change ? change.add : 'to' in change ? change.to : {}))
    const why = await Promise.all(fields.map((one) => whyUnknownDomain(service, one)))
    return why.filter((one) => one !== undefined)
  }

  async function changesFor(words: readonly Written[], isUpdate: boolean): Promise<Change[]> {
    const name = words.find((word) => word.name === nameColumn)?.value ?? ''
    if (name === '') throw new Error(`there is no ${nameColumn}`)
    const entry = isUpdate ? await service.byName(kind, name) : undefined
    return entry ? changesOf(service, entry, words) : [await newEntry(service, kind, patchOf(kind, words))]
  }

  /** The first character tells: LDIF begins with `dn:`, `version:` or a comment. */
  async function* linesIn(input: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
    const source = input[Symbol.asyncIterator]()
    const first = await source.next()
    if (first.done) return
    const whole = (async function* () {
      yield first.value
      yield* { [Symbol.asyncIterator]: () => source }
    })()
    if (!/^\s*(?:#|dn:|version:)/i.test(Buffer.from(first.value).subarray(0, 200).toString())) {
      for await (const { line, cells } of readTable(whole)) {
        const unknown = unknownColumns(kind, new Set(cells.map(([name]) => name)))
        if (unknown.length > 0) throw new Error(unknown.join('\n'))
        yield {
          line,
          words: cells.flatMap(([name, values]) => values.map((value) => ({ name, how: '=' as const, value }))),
        }
      }
      return
    }
    for await (const entry of readLdif(whole)) {
      const words = wordsOf(entry)
      if (words) yield { line: entry.line, words }
    }
  }

  /** What an object of a directory is as an entry; undefined when another kind is meant. */
  function wordsOf({ dn, attributes }: LdifEntry): Written[] | undefined {
    const classes = attributes.flatMap(([name, value]) => (name === 'objectclass' ? [value.toLowerCase()] : []))
    if (kind === 'object') throw new Error('objects are read from tables here, and from LDIF over LDAP (ldapadd)')
    const meant = READ_CLASSES[kind]
    if (!(meant ? meant.some((one) => classes.includes(one)) : classes.includes(`iems-${kind}`))) return undefined
    const names = namesIn(dn)
    const units = names.slice(1).flatMap(([name, value]) => (name === 'ou' ? [value] : []))
    const unit = units.toReversed().join('/')
    const words: Written[] = []
    const add = (name: string, value: string) => void words.push({ name, how: '=', value })
    const first = (name: string) => attributes.find((one) => one[0] === name)?.[1]
    const own = first(nameAttribute) ?? first('cn') ?? names[0]?.[1] ?? ''
    add(nameColumn, kind === 'unit' ? [...units.toReversed(), own].join('/') : own)
    if (unit !== '' && (kind === 'account' || kind === 'group')) add('unit', unit)
    for (const [name, value] of attributes) {
      if (name === 'objectclass' || name === nameAttribute) continue
      if (name === 'member' || name === 'uniquemember') add('member', namesIn(value)[0]?.[1] ?? value)
      else if (name === 'mail' || name === 'maillocaladdress') {
        if (!words.some((word) => word.name === 'address' && word.value === value)) add('address', value)
      } else if (name === 'displayname') add('display-name', value)
      else if (name === 'userpassword') add('password', value)
      else add(name.startsWith('iems-') ? name.slice(5) : `${ATTRIBUTE_PREFIX}${name}`, value)
    }
    return words
  }

  async function* exportAll({ options }: CommandCall): AsyncGenerator<CommandOutput> {
    const text = options.ldif ? asLdif(await suffixOf(options.suffix)) : asTable()
    for await (const piece of text) yield { bytes: Buffer.from(piece) }
  }

  async function fieldsOf(entry: Entry): Promise<[name: string, values: readonly string[]][]> {
    const fields = shownFields(entry)
    if (entry.kind !== 'group') return fields
    const members: string[] = []
    for await (const member of service.members(entry.id)) members.push(await nameOfMember(service, member))
    return [...fields, ['member', members]]
  }

  async function* asTable(): AsyncGenerator<string> {
    const columns = new Set<string>(columnsOf(kind).filter((name) => name !== 'password'))
    for await (const entry of service.list(kind)) for (const [name] of shownFields(entry)) columns.add(name)
    yield rowOf([...columns].map((name) => [name]))
    for await (const entry of service.list(kind)) {
      const fields = new Map(await fieldsOf(entry))
      yield rowOf([...columns].map((name) => fields.get(name) ?? []))
    }
  }

  async function suffixOf(given: string | true | undefined): Promise<string> {
    if (typeof given === 'string') return given
    for await (const { name } of service.list('domain')) return `dc=${name.split('.').map(escaped).join(',dc=')}`
    return 'dc=example,dc=org'
  }

  async function dnOf(entry: Entry, suffix: string): Promise<string> {
    if (!('attributes' in entry)) return `${nameAttribute}=${escaped(nameOfEntry(entry))},${suffix}`
    const names = pathOf(entry)
      .split('/')
      .filter((name) => name !== '')
    return [...names.toReversed().map(rdnInPath), suffix].join(',')
  }

  async function* asLdif(suffix: string): AsyncGenerator<string> {
    yield 'version: 1\n\n'
    for await (const entry of service.list(kind)) {
      const attributes: [string, string][] = classesOf(entry).map((one) => ['objectClass', one])
      if (kind === 'account') attributes.push(...personAttributes(entry))
      for (const [name, values] of shownFields(entry)) {
        if (name === 'unit' || name === 'rdn' || name === 'objectclass') continue
        const isOurs = columnsOf(kind).includes(name)
        const called =
          name === nameColumn
            ? nameAttribute
            : (LDAP_NAMES[name] ?? (isOurs ? `iems-${name}` : (attributeOf(name) ?? name)))
        for (const value of kind === 'unit' && name === 'path'
          ? [nameOfEntry(entry).split('/').at(-1) as string]
          : values)
          attributes.push([called, value])
      }
      if (entry.kind === 'group')
        for await (const member of service.members(entry.id)) {
          const one = 'id' in member ? await service.byId(member.id) : undefined
          attributes.push(
            one ? ['member', await dnOf(one, suffix)] : ['iems-member', await nameOfMember(service, member)],
          )
        }
      yield ldifOf(await dnOf(entry, suffix), attributes)
    }
  }

  return { import: importAll, export: exportAll }
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
