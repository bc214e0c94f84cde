/**
 * The index itself: one SQLite file with two FTS5 tables, as only the worker opens it.
 *
 *   account   an account, its number, and the last number given to one of its documents
 *   doc       a document: an email in one account; its id is the account's number and its own
 *   text      the tokens of each document, by field
 *   word      every word there is
 *   part      the three-character parts of every word
 *   state     which index this is, and whether all emails were handed in since it was made
 *
 * The documents of an account stand one behind the other, so a search in it reads nothing of the others' mail. What must
 * stay true: a change is all or nothing and on the disk when it returns; a word is in `word` in the same transaction as
 * the first document that has it; a file that is broken, or not ours, is put aside and never written.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, openSync, renameSync, rmSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { type Condition, expressionOf, planOf } from './query.ts'
import { FIELDS, type SearchText, tokenize, VERSION } from './text.ts'

/** Who holds an email. */
export interface Holding {
  readonly email: string
  readonly accounts: readonly string[]
}

export interface IndexDocument extends Holding {
  readonly text: SearchText
  /** There is more text than this: a substring search has to look into the message itself. */
  readonly isPartial?: boolean
}

export interface IndexQuery {
  readonly account: string
  /** All of them. */
  readonly conditions: readonly Condition[]
  readonly limit: number
  /** The `next` of the page before. */
  readonly after?: number
}

export interface Hit {
  readonly email: string
  /** False: the index cannot say; look into the message. */
  readonly isSure: boolean
}

/** Hits in the order in which they were indexed. */
export interface Page {
  /** Of the index that was asked. */
  readonly made: string
  readonly hits: readonly Hit[]
  /** Absent on the last page. */
  readonly next?: number
}

export interface IndexState {
  /** Which index this is: another one after it was cleared or put aside. */
  readonly made: string
  /** Emails, counted once for each account that holds them. */
  readonly documents: number
  readonly octets: number
  /** Everything there was when the index was made has been handed in; false asks for a rebuild. */
  readonly isWhole: boolean
}

export interface IndexFileOptions {
  /** Or `:memory:`. */
  readonly path: string
  /** Characters of one document that are indexed. */
  readonly maxText: number
  /** Words that one substring may stand in. */
  readonly maxWords: number
}

export type IndexFile = ReturnType<typeof openIndexFile>

/** Documents of one account; above it begins the next account's. */
const SPAN = 2 ** 32
/** Words that memory knows to be in the file. */
const KNOWN_WORDS = 100_000
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
  partial: 'SELECT id, email FROM doc WHERE partial = 1 AND id > ? AND id <= ? ORDER BY id LIMIT ?',
  missing: `SELECT value AS email FROM json_each(?) WHERE NOT EXISTS
    (SELECT 1 FROM doc WHERE email = value AND doc.id > ? AND doc.id < ?)`,
  state: `SELECT made, whole, (SELECT coalesce(sum(documents), 0) FROM account) AS documents,
    (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size) AS octets FROM state`,
} as const
type Statements = Readonly<Record<keyof typeof STATEMENTS, StatementSync>>

interface Row {
  readonly id: number
  readonly email: string
}

// --- opening --------------------------------------------------------------------------------------

function openDatabase(path: string): DatabaseSync {
  // What is made here holds the words of everybody's mail: SQLite gives its other files the same rights.
  if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600))
  const database = new DatabaseSync(path, { timeout: 5000 })
  try {
    // The due entry of a document goes when this file has it: what returned must outlive a power failure.
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

/** The same file cannot be read ever again. */
export const isBroken = (cause: unknown): boolean =>
  cause instanceof NotOurs || BROKEN.includes(((cause as { errcode?: number })?.errcode ?? 0) & 0xff)

/** Keeps one such file for whoever wants to look at it. */
function putAside(path: string): void {
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

/** Opens the index; one that is broken or of another version is put aside, which `told` gets to know. */
export function openIndexFile({ path, maxText, maxWords }: IndexFileOptions, told: (why: string) => void) {
  let database: DatabaseSync
  let statements: Statements
  let made = ''
  const known = new Set<string>()

  function attach(): void {
    database = openDatabase(path)
    const prepared = Object.entries(STATEMENTS).map(([name, sql]) => [name, database.prepare(sql)])
    statements = Object.fromEntries(prepared) as Statements
  }

  function open(): void {
    try {
      attach()
    } catch (cause) {
      if (!isBroken(cause)) throw cause
      startAnew(cause instanceof Error ? cause.message : String(cause))
    }
  }

  function startAnew(why: string): void {
    if (database?.isOpen) database.close()
    putAside(path)
    told(why)
    known.clear()
    attach()
  }
  open()

  const madeNow = () => (statements.made.get() as { made: string }).made

  /** Does work in one transaction. */
  function change<T>(work: () => T): T {
    database.exec('BEGIN IMMEDIATE')
    try {
      // Another process, or this one before a reload, may have cleared it: the words are gone then.
      const now = madeNow()
      if (now !== made || known.size > KNOWN_WORDS) known.clear()
      made = now
      const result = work()
      database.exec('COMMIT')
      return result
    } catch (cause) {
      known.clear()
      if (database.isTransaction) database.exec('ROLLBACK')
      throw cause
    }
  }

  // --- documents ---

  const heldBy = (email: string) =>
    statements.held.all(email) as unknown as { id: number; account: string; number: number }[]

  /** Forgets the accounts that no longer hold an email; answers the emails whose text is wanted. */
  function align(holdings: readonly Holding[]): string[] {
    return change(() => {
      const wanted: string[] = []
      for (const { email, accounts } of holdings) {
        const held = heldBy(email)
        for (const { id, account, number } of held) {
          if (accounts.includes(account)) continue
          statements.removeText.run(id)
          statements.removeDocument.run(id)
          statements.uncount.run(number)
        }
        if (!accounts.every((account) => held.some((one) => one.account === account))) wanted.push(email)
      }
      return wanted
    })
  }

  /** Adds each document to those of its accounts that do not have it. */
  function add(documents: readonly IndexDocument[]): void {
    const words = new Set<string>()
    const unique = new Map(documents.map((document) => [document.email, document]))
    const tokenized = [...unique.values()].map((document) => ({ ...document, ...tokensIn(document, words) }))
    change(() => {
      const numbers = new Numbers(statements)
      const rows = tokenized.flatMap(({ email, accounts, columns, isPartial }) => {
        const held = heldBy(email).map(({ account }) => account)
        const lacking = [...new Set(accounts)].filter((account) => !held.includes(account))
        return lacking.map((account) => ({ id: numbers.next(account), email, columns, isPartial }))
      })
      // FTS5 writes out what it has gathered whenever a row comes before the last one.
      for (const { id, email, columns, isPartial } of rows.sort((a, b) => a.id - b.id)) {
        statements.addDocument.run(id, email, isPartial ? 1 : 0)
        statements.addText.run(id, ...columns)
      }
      numbers.save()
      addWords(words)
    })
  }

  /** The tokens of each field, cut where it is too much. */
  function tokensIn({ text, isPartial = false }: IndexDocument, words: Set<string>) {
    let left = maxText
    const columns = FIELDS.map((field) => {
      const some = text[field].slice(0, left)
      left -= some.length
      return tokenize(some, (word) => words.add(word)).join(' ')
    })
    return { columns, isPartial: isPartial || FIELDS.reduce((sum, field) => sum + text[field].length, 0) > maxText }
  }

  function addWords(words: ReadonlySet<string>): void {
    for (const word of words) {
      // Shorter ones have no part that could be asked for.
      if (word.length < 3 || known.has(word)) continue
      const { changes, lastInsertRowid } = statements.addWord.run(word)
      if (changes > 0) statements.addParts.run(lastInsertRowid, word)
      // A word of a text may keep all of that text in memory; this one does not.
      known.add(Buffer.from(word).toString())
    }
  }

  // --- searching ---

  function findWords(part: string, where: 'anywhere' | 'end'): string[] | undefined {
    const characters = [...part]
    const parts = characters.slice(2).map((_, index) => `"${characters.slice(index, index + 3).join('')}"`)
    const statement = where === 'end' ? statements.wordsEnding : statements.wordsWith
    const found = statement.all(parts.join(' AND '), part, maxWords + 1) as unknown as { text: string }[]
    return found.length > maxWords ? undefined : found.map(({ text }) => text)
  }

  /** Undefined: the index knows nothing about it. */
  function search({ account, conditions, limit, after }: IndexQuery): Page | undefined {
    const asked = askedOf(conditions, findWords)
    if (!asked) return undefined
    const number = (statements.account.get(account) as { number: number } | undefined)?.number
    if (number === undefined) return { made: madeNow(), hits: [] }
    const [from, to] = [after ?? number * SPAN, (number + 1) * SPAN]
    const { expressions, isSure, isExact } = asked
    const fitting = expressions.includes('')
      ? []
      : (statements.search.all(expressions.join(' AND '), from, to, limit) as unknown as Row[])
    const isLast = fitting.length < limit
    const end = isLast ? to - 1 : (fitting.at(-1)?.id ?? to)
    const partial = isExact ? (statements.partial.all(from, end, limit) as unknown as Row[]) : []
    return { made: madeNow(), ...pageOf({ fitting, partial, isSure, limit, isLast: isLast && partial.length < limit }) }
  }

  function missing({ account, emails }: { account: string; emails: readonly string[] }): string[] {
    const { number } = (statements.account.get(account) ?? { number: -1 }) as { number: number }
    const rows = statements.missing.all(JSON.stringify(emails), number * SPAN, (number + 1) * SPAN)
    return (rows as unknown as { email: string }[]).map(({ email }) => email)
  }

  return {
    align,
    add,
    search,
    missing,
    state(): IndexState {
      const row = statements.state.get() as { made: string; whole: number; documents: number; octets: number }
      const { whole, ...rest } = row
      return { ...rest, isWhole: whole === 1 }
    },
    /** Everything has been handed in. */
    setWhole: () => void change(() => statements.whole.run()),
    /** Forgets everything. The file stays: somebody else may have it open. */
    clear(): void {
      change(() => {
        for (const table of ['state', 'account', 'doc', 'word', 'text', 'part']) database.exec(`DROP TABLE ${table}`)
        database.exec(SCHEMA)
        database.prepare('INSERT INTO state (only, made, whole) VALUES (1, ?, 0)').run(randomUUID())
      })
      known.clear()
    },
    /** After a failure that `isBroken`: the file is put aside. */
    startAnew,
    close(): void {
      database.close()
    },
  }
}

/** The next free document ids of the accounts in one change. */
class Numbers {
  readonly #statements: Statements
  readonly #accounts = new Map<string, { readonly number: number; last: number; added: number }>()

  constructor(statements: Statements) {
    this.#statements = statements
  }

  next(id: string): number {
    let account = this.#accounts.get(id)
    if (!account) {
      this.#statements.addAccount.run(id)
      account = { ...(this.#statements.account.get(id) as { number: number; last: number }), added: 0 }
      this.#accounts.set(id, account)
    }
    account.added++
    return account.number * SPAN + ++account.last
  }

  save(): void {
    for (const { number, last, added } of this.#accounts.values()) this.#statements.count.run(last, added, number)
  }
}

/** What can be asked of the index; undefined when that is nothing. */
function askedOf(conditions: readonly Condition[], findWords: Parameters<typeof expressionOf>[2]) {
  const expressions: string[] = []
  let isSure = true
  for (const condition of conditions) {
    const plan = planOf(condition)
    const expression = plan && expressionOf(plan, condition.fields, findWords)
    if (expression === undefined) isSure = false
    else expressions.push(expression)
    if (!plan?.isSure) isSure = false
  }
  if (expressions.length === 0) return undefined
  return { expressions, isSure, isExact: conditions.some(({ how }) => how === 'substring') }
}

interface Found {
  readonly fitting: readonly Row[]
  /** Documents that are not indexed as a whole: what is not found in them may still be there. */
  readonly partial: readonly Row[]
  readonly isSure: boolean
  readonly limit: number
  readonly isLast: boolean
}

function pageOf({ fitting, partial, isSure, limit, isLast }: Found): Omit<Page, 'made'> {
  const found = new Map(partial.map(({ id, email }) => [id, { email, isSure: false }]))
  for (const { id, email } of fitting) found.set(id, { email, isSure })
  const rows = [...found].sort(([a], [b]) => a - b).slice(0, limit)
  const hits = rows.map(([, hit]) => hit)
  const last = rows.at(-1)?.[0]
  return (isLast && found.size <= limit) || last === undefined ? { hits } : { hits, next: last }
}
