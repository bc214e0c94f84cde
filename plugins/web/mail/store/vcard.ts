/**
 * vCard (RFC 6350; 3.0 of RFC 2426 and 2.1 are read too) to contacts and back.
 *
 * Invariants: each property is read by its own line, so that a broken one costs only itself; reading is linear in the
 * size of the file, which is bounded.
 */
import { type Contact, emptyContact } from './contact.ts'

const MAX_CARDS = 5000

interface Line {
  readonly name: string
  readonly parameters: string
  readonly value: string
}

function readLine(line: string): Line | undefined {
  // A colon within a quoted parameter does not end them.
  let isQuoted = false
  for (let at = 0; at < line.length; at++) {
    if (line[at] === '"') isQuoted = !isQuoted
    if (line[at] !== ':' || isQuoted) continue
    const [name = '', ...parameters] = line.slice(0, at).split(';')
    return {
      name: name.slice(name.lastIndexOf('.') + 1).toUpperCase(),
      parameters: parameters.join(';').toUpperCase(),
      value: line.slice(at + 1),
    }
  }
  return undefined
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', N: '\n' }
const unescaped = (text: string): string => text.replaceAll(/\\(.)/gs, (_, one: string) => ESCAPES[one] ?? one)
const escaped = (text: string): string => text.replaceAll(/[\\,;]/g, '\\$&').replaceAll(/\r?\n/g, '\\n')

/** The parts of a structured value. */
function partsOf(value: string): string[] {
  const parts: string[] = []
  let part = ''
  for (let at = 0; at < value.length; at++) {
    if (value[at] === ';') {
      parts.push(part)
      part = ''
    } else part += value[at] === '\\' ? value.slice(at, ++at + 1) : value[at]
  }
  return [...parts, part].map((one) => unescaped(one).trim())
}

/** Quoted-printable of vCard 2.1, in UTF-8. */
function decoded({ parameters, value }: Line): string {
  if (!parameters.includes('QUOTED-PRINTABLE')) return value
  const bytes: number[] = []
  const encoder = new TextEncoder()
  for (let at = 0; at < value.length; at++) {
    const code = value[at] === '=' ? Number.parseInt(value.slice(at + 1, at + 3), 16) : Number.NaN
    if (Number.isNaN(code)) bytes.push(...encoder.encode(value[at] ?? ''))
    else {
      bytes.push(code)
      at += 2
    }
  }
  return new TextDecoder().decode(new Uint8Array(bytes))
}

/** Reads the cards of a file. Cards without a name and an address are left out. */
export function readVcards(text: string): Contact[] {
  const lines = text
    .replaceAll(/=\r?\n/g, '')
    .replaceAll(/\r?\n[ \t]/g, '')
    .split(/\r?\n/)
  const contacts: Contact[] = []
  let now: Record<string, unknown> | undefined
  for (const each of lines) {
    const line = readLine(each)
    if (!line) continue
    const mark = line.value.trim().toUpperCase()
    if (line.name === 'BEGIN' && mark === 'VCARD') now = { ...emptyContact(false) }
    else if (line.name === 'END' && mark === 'VCARD' && now) {
      const contact = now as unknown as Contact
      if (contact.name !== '' || contact.emails.length > 0)
        contacts.push({ ...contact, name: contact.name || (contact.emails[0] ?? '') })
      if (contacts.length >= MAX_CARDS) break
      now = undefined
    } else if (now) now = { ...now, ...propertyOf(line, now as unknown as Contact) }
  }
  return contacts
}

function propertyOf(line: Line, now: Contact): Partial<Contact> {
  const value = decoded(line)
  const plain = unescaped(value).trim()
  if (plain === '') return {}
  switch (line.name) {
    case 'FN':
      return { name: plain }
    case 'N': {
      const [family = '', given = '', middle = ''] = partsOf(value)
      return now.name === '' ? { name: [given, middle, family].filter(Boolean).join(' ') } : {}
    }
    case 'ORG':
      return { organization: partsOf(value).filter(Boolean).join(', ') }
    case 'EMAIL':
      return { emails: [...now.emails, plain.replace(/^mailto:/i, '')] }
    case 'TEL':
      return { phones: [...now.phones, plain.replace(/^tel:/i, '')] }
    case 'NOTE':
      return { note: plain }
    case 'UID':
      return { uid: plain }
    case 'KIND':
    case 'X-ADDRESSBOOKSERVER-KIND':
      return { isGroup: plain.toLowerCase() === 'group' }
    case 'MEMBER':
    case 'X-ADDRESSBOOKSERVER-MEMBER':
      return { members: [...now.members, plain] }
    default:
      return {}
  }
}

/** RFC 6350 section 3.2: at most 75 octets in a line. */
function folded(line: string): string {
  const encoder = new TextEncoder()
  let [out, length] = ['', 0]
  for (const character of line) {
    const size = encoder.encode(character).length
    if (length + size > 75) {
      out += '\r\n '
      length = 1
    }
    out += character
    length += size
  }
  return out
}

export const writeVcards = (contacts: readonly Contact[]): string =>
  contacts
    .flatMap(({ uid, isGroup, name, organization, emails, phones, note, members }) => [
      'BEGIN:VCARD',
      'VERSION:4.0',
      `UID:${escaped(uid)}`,
      `FN:${escaped(name)}`,
      ...(isGroup ? ['KIND:group', ...members.map((member) => `MEMBER:${member}`)] : []),
      ...(organization === '' ? [] : [`ORG:${escaped(organization)}`]),
      ...emails.map((email) => `EMAIL:${escaped(email)}`),
      ...phones.map((phone) => `TEL:${escaped(phone)}`),
      ...(note === '' ? [] : [`NOTE:${escaped(note)}`]),
      'END:VCARD',
    ])
    .map((line) => `${folded(line)}\r\n`)
    .join('')
