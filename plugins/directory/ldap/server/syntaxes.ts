/**
 * The syntaxes of attribute values (RFC 4517): comparison and published definitions.
 *
 * Invariants: two values are equal exactly when their folded forms are; an invalid value has no folded form.
 */
import { foldDn, foldText, parseDn } from './protocol/dn.ts'
import { className } from './schema-classes.ts'

export type SyntaxName =
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

export interface Syntax {
  /** Below 1.3.6.1.4.1.1466.115.121.1, or complete. */
  readonly oid: string
  readonly says: string
  readonly equality?: string
  readonly substrings?: string
  readonly ordering?: string
  /** Folds a value for comparison; undefined for an invalid one. */
  readonly fold?: (value: string) => string | undefined
}

const BELOW = '1.3.6.1.4.1.1466.115.121.1.'

const boolean = (value: string) => (/^(true|false)$/i.test(value) ? value.toUpperCase() : undefined)
const foldName = (value: string) => {
  const dn = parseDn(value)
  return dn && foldDn(dn)
}
/** Numbers as text with the same order. */
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
/** Definitions are compared by OID. */
const FIRST = {
  equality: 'objectIdentifierFirstComponentMatch',
  fold: (value: string) => /^\(\s*(\S{1,200})/.exec(value)?.[1] ?? foldText(value),
}
/** A class is also found by its OID. */
const CLASS_FOLD = (value: string) => foldText(className(value))

export const SYNTAXES: Readonly<Record<SyntaxName, Syntax>> = {
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

/** A complete OID. */
export const wholeOid = (oid: string) => (oid.includes('.') ? oid : `${BELOW}${oid}`)
