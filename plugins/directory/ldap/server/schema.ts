/**
 * The schema (RFC 4512): which attributes are known, how their values are compared, and which rules apply to them.
 *
 * What must stay true: an attribute is the same by any of its names; an attribute that is not listed here is one as
 * well, compared as text whose case makes no difference: entries may have any.
 */
import { Cache } from 'iems'
import { linesOf, RULE_LINES, TYPES } from './schema-data.ts'
import { SYNTAXES, type Syntax, type SyntaxName, wholeOid } from './syntaxes.ts'

export { attributesOfClass, className, classOf, lineageOf } from './schema-classes.ts'

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

export const types: readonly AttributeType[] = linesOf(TYPES).map((line) => {
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
function coveredBy(all: readonly AttributeType[]): ReadonlyMap<string, readonly string[]> {
  const covered = new Map<string, string[]>()
  for (const type of all) {
    const base = (type.names[0] as string).toLowerCase()
    for (let at: AttributeType | undefined = type; at; at = byName.get(at.sup?.toLowerCase() ?? '')) {
      const above = (at.names[0] as string).toLowerCase()
      covered.set(above, [...(covered.get(above) ?? []), base])
    }
  }
  return covered
}
const COVERED = coveredBy(types)

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
/** Undefined for what cannot be the name of an attribute. */
function readDescription(text: string): AttributeDescription | undefined {
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
  return description
}

/** How many descriptions are cached; clients ask for the same ones again and again. */
const MAX_CACHED = 2000

/** Undefined for what cannot be the name of an attribute. */
export const describe = cached(readDescription, MAX_CACHED)

/** A pure function that remembers its last answers. */
function cached<T>(read: (text: string) => T | undefined, max: number): (text: string) => T | undefined {
  const known = new Cache<T>({ max })
  return (text) => {
    const found = known.get(text)
    if (found !== undefined) return found
    const made = read(text)
    if (made === undefined) return undefined
    known.set(text, made)
    return made
  }
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

export interface MatchingRule {
  readonly oid: string
  readonly name: string
  /** Of what is asserted. */
  readonly syntax: string
}
export const matchingRules: readonly MatchingRule[] = linesOf(RULE_LINES).map((line) => {
  const [oid = '', name = '', syntax = ''] = line.split(' ')
  return { oid, name, syntax: wholeOid(syntax) }
})

/** By name and OID, the syntax by whose equality a rule compares. */
const EQUALITIES: ReadonlyMap<string, SyntaxName> = new Map(
  matchingRules.flatMap(({ oid, name }) => {
    const [syntax] = Object.entries(SYNTAXES).find(([, { equality }]) => equality === name) ?? []
    return syntax ? [oid, name.toLowerCase()].map((called) => [called, syntax as SyntaxName] as const) : []
  }),
)

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
