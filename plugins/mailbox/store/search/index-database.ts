/**
 * The SQLite database of the full-text index: tables, statements, opening, clearing and setting aside.
 *
 * Invariants: a file that is corrupt or of another version is set aside and never written.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, openSync, renameSync, rmSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { FIELDS, VERSION } from './text.ts'

/** Documents of one account; above it begins the next account's. */
export const SPAN = 2 ** 32
/** SQLITE_CORRUPT, SQLITE_NOTADB. */
const BROKEN = [11, 26]

const SCHEMA = `
  CREATE TABLE state (only INTEGER PRIMARY KEY CHECK (only = 1), made TEXT NOT NULL, whole INTEGER NOT NULL);
  CREATE TABLE account (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, last INTEGER NOT NULL, documents INTEGER NOT NULL);
  CREATE TABLE doc (id INTEGER PRIMARY KEY, email TEXT NOT NULL, partial INTEGER NOT NULL);
  CREATE UNIQUE INDEX doc_email ON doc (email, id);
  CREATE INDEX doc_partial ON doc (id) WHERE partial = 1;
  CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
  CREATE VIRTUAL TABLE text USING fts5 (${FIELDS.map((field) => `"${field}"`).join(', ')},
    content = '', contentless_delete = 1, tokenize = 'ascii');
  CREATE VIRTUAL TABLE part USING fts5 (text, content = '', columnsize = 0, detail = none,
    tokenize = 'trigram case_sensitive 1');
  INSERT INTO text (text, rank) VALUES ('hashsize', 4000000);
  INSERT INTO part (part, rank) VALUES ('hashsize', 4000000);
`

const STATEMENTS = {
  made: 'SELECT made FROM state',
  whole: 'UPDATE state SET whole = 1',
  addAccount: 'INSERT OR IGNORE INTO account (id, last, documents) VALUES (?, 0, 0)',
  account: 'SELECT number, last FROM account WHERE id = ?',
  count: 'UPDATE account SET last = ?, documents = documents + ? WHERE number = ?',
  uncount: 'UPDATE account SET documents = documents - 1 WHERE number = ?',
  held: `SELECT doc.id AS id, account.id AS account, number FROM doc JOIN account ON number = doc.id / ${SPAN} WHERE email = ?`,
  addDocument: 'INSERT INTO doc (id, email, partial) VALUES (?, ?, ?)',
  removeDocument: 'DELETE FROM doc WHERE id = ?',
  addText: `INSERT INTO text (rowid, ${FIELDS.map((field) => `"${field}"`).join(', ')}) VALUES (?${', ?'.repeat(FIELDS.length)})`,
  removeText: 'DELETE FROM text WHERE rowid = ?',
  addWord: 'INSERT OR IGNORE INTO word (text) VALUES (?)',
  addParts: 'INSERT INTO part (rowid, text) VALUES (?, ?)',
  wordsWith:
    'SELECT text FROM word WHERE id IN (SELECT rowid FROM part WHERE part MATCH ?) AND instr(text, ?) > 0 LIMIT ?',
  wordsEnding:
    'SELECT text FROM word WHERE id IN (SELECT rowid FROM part WHERE part MATCH ?1) AND substr(text, -length(?2)) = ?2 LIMIT ?3',
  // Numbers come as REAL, with which FTS5 reads everybody's documents instead of the account's alone.
  search: `SELECT doc.id AS id, email FROM text JOIN doc ON doc.id = text.rowid
    WHERE text MATCH ? AND text.rowid > CAST(? AS INTEGER) AND text.rowid < CAST(? AS INTEGER) LIMIT ?`,
  latest: `SELECT doc.id AS id, email FROM text JOIN doc ON doc.id = text.rowid
    WHERE text MATCH ? AND text.rowid > CAST(? AS INTEGER) AND text.rowid < CAST(? AS INTEGER)
    ORDER BY text.rowid DESC LIMIT ?`,
  partial: 'SELECT id, email FROM doc WHERE partial = 1 AND id > ? AND id <= ? ORDER BY id LIMIT ?',
  missing: `SELECT value AS email FROM json_each(?) WHERE NOT EXISTS
    (SELECT 1 FROM doc WHERE email = value AND doc.id > ? AND doc.id < ?)`,
  state: `SELECT made, whole, (SELECT coalesce(sum(documents), 0) FROM account) AS documents,
    (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size) AS octets FROM state`,
} as const
export type Statements = Readonly<Record<keyof typeof STATEMENTS, StatementSync>>

/** An open index. */
export interface Index {
  readonly database: DatabaseSync
  readonly statements: Statements
}

export function attachIndex(path: string): Index {
  const database = openDatabase(path)
  const prepared = Object.entries(STATEMENTS).map(([name, sql]) => [name, database.prepare(sql)])
  return { database, statements: Object.fromEntries(prepared) as Statements }
}

/** Within a transaction: forgets everything. The file stays: another process may have it open. */
export function clearIndex(database: DatabaseSync): void {
  for (const table of ['state', 'account', 'doc', 'word', 'text', 'part']) database.exec(`DROP TABLE ${table}`)
  database.exec(SCHEMA)
  database.prepare('INSERT INTO state (only, made, whole) VALUES (1, ?, 0)').run(randomUUID())
}

function openDatabase(path: string): DatabaseSync {
  // Restricted, because the index contains the words of all mail; SQLite gives its other files the same mode.
  if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600))
  const database = new DatabaseSync(path, { timeout: 5000 })
  try {
    // Committed data must survive a power failure, because the due entry of a document is removed afterwards.
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
      PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -8000; PRAGMA temp_store = MEMORY`)
    const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number }
    const { tables } = database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get() as { tables: number }
    if (version === 0 && tables === 0) create(database)
    else if (version !== VERSION) throw new NotOurs(`version ${version}`)
    return database
  } catch (cause) {
    database.close()
    throw cause
  }
}

function create(database: DatabaseSync): void {
  database.exec(`BEGIN IMMEDIATE; ${SCHEMA}; PRAGMA user_version = ${VERSION}`)
  database.prepare('INSERT INTO state (only, made, whole) VALUES (1, ?, 0)').run(randomUUID())
  database.exec('COMMIT')
}

class NotOurs extends Error {}

/** The file will never be readable again. */
export const isBroken = (cause: unknown): boolean =>
  cause instanceof NotOurs || BROKEN.includes(((cause as { errcode?: number })?.errcode ?? 0) & 0xff)

/** Keeps one such file, for an administrator to look at. */
export function putAside(path: string): void {
  if (path === ':memory:') return
  for (const end of ['', '-wal', '-shm']) {
    rmSync(`${path}.aside${end}`, { force: true })
    try {
      renameSync(path + end, `${path}.aside${end}`)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    }
  }
}
