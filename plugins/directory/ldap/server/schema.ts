/**
 * The schema (RFC 4512): known attributes, their comparison, and the matching rules.
 *
 * Invariants: an attribute is found by any of its names; an unlisted attribute is compared as case-insensitive text,
 * because entries may have any.
 */
import { Cache } from 'iems'
import { linesOf, RULE_LINES, TYPES } from './schema-data.ts'
import { SYNTAXES, type Syntax, type SyntaxName, wholeOid } from './syntaxes.ts'

export { attributesOfClass, className, classOf, lineageOf } from './schema-classes.ts'

export interface AttributeType {
  readonly oid: string
  /** The first is used in responses. */
  readonly names: readonly string[]
  readonly syntax: SyntaxName
  readonly isSingle: boolean
  /** Returned only on request. */
  readonly isOperational: boolean
  /** An attribute of the root DSE. */
  readonly isOfServer: boolean
  /** The supertype. */
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

/** RFC 4512 section 2.5.1: an attribute and its subtypes, by base name. */
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
  /** With options: the key under which entries store it. */
  readonly key: string
  /** As in responses. */
  readonly shown: string
  readonly type: AttributeType | undefined
  /** The attribute and its subtypes, by base name. */
  readonly covers: readonly string[]
  /** In alphabetical order. */
  readonly options: readonly string[]
}

const DESCRIPTION = /^(?:[a-z][a-z0-9-]{0,63}|\d+(?:\.\d+){1,30})$/
const OPTION = /^[a-z0-9-]{1,40}$/
/** Undefined for an invalid attribute description. */
function readDescription(text: string): AttributeDescription | undefined {
  const [given = '', ...options] = text.toLowerCase().split(';')
  if (!DESCRIPTION.test(given) || options.some((option) => !OPTION.test(option))) return undefined
  const type = byName.get(given)
  const first = type?.names[0] ?? given
  // RFC 4522: `binary` selects an encoding, not a different attribute.
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

/** Maximum cached descriptions; clients repeat them. */
const MAX_CACHED = 2000

const cachedDescription = cached(readDescription, MAX_CACHED)
/** Of the schema's own names, in lower case and as they are shown. */
const DESCRIBED = new Map(
  types
    .flatMap(({ names }) => names.flatMap((name) => [name, name.toLowerCase()]))
    .map((name) => [name, readDescription(name)]),
)

/** Undefined for an invalid attribute description. */
export const describe = (text: string): AttributeDescription | undefined =>
  DESCRIBED.get(text) ?? cachedDescription(text)

/** Caches the results of a pure function. */
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

/** Stored as base64, because entries hold text. */
export function isBinary(base: string): boolean {
  const syntax = byName.get(base)?.syntax
  return syntax === 'octets' || syntax === 'jpeg' || syntax === 'certificate' || syntax === 'revocations'
}

const syntaxOf = (base: string): Syntax => SYNTAXES[byName.get(base)?.syntax ?? 'text']

/** Folds a value for comparison; undefined when the syntax does not allow it. */
export const foldValue = (base: string, value: string): string | undefined => syntaxOf(base).fold?.(value)

/** Folds a part of a value, whose outer spaces count. */
export function foldPart(base: string, part: string): string {
  const folded = syntaxOf(base).fold === SYNTAXES.exact.fold ? part : part.normalize('NFKC').toLowerCase()
  return byName.get(base)?.syntax === 'phone' ? folded.replace(/[ -]/g, '') : folded.replace(/\s+/g, ' ')
}

export const hasSubstrings = (base: string): boolean => syntaxOf(base).substrings !== undefined
/** RFC 4519 defines no ordering for text. */
export const hasOrdering = (base: string): boolean => syntaxOf(base).ordering !== undefined

export interface MatchingRule {
  readonly oid: string
  readonly name: string
  /** Assertion syntax. */
  readonly syntax: string
}
export const matchingRules: readonly MatchingRule[] = linesOf(RULE_LINES).map((line) => {
  const [oid = '', name = '', syntax = ''] = line.split(' ')
  return { oid, name, syntax: wholeOid(syntax) }
})

/** The syntax whose equality a rule uses, by name and OID. */
const EQUALITIES: ReadonlyMap<string, SyntaxName> = new Map(
  matchingRules.flatMap(({ oid, name }) => {
    const [syntax] = Object.entries(SYNTAXES).find(([, { equality }]) => equality === name) ?? []
    return syntax ? [oid, name.toLowerCase()].map((called) => [called, syntax as SyntaxName] as const) : []
  }),
)

/** The folding function of a rule; undefined for an unknown rule. */
export function foldByRule(rule: string) {
  const name = EQUALITIES.get(rule.toLowerCase())
  return name && SYNTAXES[name].fold
}

/** Whether a rule applies to an attribute (RFC 4511 section 4.5.1.7.7) when the filter names none. */
export function appliesTo(rule: string, base: string): boolean {
  const name = EQUALITIES.get(rule.toLowerCase())
  return name !== undefined && SYNTAXES[name].oid === syntaxOf(base).oid && syntaxOf(base).equality !== undefined
}
