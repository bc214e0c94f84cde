/**
 * Entries of Domino's LDAP (dominoPerson, dominoGroup) as entries of a Notes directory, and Notes names as distinguished
 * names.
 */
import { parseName } from '../names.ts'
import type { NotesEntry } from './entries.ts'

/** Attributes of dominoPerson and dominoGroup, and the items that they show. */
export const ATTRIBUTES: Readonly<Record<string, string>> = {
  cn: 'fullname',
  uid: 'shortname',
  givenname: 'firstname',
  sn: 'lastname',
  mail: 'internetaddress',
  mailaddress: 'mailaddress',
  mailfile: 'mailfile',
  mailserver: 'mailserver',
  maildomain: 'maildomain',
  mailsystem: 'mailsystem',
  telephonenumber: 'officephonenumber',
  description: 'listdescription',
  grouptype: 'grouptype',
  member: 'members',
}

/** By lower-case attribute; `dn` is the name of the entry. Undefined for what is neither a person nor a group. */
export function ldapEntry(found: Readonly<Record<string, readonly string[]>>): NotesEntry | undefined {
  const classes = (found.objectclass ?? []).map((name) => name.toLowerCase())
  const type = classes.some((name) => /^(?:dominogroup|groupofnames)$/.test(name))
    ? 'group'
    : classes.some((name) => /^(?:dominoperson|inetorgperson|person)$/.test(name))
      ? 'person'
      : undefined
  const [dn] = found.dn ?? []
  if (type === undefined || dn === undefined) return undefined
  const values: Record<string, readonly string[]> = {}
  for (const [name, item] of Object.entries(ATTRIBUTES)) {
    const given = found[name] ?? []
    values[item] = item === 'members' ? given.map(notesNameOf) : given
  }
  const name = notesNameOf(dn)
  if (type === 'group') values.listname = [name.split('/')[0]?.replace(/^CN=/i, '') ?? '']
  else values.fullname = [name, ...(values.fullname ?? [])]
  return { type, values }
}

/** A distinguished name as Notes writes it: `CN=Ann,OU=Sales,O=Acme` is `CN=Ann/OU=Sales/O=Acme`. */
function notesNameOf(dn: string): string {
  return dn
    .split(/(?<!\\),/)
    .map((part) => part.trim().replace(/\\(.)/g, '$1'))
    .join('/')
}

/** RFC 4514 section 2.4. */
export const escapeDn = (value: string) => value.replace(/[,+"\\<>;=#]/g, '\\$&').trim()

/** `CN=Ann/OU=Sales/O=Acme` or `Ann/Sales/Acme` as a distinguished name. */
export function dnOfNotesName(name: string): string {
  const levels = parseName(name).canonical.split('/')
  return levels
    .map((level) => {
      const equals = level.indexOf('=')
      return equals < 0 ? `cn=${escapeDn(level)}` : `${level.slice(0, equals)}=${escapeDn(level.slice(equals + 1))}`
    })
    .join(',')
}
