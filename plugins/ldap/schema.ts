/**
 * The schema (RFC 4512): which attributes and classes are known, how their values are compared, and how clients read it.
 *
 * What must stay true: an attribute is the same by any of its names; what is not listed here is an attribute all the
 * same, compared as text whose case makes no difference: entries may have any.
 */
import { foldDn, foldText, parseDn } from './protocol/dn.ts'

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
  oid: { oid: '38', says: 'OID', equality: 'objectIdentifierMatch', fold: foldText },
  uuid: {
    oid: '1.3.6.1.1.16.1',
    says: 'UUID',
    equality: 'UUIDMatch',
    ordering: 'UUIDOrderingMatch',
    fold: (value) => value.toLowerCase(),
  },
}

export interface AttributeType {
  readonly oid: string
  /** The first is the one that answers have. */
  readonly names: readonly string[]
  readonly syntax: SyntaxName
  readonly isSingle: boolean
  /** Shown only to who asks for it. */
  readonly isOperational: boolean
}

/** UUID-based OIDs (X.667) for what is our own. */
const OURS = '2.25.210284376310183917403716295126302611337'

/** OID, names, syntax, and `1` for one value, `op` for operational. */
const TYPES = `
2.5.4.0 objectClass oid
2.5.4.3 cn,commonName text
2.5.4.4 sn,surname text
2.5.4.5 serialNumber text
2.5.4.6 c,countryName text 1
2.5.4.7 l,localityName text
2.5.4.8 st,stateOrProvinceName text
2.5.4.9 street,streetAddress text
2.5.4.10 o,organizationName text
2.5.4.11 ou,organizationalUnitName text
2.5.4.12 title text
2.5.4.13 description text
2.5.4.15 businessCategory text
2.5.4.16 postalAddress postal
2.5.4.17 postalCode text
2.5.4.18 postOfficeBox text
2.5.4.19 physicalDeliveryOfficeName text
2.5.4.20 telephoneNumber phone
2.5.4.23 facsimileTelephoneNumber,fax phone
2.5.4.31 member dn
2.5.4.34 seeAlso dn
2.5.4.35 userPassword octets
2.5.4.36 userCertificate certificate
2.5.4.41 name text
2.5.4.42 givenName,gn text
2.5.4.43 initials text
2.5.4.44 generationQualifier text
2.5.4.45 x500UniqueIdentifier octets
2.5.4.50 uniqueMember dn
0.9.2342.19200300.100.1.1 uid,userid text
0.9.2342.19200300.100.1.3 mail,rfc822Mailbox ia5
0.9.2342.19200300.100.1.4 info text
0.9.2342.19200300.100.1.6 roomNumber text
0.9.2342.19200300.100.1.7 photo octets
0.9.2342.19200300.100.1.10 manager dn
0.9.2342.19200300.100.1.20 homePhone,homeTelephoneNumber phone
0.9.2342.19200300.100.1.21 secretary dn
0.9.2342.19200300.100.1.25 dc,domainComponent ia5 1
0.9.2342.19200300.100.1.37 associatedDomain ia5
0.9.2342.19200300.100.1.39 homePostalAddress postal
0.9.2342.19200300.100.1.41 mobile,mobileTelephoneNumber phone
0.9.2342.19200300.100.1.42 pager,pagerTelephoneNumber phone
0.9.2342.19200300.100.1.43 co,friendlyCountryName text
0.9.2342.19200300.100.1.55 audio octets
0.9.2342.19200300.100.1.60 jpegPhoto jpeg
1.3.6.1.4.1.250.1.57 labeledURI exact
2.16.840.1.113730.3.1.1 carLicense text
2.16.840.1.113730.3.1.2 departmentNumber text
2.16.840.1.113730.3.1.3 employeeNumber text 1
2.16.840.1.113730.3.1.4 employeeType text
2.16.840.1.113730.3.1.13 mailLocalAddress ia5
2.16.840.1.113730.3.1.18 mailHost ia5 1
2.16.840.1.113730.3.1.39 preferredLanguage text 1
2.16.840.1.113730.3.1.40 userSMIMECertificate octets
2.16.840.1.113730.3.1.47 mailRoutingAddress ia5
2.16.840.1.113730.3.1.216 userPKCS12 octets
2.16.840.1.113730.3.1.241 displayName text 1
1.3.6.1.4.1.42.2.27.2.1.15 rfc822MailMember ia5
1.3.6.1.1.1.1.0 uidNumber integer 1
1.3.6.1.1.1.1.1 gidNumber integer 1
1.3.6.1.1.1.1.2 gecos ia5 1
1.3.6.1.1.1.1.3 homeDirectory ia5exact 1
1.3.6.1.1.1.1.4 loginShell ia5exact 1
${OURS}.1 iems-quota integer 1
${OURS}.2 iems-status text 1
${OURS}.3 iems-forward-keep boolean 1
${OURS}.4 iems-route text 1
${OURS}.5 iems-role text
${OURS}.6 iems-may-relay boolean 1
${OURS}.7 iems-send-as ia5
${OURS}.8 iems-senders text 1
${OURS}.9 iems-match ia5 1
${OURS}.10 iems-target ia5
${OURS}.11 iems-name ia5 1
${OURS}.12 iems-alias-of ia5 1
${OURS}.13 iems-catch-all ia5 1
${OURS}.14 iems-list text 1
2.5.18.1 createTimestamp time 1,op
2.5.18.2 modifyTimestamp time 1,op
2.5.18.9 hasSubordinates boolean 1,op
2.5.18.10 subschemaSubentry dn 1,op
2.5.21.9 structuralObjectClass oid 1,op
1.3.6.1.1.16.4 entryUUID uuid 1,op
1.3.6.1.1.20 entryDN dn 1,op
1.2.840.113556.1.2.102 memberOf dn op
`

/** Names, OID, kind, superior class, what must and what may be. */
const CLASSES: readonly (readonly [oid: string, name: string, kind: string, sup: string, must: string, may: string])[] =
  [
    ['2.5.6.0', 'top', 'ABSTRACT', '', 'objectClass', ''],
    ['2.5.6.2', 'country', 'STRUCTURAL', 'top', 'c', 'description'],
    ['2.5.6.3', 'locality', 'STRUCTURAL', 'top', '', 'street seeAlso st l description'],
    ['2.5.6.4', 'organization', 'STRUCTURAL', 'top', 'o', 'description telephoneNumber l st street postalAddress'],
    [
      '2.5.6.5',
      'organizationalUnit',
      'STRUCTURAL',
      'top',
      'ou',
      'description telephoneNumber l st street postalAddress postalCode businessCategory facsimileTelephoneNumber',
    ],
    ['2.5.6.6', 'person', 'STRUCTURAL', 'top', 'sn cn', 'userPassword telephoneNumber seeAlso description'],
    [
      '2.5.6.7',
      'organizationalPerson',
      'STRUCTURAL',
      'person',
      '',
      'title facsimileTelephoneNumber street postOfficeBox postalCode postalAddress physicalDeliveryOfficeName ou st l',
    ],
    ['2.5.6.9', 'groupOfNames', 'STRUCTURAL', 'top', 'cn', 'member businessCategory seeAlso ou o description'],
    [
      '2.16.840.1.113730.3.2.2',
      'inetOrgPerson',
      'STRUCTURAL',
      'organizationalPerson',
      '',
      'audio businessCategory carLicense departmentNumber displayName employeeNumber employeeType givenName homePhone homePostalAddress initials jpegPhoto labeledURI mail manager mobile o pager photo roomNumber secretary uid userCertificate x500UniqueIdentifier preferredLanguage userSMIMECertificate userPKCS12',
    ],
    [
      '2.16.840.1.113730.3.2.147',
      'inetLocalMailRecipient',
      'AUXILIARY',
      'top',
      '',
      'mailLocalAddress mailHost mailRoutingAddress',
    ],
    ['0.9.2342.19200300.100.4.13', 'domain', 'STRUCTURAL', 'top', 'dc', 'description o'],
    [
      '1.3.6.1.1.1.2.0',
      'posixAccount',
      'AUXILIARY',
      'top',
      'cn uid uidNumber gidNumber homeDirectory',
      'userPassword loginShell gecos description',
    ],
    [
      `${OURS}.101`,
      'iems-account',
      'AUXILIARY',
      'top',
      '',
      'iems-quota iems-status iems-forward-keep iems-route iems-role iems-may-relay iems-send-as',
    ],
    [`${OURS}.102`, 'iems-group', 'AUXILIARY', 'top', '', 'mail rfc822MailMember iems-senders'],
    [`${OURS}.103`, 'iems-domain', 'STRUCTURAL', 'top', 'iems-name', 'iems-alias-of iems-catch-all'],
    [`${OURS}.104`, 'iems-alias', 'STRUCTURAL', 'top', 'iems-match $ iems-target', ''],
    [`${OURS}.105`, 'iems-route', 'STRUCTURAL', 'top', 'iems-match $ iems-route', ''],
    [`${OURS}.106`, 'iems-container', 'STRUCTURAL', 'top', 'iems-list', ''],
  ]

const types: readonly AttributeType[] = TYPES.trim()
  .split('\n')
  .map((line) => {
    const [oid = '', names = '', syntax = 'text', flags = ''] = line.split(' ')
    return {
      oid,
      names: names.split(','),
      syntax: syntax as SyntaxName,
      isSingle: flags.includes('1'),
      isOperational: flags.includes('op'),
    }
  })
const byName = new Map(types.flatMap((type) => [type.oid, ...type.names].map((name) => [name.toLowerCase(), type])))

export interface AttributeDescription {
  /** In lower case, without options, by its first name. */
  readonly base: string
  /** The same with the options: what entries keep it under. */
  readonly key: string
  /** As answers have it. */
  readonly shown: string
  readonly type: AttributeType | undefined
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
  }
  if (known.size >= KNOWN) known.clear()
  known.set(text, description)
  return description
}

export const isOperational = (base: string): boolean => byName.get(base)?.isOperational === true

/** Kept as base64, since entries hold text. */
export function isBinary(base: string): boolean {
  const syntax = byName.get(base)?.syntax
  return syntax === 'octets' || syntax === 'jpeg' || syntax === 'certificate'
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

/** Rules that clients name (RFC 4517), by what they do. */
const RULES: Readonly<Record<string, SyntaxName>> = {
  caseignorematch: 'text',
  '2.5.13.2': 'text',
  caseexactmatch: 'exact',
  '2.5.13.5': 'exact',
  caseignoreia5match: 'text',
  '1.3.6.1.4.1.1466.109.114.2': 'text',
  caseexactia5match: 'exact',
  '1.3.6.1.4.1.1466.109.114.1': 'exact',
  distinguishednamematch: 'dn',
  '2.5.13.1': 'dn',
  integermatch: 'integer',
  '2.5.13.14': 'integer',
  booleanmatch: 'boolean',
  '2.5.13.13': 'boolean',
  telephonenumbermatch: 'phone',
  '2.5.13.20': 'phone',
  objectidentifiermatch: 'oid',
  '2.5.13.0': 'oid',
}
/** How values are compared by a rule; undefined for one that is not known. */
export const foldByRule = (rule: string) => {
  const name = RULES[rule.toLowerCase()]
  return name && SYNTAXES[name].fold
}

// --- as clients read it ------------------------------------------------------------------------------

const OPERATIONAL = ' NO-USER-MODIFICATION USAGE directoryOperation'
const list = (names: string) => {
  const all = names.split(/[ $]+/).filter((name) => name !== '')
  return all.length === 1 ? all[0] : `( ${all.join(' $ ')} )`
}
const quoted = (names: readonly string[]) =>
  names.length === 1 ? `'${names[0]}'` : `( ${names.map((name) => `'${name}'`).join(' ')} )`
const syntaxOid = ({ oid }: Syntax) => (oid.includes('.') ? oid : `${BELOW}${oid}`)

function typeText({ oid, names, syntax: name, isSingle, isOperational }: AttributeType): string {
  const syntax = SYNTAXES[name]
  const rules = [
    syntax.equality && ` EQUALITY ${syntax.equality}`,
    syntax.ordering && ` ORDERING ${syntax.ordering}`,
    syntax.substrings && ` SUBSTR ${syntax.substrings}`,
  ].join('')
  return `( ${oid} NAME ${quoted(names)}${rules} SYNTAX ${syntaxOid(syntax)}${isSingle ? ' SINGLE-VALUE' : ''}${isOperational ? OPERATIONAL : ''} )`
}

function classText([oid, name, kind, sup, must, may]: (typeof CLASSES)[number]): string {
  const parts = [sup && `SUP ${sup}`, kind, must && `MUST ${list(must)}`, may && `MAY ${list(may)}`]
  return `( ${oid} NAME '${name}' ${parts.filter((part) => part !== '').join(' ')} )`
}

/** RFC 4512 section 4.2, the attributes of the subschema subentry. */
export const SUBSCHEMA: Readonly<Record<string, readonly string[]>> = {
  objectclasses: CLASSES.map(classText),
  attributetypes: types.map(typeText),
  ldapsyntaxes: [
    ...new Map(Object.values(SYNTAXES).map((one) => [syntaxOid(one), `( ${syntaxOid(one)} DESC '${one.says}' )`])),
  ].map(([, text]) => text),
}

const CLASS_NAMES = new Map(CLASSES.flatMap(([oid, name]) => [oid, name.toLowerCase()].map((key) => [key, name])))
/** A class by the name that answers have; itself when it is not known. */
export const className = (text: string): string => CLASS_NAMES.get(text.toLowerCase()) ?? text
