/**
 * Postfix and Dovecot: main.cf, the source files of its lookup tables, and passwd files.
 *
 * Invariants: files are read, never programs run; a table of another kind (regexp, SQL, LDAP) is named as a problem.
 */
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { OldSystem, OldUser } from './wanted.ts'

/** Octets of one file. */
const MAX_FILE = 256 * 1024 * 1024
const MAX_DEPTH = 10
const TABLES = ['hash', 'btree', 'lmdb', 'cdb', 'dbm', 'texthash']

export async function readText(path: string): Promise<string> {
  const octets = await readFile(path)
  if (octets.length > MAX_FILE) throw new Error(`${path} is larger than ${MAX_FILE} octets`)
  return octets.toString()
}

/** Logical lines of postconf(5) and tables: comments left out, continuation lines joined. */
function logicalLines(text: string): readonly string[] {
  const lines: string[] = []
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(?:#|$)/.test(line)) continue
    if (/^\s/.test(line) && lines.length > 0) lines.push(`${lines.pop()} ${line.trim()}`)
    else lines.push(line.trimEnd())
  }
  return lines
}

/** Parameters of main.cf, the last one of a name, with `$name` expanded. `folder`: `config_directory`. */
export function readMainCf(text: string, folder = '/etc/postfix'): (name: string) => string {
  const given = new Map<string, string>()
  for (const line of logicalLines(text)) {
    const at = line.indexOf('=')
    if (at > 0) given.set(line.slice(0, at).trim(), line.slice(at + 1).trim())
  }
  const value = (name: string, depth = 0): string => {
    const text = given.get(name) ?? defaultOf(name, depth)
    if (depth > MAX_DEPTH) return text
    return text.replace(/\$(?:\{(\w+)\}|\((\w+)\)|(\w+))/g, (_, a, b, c) => value(a ?? b ?? c, depth + 1))
  }
  function defaultOf(name: string, depth: number): string {
    if (name === 'mydomain') return value('myhostname', depth + 1).replace(/^[^.]*\./, '')
    if (name === 'myorigin') return '$myhostname'
    if (name === 'mydestination') return '$myhostname, localhost.$mydomain, localhost'
    if (name === 'config_directory') return folder
    return name === 'alias_maps' ? 'hash:/etc/aliases' : ''
  }
  return value
}

const words = (text: string) => text.split(/[\s,]+/).filter((word) => word !== '')

/** A table as `key value` lines; `aliases`: as `key: value`. */
export function readTable(text: string, kind: 'table' | 'aliases' = 'table'): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const line of logicalLines(text)) {
    const quoted = line.startsWith('"') ? line.indexOf('"', 1) : -1
    const end = quoted > 0 ? quoted + 1 : line.search(kind === 'aliases' ? /[:\s]/ : /\s/)
    const key = end < 0 ? line : line.slice(0, end)
    const value = end < 0 ? '' : line.slice(end).replace(kind === 'aliases' ? /^[:\s]+/ : /^\s+/, '')
    if (key !== '') found.set(key.replace(/^"(.*)"$/, '$1'), value)
  }
  return found
}

/** Lines of a passwd file: login, password hash, and further fields that are not needed. */
function readPasswd(text: string): OldUser[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const [login = '', password = ''] = line.split(':')
    if (login === '' || login.startsWith('#')) return []
    return [{ login, ...(/^[!*x]?$/.test(password) ? {} : { password }) }]
  })
}

export interface PostfixFiles {
  /** Path of main.cf. */
  readonly main: string
  /** Paths of passwd files. */
  readonly passwd: readonly string[]
  /** Reads the file of a table elsewhere than its path says, such as in a copy of the old disk. */
  readonly root?: string
}

export async function readPostfix({ main, passwd, root = '' }: PostfixFiles): Promise<OldSystem> {
  const value = readMainCf(await readText(main), root === '' ? dirname(main) : undefined)
  const problems: string[] = []
  const read = (name: string, path: string) =>
    readText(root + path).catch((cause: Error) => {
      problems.push(`${name}: ${cause.message}`)
      return ''
    })
  /** The entries of a table; undefined for a word that names none. */
  const table = async (name: string, word: string, kind?: 'aliases') => {
    const [, type = '', path = ''] = /^(?:proxy:)?(\w+):(\/.*)$/.exec(word) ?? []
    return TABLES.includes(type) ? [...readTable(await read(name, path), kind)] : undefined
  }
  const tables = async (name: string, kind?: 'aliases') => {
    const entries: (readonly [string, string])[] = []
    for (const word of words(value(name))) {
      const found = await table(name, word, kind)
      if (found) entries.push(...found)
      else problems.push(`${name}: ${word} cannot be read`)
    }
    return entries
  }
  /** A list of domains: each word is a domain, the name of a file with more of them, or a table (postconf(5)). */
  const domainsIn = async (name: string, list: string, depth = 0): Promise<string[]> => {
    const found: string[] = []
    for (const word of words(list)) {
      const entries = await table(name, word)
      if (entries) found.push(...entries.map(([domain]) => domain))
      else if (word.startsWith('/') && depth < MAX_DEPTH)
        found.push(...(await domainsIn(name, logicalLines(await read(name, word)).join(' '), depth + 1)))
      else if (/[:/]/.test(word)) problems.push(`${name}: ${word} cannot be read`)
      else found.push(word)
    }
    return found.filter((domain) => /^[\w-]+(?:\.[\w-]+)+$/.test(domain) && !/^localhost\b/.test(domain))
  }
  const domains = new Set<string>()
  for (const name of ['virtual_mailbox_domains', 'virtual_alias_domains', 'mydestination'])
    for (const domain of await domainsIn(name, value(name))) domains.add(domain.toLowerCase())
  const users = new Map<string, OldUser>()
  for (const path of passwd) for (const user of readPasswd(await readText(path))) users.set(user.login, user)
  const boxes = value('virtual_mailbox_maps') === '' ? [] : await tables('virtual_mailbox_maps')
  for (const [login] of boxes) if (!login.startsWith('@') && !users.has(login)) users.set(login, { login })
  const virtual = value('virtual_alias_maps') === '' ? [] : await tables('virtual_alias_maps')
  // A key without an address marks a domain.
  const aliases = [
    ...virtual.filter(([from]) => from.includes('@') || !domains.has(from)),
    ...(await tables('alias_maps', 'aliases')),
  ]
  return {
    domains: [...domains],
    users: [...users.values()],
    aliases: aliases.map(([from, to]) => ({ from, to: words(to) })),
    problems,
  }
}

/** docker-mailserver's folder of configuration: postfix-accounts.cf, postfix-virtual.cf, dovecot-quotas.cf. */
export async function readDockerMailserver(folder: string): Promise<OldSystem> {
  const read = (name: string) => readText(`${folder}/${name}`).catch(() => '')
  const quotas = readTable((await read('dovecot-quotas.cf')).replaceAll(':', ' '))
  const users = logicalLines(await readText(`${folder}/postfix-accounts.cf`)).map((line): OldUser => {
    const [login = '', password = ''] = line.split('|')
    const quota = octetsOf(quotas.get(login))
    return { login, password, ...(quota === undefined ? {} : { quota }) }
  })
  const aliases = [...readTable(await read('postfix-virtual.cf'))].map(([from, to]) => ({ from, to: words(to) }))
  const all = [...users.map(({ login }) => login), ...aliases.map(({ from }) => from)]
  const domains = new Set(all.map((one) => one.slice(one.lastIndexOf('@') + 1).toLowerCase()))
  return { domains: [...domains], users, aliases, problems: [] }
}

/** `5G`, `500M`; undefined for none. */
function octetsOf(text: string | undefined): number | undefined {
  const [, digits, unit = ''] = /^(\d+)\s*([KMGT]?)/i.exec(text ?? '') ?? []
  return digits === undefined || Number(digits) === 0
    ? undefined
    : Number(digits) * 1024 ** ' KMGT'.indexOf(unit.toUpperCase() || ' ')
}
