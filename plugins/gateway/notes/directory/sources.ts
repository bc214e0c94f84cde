/**
 * Where a Notes directory comes from: a names.nsf or DXL file, or what `ldapsearch` prints of Domino's LDAP (LDIF).
 */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { first } from '../archive/model.ts'
import { openArchive } from '../archive/open.ts'
import type { NotesEntry } from './entries.ts'
import { ldapEntry } from './ldap-entry.ts'

const ITEMS = [
  ...['FullName', 'ShortName', 'FirstName', 'LastName', 'InternetAddress', 'MailAddress', 'MailFile', 'MailServer'],
  ...['MailDomain', 'MailSystem', 'OfficePhoneNumber', 'ListName', 'ListDescription', 'GroupType', 'Members'],
]
const TYPES: Readonly<Record<string, string>> = { person: 'person', group: 'group', database: 'database' }

export async function* entriesOf(path: string): AsyncGenerator<NotesEntry> {
  if (await isLdif(path)) return yield* ldifEntries(path)
  const archive = await openArchive(path)
  try {
    for await (const document of archive.documents()) {
      const type = TYPES[(first(document, 'Type') || first(document, 'Form')).toLowerCase()]
      if (type === undefined) continue
      yield { type, values: Object.fromEntries(ITEMS.map((item) => [item.toLowerCase(), document.texts(item)])) }
    }
  } finally {
    await archive.close()
  }
}

async function isLdif(path: string): Promise<boolean> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0)
    return /^(?:#|version:|dn:)/im.test(buffer.toString('latin1', 0, bytesRead)) && buffer[0] !== 0x1a
  } finally {
    await file.close()
  }
}

// --- LDIF ----------------------------------------------------------------------------------------------

/** Octets of the lines of one entry. */
const MAX_ENTRY = 16 * 1024 * 1024
async function* ldifEntries(path: string): AsyncGenerator<NotesEntry> {
  let lines: string[] = []
  let size = 0
  for await (const line of createInterface({ input: createReadStream(path, 'utf8') })) {
    size += line.length
    if (line.startsWith(' ') && lines.length > 0) lines[lines.length - 1] += line.slice(1)
    else if (line !== '' && !line.startsWith('#')) lines.push(line)
    if (line !== '' && size < MAX_ENTRY) continue
    const entry = ldifEntry(lines)
    if (entry) yield entry
    lines = []
    size = 0
  }
  const entry = ldifEntry(lines)
  if (entry) yield entry
}

function ldifEntry(lines: readonly string[]): NotesEntry | undefined {
  const found: Record<string, string[]> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).split(';')[0]?.toLowerCase() ?? ''
    const rest = line.slice(colon + 1)
    const value = rest.startsWith(':') ? Buffer.from(rest.slice(1).trim(), 'base64').toString() : rest.trim()
    const values = found[name] ?? []
    values.push(value)
    found[name] = values
  }
  return ldapEntry(found)
}
