/**
 * Attribute names in commands and tables: those of common LDAP classes directly, others with the prefix `attr:`.
 *
 * Invariants: a misspelt field is an error that suggests the nearest field, never an attribute.
 */

/** Prefix of attributes outside the common classes. */
export const ATTRIBUTE_PREFIX = 'attr:'

/** RFC 4519, RFC 2798, RFC 4524, RFC 2307 and Active Directory's additions for people, in lower case. */
const USUAL = new Set(
  `businesscategory c carlicense cn co company description department departmentnumber destinationindicator
  employeenumber employeetype facsimiletelephonenumber gecos generationqualifier gidnumber givenname homedirectory
  homephone homepostaladdress info initials internationalisdnnumber ipphone jpegphoto l labeleduri localityname
  loginshell manager mobile o organizationname ou owner pager personaltitle photo physicaldeliveryofficename
  postaladdress postalcode postofficebox preferreddeliverymethod preferredlanguage registeredaddress roomnumber
  secretary seealso serialnumber sn st street telephonenumber teletexterminalidentifier telexnumber thumbnailphoto title
  uidnumber usercertificate usersmimecertificate userpkcs12 x121address x500uniqueidentifier`.split(/\s+/),
)

/** Fields by their LDAP attribute names. */
const FIELD_OF: Readonly<Record<string, string>> = {
  mail: 'address',
  displayname: 'display-name',
  userpassword: 'password',
  uid: 'name',
}

/** The attribute that a word names, in lower case; undefined for an uncommon name without the prefix. */
export function attributeOf(name: string): string | undefined {
  const lower = name.toLowerCase()
  if (lower.startsWith(ATTRIBUTE_PREFIX)) return lower.slice(ATTRIBUTE_PREFIX.length)
  return USUAL.has(lower.split(';')[0] as string) ? lower : undefined
}

/** The column name that reads back as this attribute. */
export const columnOf = (attribute: string): string =>
  attributeOf(attribute) === undefined ? `${ATTRIBUTE_PREFIX}${attribute}` : attribute

/** The error for an unknown field, with the nearest one. */
export function unknownField(name: string, kind: string, fields: readonly string[], hasAttributes: boolean): string {
  const lower = name.toLowerCase()
  const near =
    fields.find((field) => field === FIELD_OF[lower]) ?? nearest(lower, hasAttributes ? [...fields, ...USUAL] : fields)
  const hint = near === undefined ? '' : `; did you mean ${near}?`
  const further = hasAttributes ? ` An attribute of that name is written ${ATTRIBUTE_PREFIX}${name}=…` : ''
  return `${kind} has no ${name}${hint || `; it has ${fields.join(', ')}.`}${further}`
}

/** At most a third of the letters may differ. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.replace(/[-_ ]/g, '')
  const found = known
    .map((one) => ({ one, distance: distanceOf(plain(name).slice(0, 64), plain(one)) }))
    .sort((a, b) => a.distance - b.distance)[0]
  return found && found.distance <= Math.max(1, Math.floor(found.one.length / 3)) ? found.one : undefined
}

/** Edit distance with insertions, deletions, substitutions and transpositions. */
function distanceOf(one: string, other: string): number {
  const rows = [Array.from({ length: other.length + 1 }, (_, at) => at)]
  const at = (row: number, column: number) => rows[row]?.[column] ?? Number.POSITIVE_INFINITY
  for (let i = 1; i <= one.length; i++) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= other.length; j++) {
      const isSame = one[i - 1] === other[j - 1]
      const isSwap = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]
      const swapped = isSwap ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY
      row.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (isSame ? 0 : 1), swapped))
    }
  }
  return at(one.length, other.length)
}
