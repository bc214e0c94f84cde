/**
 * The schema (RFC 4512): which attributes and classes are known, how their values are compared, and how clients read it.
 *
 * What must stay true: an attribute is the same by any of its names; what is not listed here is an attribute all the
 * same, compared as text whose case makes no difference: entries may have any.
 */
import { foldDn, foldText, parseDn } from './protocol/dn.ts'
import { CLASS_LINES, RULE_LINES, TYPES } from './schema-data.ts'

type SyntaxName =
  | 'text'
  | 'exact'
  | 'ia5'
  | 'ia5exact'
  | 'phone'
  | 'postal'
  | 'dn'
  | 'integer'
  | 'boolean'
  | 'time'
  | 'octets'
  | 'jpeg'
  | 'certificate'
  | 'oid'
  | 'uuid'
  | 'numeric'
  | 'printable'
  | 'country'
  | 'delivery'
  | 'guide'
  | 'telex'
  | 'teletex'
  | 'revocations'
  | 'unique'
  | 'classes'
  | 'types'
  | 'rules'
  | 'uses'
  | 'syntaxes'

interface Syntax {
  /** Below 1.3.6.1.4.1.1466.115.121.1, or whole. */
  readonly oid: string
  readonly says: string
  readonly equality?: string
  readonly substrings?: string
  readonly ordering?: string
  /** A value in the form in which it is compared; undefined for what is none. */
  readonly fold?: (value: string) => string | undefined
}

const BELOW = '1.3.6.1.4.1.1466.115.121.1.'

const boolean = (value: string) => (/^(true|false)$/i.test(value) ? value.toUpperCase() : undefined)
const foldName = (value: string) => {
  const dn = parseDn(value)
  return dn && foldDn(dn)
}
/** Numbers as texts that sort as they do. */
function number(value: string): string | undefined {
  if (!/^-?\d{1,200}$/.test(value.trim())) return undefined
  const whole = BigInt(value.trim())
  return whole < 0n ? `-${(10n ** 200n + whole).toString()}` : whole.toString().padStart(201, '0')
}
function time(value: string): string | undefined {
  const [, date, rest = ''] = /^(\d{10,14})(?:[.,]\d+)?(Z|[+-]\d{2,4})?$/.exec(value) ?? []
  return date === undefined || rest === '' ? undefined : date.padEnd(14, '0')
}

const CASE_IGNORE = {
  equality: 'caseIgnoreMatch',
  substrings: 'caseIgnoreSubstringsMatch',
  fold: foldText,
}
/** Definitions are asked for by their OID. */
const FIRST = {
  equality: 'objectIdentifierFirstComponentMatch',
  fold: (value: string) => /^\(\s*(\S{1,200})/.exec(value)?.[1] ?? foldText(value),
}
/** A class is the same by its OID. */
const CLASS_FOLD = (value: string) => foldText(className(value))

const SYNTAXES: Readonly<Record<SyntaxName, Syntax>> = {
  text: { oid: '15', says: 'Directory String', ...CASE_IGNORE },
  exact: {
    oid: '15',
    says: 'Directory String',
    equality: 'caseExactMatch',
    substrings: 'caseExactSubstringsMatch',
    fold: (value) => value.normalize('NFKC').trim().replace(/\s+/g, ' '),
  },
  ia5: {
    oid: '26',
    says: 'IA5 String',
    equality: 'caseIgnoreIA5Match',
    substrings: 'caseIgnoreIA5SubstringsMatch',
    fold: foldText,
  },
  ia5exact: { oid: '26', says: 'IA5 String', equality: 'caseExactIA5Match', fold: (value) => value.trim() },
  phone: {
    oid: '50',
    says: 'Telephone Number',
    equality: 'telephoneNumberMatch',
    substrings: 'telephoneNumberSubstringsMatch',
    fold: (value) => foldText(value).replace(/[ -]/g, ''),
  },
  postal: {
    oid: '41',
    says: 'Postal Address',
    equality: 'caseIgnoreListMatch',
    substrings: 'caseIgnoreListSubstringsMatch',
    fold: foldText,
  },
  dn: { oid: '12', says: 'DN', equality: 'distinguishedNameMatch', fold: foldName },
  integer: { oid: '27', says: 'INTEGER', equality: 'integerMatch', ordering: 'integerOrderingMatch', fold: number },
  boolean: { oid: '7', says: 'Boolean', equality: 'booleanMatch', fold: boolean },
  time: {
    oid: '24',
    says: 'Generalized Time',
    equality: 'generalizedTimeMatch',
    ordering: 'generalizedTimeOrderingMatch',
    fold: time,
  },
  octets: { oid: '40', says: 'Octet String' },
  jpeg: { oid: '28', says: 'JPEG' },
  certificate: { oid: '8', says: 'Certificate' },
  oid: { oid: '38', says: 'OID', equality: 'objectIdentifierMatch', fold: CLASS_FOLD },
  uuid: {
    oid: '1.3.6.1.1.16.1',
    says: 'UUID',
    equality: 'UUIDMatch',
    ordering: 'UUIDOrderingMatch',
    fold: (value) => value.toLowerCase(),
  },
  numeric: {
    oid: '36',
    says: 'Numeric String',
    equality: 'numericStringMatch',
    substrings: 'numericStringSubstringsMatch',
    fold: (value) => value.replace(/ /g, ''),
  },
  printable: { oid: '44', says: 'Printable String', ...CASE_IGNORE },
  country: { oid: '11', says: 'Country String', ...CASE_IGNORE },
  delivery: { oid: '14', says: 'Delivery Method', fold: foldText },
  guide: { oid: '25', says: 'Guide', fold: foldText },
  telex: { oid: '52', says: 'Telex Number', fold: foldText },
  teletex: { oid: '51', says: 'Teletex Terminal Identifier', fold: foldText },
  revocations: { oid: '9', says: 'Certificate List' },
  unique: { oid: '34', says: 'Name And Optional UID', equality: 'uniqueMemberMatch', fold: foldName },
  classes: { oid: '37', says: 'Object Class Description', ...FIRST },
  types: { oid: '3', says: 'Attribute Type Description', ...FIRST },
  rules: { oid: '30', says: 'Matching Rule Description', ...FIRST },
  uses: { oid: '31', says: 'Matching Rule Use Description', ...FIRST },
  syntaxes: { oid: '54', says: 'LDAP Syntax Description', ...FIRST },
}

export interface AttributeType {
  readonly oid: string
  /** The first is the one that answers have. */
  readonly names: readonly string[]
  readonly syntax: SyntaxName
  readonly isSingle: boolean
  /** Shown only to who asks for it. */
  readonly isOperational: boolean
  /** Of the root DSE. */
  readonly isOfServer: boolean
  /** The attribute that this is a kind of. */
  readonly sup?: string
}

interface ObjectClass {
  readonly oid: string
  readonly name: string
  readonly kind: string
  readonly sup: string
  readonly must: readonly string[]
  readonly may: readonly string[]
}

const words = (text = '') =>
  text
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '')
const linesOf = (text: string) => text.trim().split('\n')

const classes: readonly ObjectClass[] = linesOf(CLASS_LINES).map((line) => {
  const [head, must, may] = line.split('|')
  const [oid = '', name = '', kind = '', sup = ''] = words(head)
  return { oid, name, kind, sup: sup === '-' ? '' : sup, must: words(must), may: words(may) }
})

const types: readonly AttributeType[] = linesOf(TYPES).map((line) => {
  const [oid = '', names = '', syntax = 'text', flags = ''] = line.split(' ')
  const all = flags.split(',')
  const sup = all.find((flag) => flag.startsWith('<'))?.slice(1)
  return {
    oid,
    names: names.split(','),
    syntax: syntax as SyntaxName,
    isSingle: all.includes('1'),
    isOperational: all.includes('op') || all.includes('dsa'),
    isOfServer: all.includes('dsa'),
    ...(sup === undefined ? {} : { sup }),
  }
})
const byName = new Map(types.flatMap((type) => [type.oid, ...type.names].map((name) => [name.toLowerCase(), type])))

/** RFC 4512 section 2.5.1: by its base name, an attribute and those that are kinds of it. */
const COVERED = new Map<string, string[]>()
for (const type of types) {
  const base = (type.names[0] as string).toLowerCase()
  for (
    let at: AttributeType | undefined = type;
    at;
    at = at.sup === undefined ? undefined : byName.get(at.sup.toLowerCase())
  ) {
    const above = (at.names[0] as string).toLowerCase()
    COVERED.set(above, [...(COVERED.get(above) ?? []), base])
  }
}

export interface AttributeDescription {
  /** In lower case, without options, by its first name. */
  readonly base: string
  /** The same with the options: what entries keep it under. */
  readonly key: string
  /** As answers have it. */
  readonly shown: string
  readonly type: AttributeType | undefined
  /** Itself and the attributes that are kinds of it, by their base names. */
  readonly covers: readonly string[]
  /** In alphabetical order. */
  readonly options: readonly string[]
}

const DESCRIPTION = /^(?:[a-z][a-z0-9-]{0,63}|\d+(?:\.\d+){1,30})$/
const OPTION = /^[a-z0-9-]{1,40}$/
/** Descriptions that have been made out; clients ask for the same ones again and again. */
const known = new Map<string, AttributeDescription>()
const KNOWN = 2000

/** Undefined for what cannot be the name of an attribute. */
export function describe(text: string): AttributeDescription | undefined {
  const found = known.get(text)
  if (found) return found
  const [given = '', ...options] = text.toLowerCase().split(';')
  if (!DESCRIPTION.test(given) || options.some((option) => !OPTION.test(option))) return undefined
  const type = byName.get(given)
  const first = type?.names[0] ?? given
  // RFC 4522: how a certificate is sent says nothing of where it is.
  const kept = options.filter((option) => option !== 'binary').sort()
  const description = {
    base: first.toLowerCase(),
    key: [first.toLowerCase(), ...kept].join(';'),
    shown: [first, ...options].join(';'),
    type,
    covers: COVERED.get(first.toLowerCase()) ?? [first.toLowerCase()],
    options: kept,
  }
  if (known.size >= KNOWN) known.clear()
  known.set(text, description)
  return description
}

export const isOperational = (base: string): boolean => byName.get(base)?.isOperational === true

/** Kept as base64, since entries hold text. */
export function isBinary(base: string): boolean {
  const syntax = byName.get(base)?.syntax
  return syntax === 'octets' || syntax === 'jpeg' || syntax === 'certificate' || syntax === 'revocations'
}

const syntaxOf = (base: string): Syntax => SYNTAXES[byName.get(base)?.syntax ?? 'text']

/** A value in the form in which it is compared; undefined where that has no meaning. */
export const foldValue = (base: string, value: string): string | undefined => syntaxOf(base).fold?.(value)

/** Part of a value: spaces at its ends count. */
export function foldPart(base: string, part: string): string {
  const folded = syntaxOf(base).fold === SYNTAXES.exact.fold ? part : part.normalize('NFKC').toLowerCase()
  return byName.get(base)?.syntax === 'phone' ? folded.replace(/[ -]/g, '') : folded.replace(/\s+/g, ' ')
}

export const hasSubstrings = (base: string): boolean => syntaxOf(base).substrings !== undefined
/** RFC 4519 gives texts none. */
export const hasOrdering = (base: string): boolean => syntaxOf(base).ordering !== undefined

interface MatchingRule {
  readonly oid: string
  readonly name: string
  /** Of what is asserted. */
  readonly syntax: string
}
const wholeOid = (oid: string) => (oid.includes('.') ? oid : `${BELOW}${oid}`)
const matchingRules: readonly MatchingRule[] = linesOf(RULE_LINES).map((line) => {
  const [oid = '', name = '', syntax = ''] = line.split(' ')
  return { oid, name, syntax: wholeOid(syntax) }
})

/** By name and OID, the syntax by whose equality a rule compares. */
const EQUALITIES = new Map<string, SyntaxName>()
for (const { oid, name } of matchingRules) {
  const [syntax] = Object.entries(SYNTAXES).find(([, { equality }]) => equality === name) ?? []
  for (const called of [oid, name.toLowerCase()]) if (syntax) EQUALITIES.set(called, syntax as SyntaxName)
}

/** How values are compared by a rule; undefined for one that is not known. */
export function foldByRule(rule: string) {
  const name = EQUALITIES.get(rule.toLowerCase())
  return name && SYNTAXES[name].fold
}

/** Whether a rule is for the values of an attribute (RFC 4511 section 4.5.1.7.7), if none is named. */
export function appliesTo(rule: string, base: string): boolean {
  const name = EQUALITIES.get(rule.toLowerCase())
  return name !== undefined && SYNTAXES[name].oid === syntaxOf(base).oid && syntaxOf(base).equality !== undefined
}

// --- classes -------------------------------------------------------------------------------------------

const classByName = new Map(classes.flatMap((one) => [one.oid, one.name.toLowerCase()].map((key) => [key, one])))
/** A class by the name that answers have; itself when it is not known. */
export const className = (text: string): string => classByName.get(text.trim().toLowerCase())?.name ?? text
export const classOf = (text: string): ObjectClass | undefined => classByName.get(text.trim().toLowerCase())

/** A class and those above it, itself first; only itself when it is not known. */
export function lineageOf(text: string): readonly string[] {
  const lineage: string[] = []
  for (let name = className(text); name !== ''; name = classOf(name)?.sup ?? '') lineage.push(name)
  return lineage
}

/** Base names of all that entries of a class have; none for a class that is not known (RFC 4529). */
export function attributesOfClass(text: string): readonly string[] {
  const all = classOf(text)
    ? lineageOf(text).flatMap((name) => [...(classOf(name)?.must ?? []), ...(classOf(name)?.may ?? [])])
    : []
  return all.map((name) => name.toLowerCase())
}

// --- as clients read it ------------------------------------------------------------------------------

const list = (all: readonly string[]) => (all.length === 1 ? all[0] : `( ${all.join(' $ ')} )`)
const quoted = (names: readonly string[]) =>
  names.length === 1 ? `'${names[0]}'` : `( ${names.map((name) => `'${name}'`).join(' ')} )`

function typeText(type: AttributeType): string {
  const { oid, names, syntax: name, isSingle, isOperational, isOfServer, sup } = type
  const syntax = SYNTAXES[name]
  const usage = isOfServer
    ? ' NO-USER-MODIFICATION USAGE dSAOperation'
    : ' NO-USER-MODIFICATION USAGE directoryOperation'
  const parts = [
    sup && ` SUP ${sup}`,
    syntax.equality && ` EQUALITY ${syntax.equality}`,
    syntax.ordering && ` ORDERING ${syntax.ordering}`,
    syntax.substrings && ` SUBSTR ${syntax.substrings}`,
    ` SYNTAX ${wholeOid(syntax.oid)}`,
    isSingle && ' SINGLE-VALUE',
    isOperational && usage,
  ]
  return `( ${oid} NAME ${quoted(names)}${parts.filter((part) => part).join('')} )`
}

function classText({ oid, name, kind, sup, must, may }: ObjectClass): string {
  const parts = [
    sup && `SUP ${sup}`,
    kind,
    must.length > 0 && `MUST ${list(must)}`,
    may.length > 0 && `MAY ${list(may)}`,
  ]
  return `( ${oid} NAME '${name}' ${parts.filter((part) => part).join(' ')} )`
}

const usesOf = ({ oid, name }: MatchingRule): readonly string[] => {
  const applies = types.filter(({ names: [first = ''] }) => appliesTo(name, first.toLowerCase()))
  return applies.length === 0
    ? []
    : [`( ${oid} NAME '${name}' APPLIES ${list(applies.map(({ names }) => names[0] as string))} )`]
}

/** RFC 4512 section 4.2, the attributes of the subschema subentry. */
export const SUBSCHEMA: Readonly<Record<string, readonly string[]>> = {
  objectclasses: classes.map(classText),
  attributetypes: types.map(typeText),
  matchingrules: matchingRules.map(({ oid, name, syntax }) => `( ${oid} NAME '${name}' SYNTAX ${syntax} )`),
  matchingruleuse: matchingRules.flatMap(usesOf),
  ldapsyntaxes: [
    ...new Map(
      [...Object.values(SYNTAXES), { oid: '58', says: 'Substring Assertion' }].map(({ oid, says }) => [
        wholeOid(oid),
        `( ${wholeOid(oid)} DESC '${says}' )`,
      ]),
    ).values(),
  ],
}
