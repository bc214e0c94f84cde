/**
 * A running Domino's directory over LDAP: its persons and groups are read, and those of this server are written to it.
 *
 * Invariants: only entries with this server's mark are changed; an entry of Domino's own with the same name is reported
 * and stays.
 */
import { type CommandOutput, counted, escapeLine } from 'iems'
import {
  Connection,
  compileFilter,
  type Found,
  LdapRefusal,
  serverAddress,
} from '../../../directory/ldap/client/api.ts'
import { foldDn, parseDn } from '../../../directory/ldap/server/api.ts'
import type { DirectoryApi } from '../../../directory/store/api.ts'
import type { LdapSource } from '../options.ts'
import type { NotesEntry } from './entries.ts'
import { type ExportedEntry, exportedEntries, MARK } from './exported.ts'
import { ATTRIBUTES, ldapEntry } from './ldap-entry.ts'

const LIMITS = { connect: 10_000, request: 60_000, messageSize: 16 * 1024 * 1024, entries: 1_000_000 }
const EVERYBODY = compileFilter('(|(objectClass=dominoPerson)(objectClass=dominoGroup))')
const ANY = compileFilter('(objectClass=*)')
/** Attributes that an export keeps up to date; the others belong to Domino once an entry has been added. */
const KEPT = ['mail', 'mailaddress', 'member']

async function open({ url, startTls, bindDn, password }: LdapSource): Promise<Connection> {
  const connection = await Connection.open(serverAddress(url, startTls), {}, LIMITS)
  if (bindDn === '' || (await connection.bind(bindDn, password?.reveal() ?? ''))) return connection
  connection.close()
  throw new Error('Domino does not accept bindDn with its password')
}

const valuesOf = ({ dn, attributes }: Found): Record<string, readonly string[]> => ({
  dn: [dn],
  ...Object.fromEntries([...attributes].map(([name, values]) => [name, values.map((value) => value.toString())])),
})

/** All persons and groups, without those that this server has written. */
export async function dominoEntries(source: LdapSource): Promise<readonly NotesEntry[]> {
  const connection = await open(source)
  try {
    const attributes = ['objectclass', ...Object.keys(ATTRIBUTES)]
    const found = await connection.search({ base: source.base, scope: 'sub', filter: EVERYBODY, attributes })
    return found
      .map(valuesOf)
      .flatMap((values) => (values.description?.includes(MARK) ? [] : (ldapEntry(values) ?? [])))
  } finally {
    connection.close()
  }
}

/** Yields a line for each difference, and counts at the end. */
export async function* exportToDomino(
  directory: DirectoryApi,
  source: LdapSource,
  { organisation, signal }: { readonly organisation: string; readonly signal: AbortSignal },
): AsyncGenerator<CommandOutput> {
  const counts = { add: 0, change: 0, same: 0, refused: 0 }
  const connection = await open(source)
  try {
    for await (const entry of exportedEntries(directory, organisation)) {
      signal.throwIfAborted()
      const done = await bring(connection, entry)
      counts[done.what]++
      if (done.text !== undefined) yield { text: done.text, value: { difference: done.text } }
    }
  } finally {
    connection.close()
  }
  const { add, change, same, refused } = counts
  yield {
    text: `${counted(add, 'entry')} added to Domino, ${change} changed, ${same} as they were, ${refused} refused`,
    value: counts,
  }
}

type Brought = { readonly what: 'add' | 'change' | 'same' | 'refused'; readonly text?: string }

async function bring(connection: Connection, { dn, attributes }: ExportedEntry): Promise<Brought> {
  const wanted = ['description', ...KEPT]
  const [found] = await connection.search({ base: dn, scope: 'base', filter: ANY, attributes: wanted })
  try {
    if (!found) {
      await connection.add(dn, attributes)
      return { what: 'add', text: `+ ${escapeLine(dn)}` }
    }
    const there = valuesOf(found)
    if (!there.description?.includes(MARK))
      return { what: 'refused', text: `${escapeLine(dn)}: refused, Domino has an entry of its own with this name` }
    const changed = KEPT.filter((name) => attributes[name] && !isSame(there[name], attributes[name]))
    if (changed.length === 0) return { what: 'same' }
    await connection.replace(dn, Object.fromEntries(changed.map((name) => [name, attributes[name] ?? []])))
    return { what: 'change', text: `~ ${escapeLine(dn)}: ${changed.join(', ')}` }
  } catch (cause) {
    if (!(cause instanceof LdapRefusal)) throw cause
    return { what: 'refused', text: `${escapeLine(dn)}: refused, ${escapeLine(cause.message)}` }
  }
}

/** Servers write names again in a spelling of their own. */
function folded(value: string): string {
  const dn = parseDn(value)
  return dn ? foldDn(dn) : value.toLowerCase()
}

function isSame(one: readonly string[] = [], other: readonly string[] = []): boolean {
  const known = new Set(one.map(folded))
  return one.length === other.length && other.every((value) => known.has(folded(value)))
}
