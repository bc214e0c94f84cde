/**
 * The schema as clients read it: attributes of the subschema subentry (RFC 4512 section 4.2).
 *
 * It is generated from the lists that also define comparison, so the two cannot differ.
 */
import { type AttributeType, appliesTo, type MatchingRule, matchingRules, types } from './schema.ts'
import { CLASSES_KNOWN, type ObjectClass } from './schema-classes.ts'
import { SYNTAXES, wholeOid } from './syntaxes.ts'

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
  objectclasses: CLASSES_KNOWN.map(classText),
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
