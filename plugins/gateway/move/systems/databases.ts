/**
 * Mailu's database (SQLite) and a dump of Mailcow's (mysqldump).
 *
 * Invariants: the database is opened for reading only; a dump is read as text, never run.
 */
import { DatabaseSync } from 'node:sqlite'
import { readText } from './postfix.ts'
import type { OldSystem, OldUser } from './wanted.ts'

type Row = Readonly<Record<string, unknown>>

const text = (value: unknown) => (value === null || value === undefined ? '' : String(value))
const list = (value: unknown) =>
  text(value)
    .split(/[\s,]+/)
    .filter((one) => one !== '')

/** `data/main.db` of Mailu. */
export function readMailu(path: string): OldSystem {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const rows = (query: string) => database.prepare(query).all() as Row[]
    const users = rows('SELECT * FROM user').map((row): OldUser => {
      const quota = Number(row.quota_bytes)
      return {
        login: text(row.email) || `${text(row.localpart)}@${text(row.domain_name)}`,
        password: text(row.password),
        displayName: text(row.displayed_name),
        ...(quota > 0 ? { quota } : {}),
        isDisabled: Number(row.enabled ?? 1) === 0,
      }
    })
    const forwards = rows('SELECT * FROM user WHERE forward_enabled = 1').map((row) => {
      const from = text(row.email) || `${text(row.localpart)}@${text(row.domain_name)}`
      return { from, to: [...list(row.forward_destination), ...(Number(row.forward_keep) ? [from] : [])] }
    })
    const aliases = rows('SELECT * FROM alias').map((row) => ({
      from: text(row.email) || `${text(row.localpart)}@${text(row.domain_name)}`,
      to: list(row.destination),
    }))
    const domains = rows('SELECT name FROM domain').map((row) => text(row.name))
    return { domains, users, aliases: [...aliases, ...forwards], problems: [] }
  } finally {
    database.close()
  }
}

/** A dump by mysqldump of Mailcow's database, with the tables domain, mailbox and alias. */
export async function readMailcow(path: string): Promise<OldSystem> {
  const tables = readDump(await readText(path), ['domain', 'mailbox', 'alias'])
  const users = (tables.get('mailbox') ?? []).map((row): OldUser => {
    const quota = Number(row.quota)
    return {
      login: text(row.username),
      password: text(row.password),
      displayName: text(row.name),
      ...(quota > 0 ? { quota } : {}),
      isDisabled: row.active === '0',
    }
  })
  const aliases = (tables.get('alias') ?? [])
    .filter((row) => row.active !== '0')
    .map((row) => ({ from: text(row.address), to: list(row.goto) }))
    // Mailcow lists each mailbox as an alias of itself.
    .filter(({ from, to }) => !(to.length === 1 && to[0] === from))
  const domains = (tables.get('domain') ?? []).map((row) => text(row.domain))
  return { domains, users, aliases, problems: [] }
}

/**
 * Rows of tables by column; values are strings, NULL is absent. A statement begins a line, because mysqldump escapes
 * line breaks in values.
 */
export function readDump(dump: string, names: readonly string[]): ReadonlyMap<string, readonly Row[]> {
  const tables = new Map<string, Row[]>()
  const text = `\n${dump.replaceAll('\r\n', '\n')}`
  for (const name of names) {
    const created = `\nCREATE TABLE \`${name}\` (`
    const start = text.indexOf(created)
    if (start < 0) throw new Error(`the dump has no table ${name}`)
    const definition = text.slice(start + created.length, text.indexOf('\n)', start))
    const columns = [...definition.matchAll(/^ {0,8}`([^`]{1,200})`/gm)].map(([, column = '']) => column)
    const rows: Row[] = []
    const insert = `\nINSERT INTO \`${name}\` `
    for (let at = text.indexOf(insert); at >= 0; at = text.indexOf(insert, at + 1)) {
      const values = text.indexOf('VALUES', at)
      // With --complete-insert, and for tables with generated columns, the statement names its columns.
      const named = [...text.slice(at + insert.length, values).matchAll(/`([^`]{1,200})`/g)].map(
        ([, column = '']) => column,
      )
      const order = named.length > 0 ? named : columns
      for (const row of readTuples(text, values + 6))
        rows.push(Object.fromEntries(order.flatMap((column, n) => (row[n] === undefined ? [] : [[column, row[n]]]))))
    }
    tables.set(name, rows)
  }
  return tables
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', 0: '\0', Z: '\x1a' }

/** `(1,'a',NULL),(…);` from a position on. */
function* readTuples(dump: string, start: number): Generator<(string | undefined)[]> {
  let row: (string | undefined)[] = []
  let value = ''
  let isText = false
  let depth = 0
  const push = () => {
    row.push(!isText && value.trim() === 'NULL' ? undefined : isText ? value : value.trim())
    value = ''
    isText = false
  }
  for (let at = start; at < dump.length; at++) {
    const one = dump[at] as string
    if (one === "'") {
      // Without an introducer, such as `_binary`.
      if (!isText) value = ''
      isText = true
      for (at++; at < dump.length && (dump[at] !== "'" || dump[at + 1] === "'"); at++) {
        if (dump[at] === "'") value += dump[at++]
        else if (dump[at] === '\\') value += ESCAPES[dump[++at] as string] ?? dump[at]
        else value += dump[at]
      }
    } else if (depth === 0) {
      if (one === ';') return
      if (one === '(') depth++
    } else if (one === ',') push()
    else if (one === ')') {
      push()
      yield row
      row = []
      depth--
    } else if (!isText) value += one
  }
}
