/**
 * The index: one SQLite file with two FTS5 tables, which only the worker opens.
 *
 *   account   an account, its number, and the last number given to one of its documents
 *   doc       a document: an email in one account; its id is the account's number and its own
 *   text      the tokens of each document, by field
 *   word      every word
 *   part      the three-character parts of every word
 *   state     the id of the index, and whether all emails have been added since it was created
 *
 * The documents of an account are adjacent, so a search in it reads no other mail. Invariants: a change is atomic and
 * on stable storage when it returns; a word is in `word` in the same transaction as its first document; a file that is
 * corrupt or of another application is set aside and never written.
 */
import { attachIndex, clearIndex, type Index, isBroken, putAside, SPAN, type Statements } from './index-database.ts'
import { type Condition, expressionOf, planOf } from './query.ts'
import { FIELDS, type SearchText, tokenize } from './text.ts'

/** The holders of an email. */
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

/** Hits that were indexed last. */
export interface Latest {
  readonly made: string
  readonly emails: readonly string[]
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
  /** Maximum words that contain a substring. */
  readonly maxWords: number
}

/** Words that memory knows to be in the file. */
const KNOWN_WORDS = 100_000
interface Row {
  readonly id: number
  readonly email: string
}

/** Opens the index; a corrupt one or one of another version is set aside and reported to `told`. */
export class IndexFile {
  readonly #told: (why: string) => void
  readonly #deps: IndexFileOptions
  #index
  #made = ''
  readonly #known = new Set<string>()

  constructor(deps: IndexFileOptions, told: (why: string) => void) {
    this.#told = told
    this.#deps = deps
    this.#index = openOrReplace(deps.path, told)
  }

  state(): IndexState {
    const row = this.#index.statements.state.get() as { made: string; whole: number; documents: number; octets: number }
    const { whole, ...rest } = row
    return { ...rest, isWhole: whole === 1 }
  }

  /** Everything has been handed in. */
  setWhole() {
    return void this.#change(() => this.#index.statements.whole.run())
  }

  /** Removes everything. The file stays, because other processes may have it open. */
  clear(): void {
    this.#change(() => {
      clearIndex(this.#index.database)
    })
    this.#known.clear()
  }

  close(): void {
    this.#index.database.close()
  }

  startAnew(why: string): void {
    if (this.#index.database.isOpen) this.#index.database.close()
    this.#known.clear()
    this.#index = replace(this.#deps.path, why, this.#told)
  }

  #madeNow() {
    return (this.#index.statements.made.get() as { made: string }).made
  }

  /** Does work in one transaction. */
  #change<T>(work: () => T): T {
    this.#index.database.exec('BEGIN IMMEDIATE')
    try {
      // Another process, or this one before a reload, may have cleared it: the words are gone then.
      const now = this.#madeNow()
      if (now !== this.#made || this.#known.size > KNOWN_WORDS) this.#known.clear()
      this.#made = now
      const result = work()
      this.#index.database.exec('COMMIT')
      return result
    } catch (cause) {
      this.#known.clear()
      if (this.#index.database.isTransaction) this.#index.database.exec('ROLLBACK')
      throw cause
    }
  }

  // --- documents ---
  #heldBy(email: string) {
    return this.#index.statements.held.all(email) as unknown as { id: number; account: string; number: number }[]
  }

  /** Removes accounts that no longer hold an email. Returns the emails whose text is needed. */
  align(holdings: readonly Holding[]): string[] {
    return this.#change(() => {
      const wanted: string[] = []
      for (const { email, accounts } of holdings) {
        const held = this.#heldBy(email)
        for (const { id, account, number } of held) {
          if (accounts.includes(account)) continue
          this.#index.statements.removeText.run(id)
          this.#index.statements.removeDocument.run(id)
          this.#index.statements.uncount.run(number)
        }
        if (!accounts.every((account) => held.some((one) => one.account === account))) wanted.push(email)
      }
      return wanted
    })
  }

  /** Adds each document to those of its accounts that do not have it. */
  add(documents: readonly IndexDocument[]): void {
    const words = new Set<string>()
    const unique = new Map(documents.map((document) => [document.email, document]))
    const tokenized = [...unique.values()].map((document) => ({ ...document, ...this.#tokensIn(document, words) }))
    this.#change(() => {
      const numbers = new Numbers(this.#index.statements)
      const rows = tokenized.flatMap(({ email, accounts, columns, isPartial }) => {
        const held = this.#heldBy(email).map(({ account }) => account)
        const lacking = [...new Set(accounts)].filter((account) => !held.includes(account))
        return lacking.map((account) => ({ id: numbers.next(account), email, columns, isPartial }))
      })
      // In order, because FTS5 flushes its buffer whenever a row id decreases.
      for (const { id, email, columns, isPartial } of rows.sort((a, b) => a.id - b.id)) {
        this.#index.statements.addDocument.run(id, email, isPartial ? 1 : 0)
        this.#index.statements.addText.run(id, ...columns)
      }
      numbers.save()
      this.#addWords(words)
    })
  }

  /** The tokens of each field, cut where it is too much. */
  #tokensIn({ text, isPartial = false }: IndexDocument, words: Set<string>) {
    let left = this.#deps.maxText
    const columns = FIELDS.map((field) => {
      const some = text[field].slice(0, left)
      left -= some.length
      return tokenize(some, (word) => words.add(word)).join(' ')
    })
    return {
      columns,
      isPartial: isPartial || FIELDS.reduce((sum, field) => sum + text[field].length, 0) > this.#deps.maxText,
    }
  }

  #addWords(words: ReadonlySet<string>): void {
    for (const word of words) {
      // Shorter ones have no part that could be asked for.
      if (word.length < 3 || this.#known.has(word)) continue
      const { changes, lastInsertRowid } = this.#index.statements.addWord.run(word)
      if (changes > 0) this.#index.statements.addParts.run(lastInsertRowid, word)
      // A word of a text may keep all of that text in memory; this one does not.
      this.#known.add(Buffer.from(word).toString())
    }
  }

  // --- searching ---
  #findWords(part: string, where: 'anywhere' | 'end'): string[] | undefined {
    const characters = [...part]
    const parts = characters.slice(2).map((_, index) => `"${characters.slice(index, index + 3).join('')}"`)
    const statement = where === 'end' ? this.#index.statements.wordsEnding : this.#index.statements.wordsWith
    const found = statement.all(parts.join(' AND '), part, this.#deps.maxWords + 1) as unknown as { text: string }[]
    return found.length > this.#deps.maxWords ? undefined : found.map(({ text }) => text)
  }

  /** Undefined: the index knows nothing about it. */
  search({ account, conditions, limit, after }: IndexQuery): Page | undefined {
    const asked = askedOf(conditions, (part, where) => this.#findWords(part, where))
    if (!asked) return undefined
    const number = (this.#index.statements.account.get(account) as { number: number } | undefined)?.number
    if (number === undefined) return { made: this.#madeNow(), hits: [] }
    const [from, to] = [after ?? number * SPAN, (number + 1) * SPAN]
    const { expressions, isSure, isExact } = asked
    const fitting = expressions.includes('')
      ? []
      : (this.#index.statements.search.all(expressions.join(' AND '), from, to, limit) as unknown as Row[])
    const isLast = fitting.length < limit
    const end = isLast ? to - 1 : (fitting.at(-1)?.id ?? to)
    const partial = isExact ? (this.#index.statements.partial.all(from, end, limit) as unknown as Row[]) : []
    return {
      made: this.#madeNow(),
      ...pageOf({ fitting, partial, isSure, limit, isLast: isLast && partial.length < limit }),
    }
  }

  /** Sure hits, the last indexed first; undefined where the index cannot be sure. */
  latest({ account, conditions, limit }: Omit<IndexQuery, 'after'>): Latest | undefined {
    const asked = askedOf(conditions, (part, where) => this.#findWords(part, where))
    if (!asked?.isSure || asked.isExact) return undefined
    const { number } = (this.#index.statements.account.get(account) as { number: number } | undefined) ?? {}
    const isNone = number === undefined || asked.expressions.includes('')
    const range = [asked.expressions.join(' AND '), (number ?? 0) * SPAN, ((number ?? 0) + 1) * SPAN, limit] as const
    const rows = isNone ? [] : (this.#index.statements.latest.all(...range) as unknown as Row[])
    return { made: this.#madeNow(), emails: rows.map(({ email }) => email) }
  }

  missing({ account, emails }: { account: string; emails: readonly string[] }): string[] {
    const { number } = (this.#index.statements.account.get(account) ?? { number: -1 }) as { number: number }
    const rows = this.#index.statements.missing.all(JSON.stringify(emails), number * SPAN, (number + 1) * SPAN)
    return (rows as unknown as { email: string }[]).map(({ email }) => email)
  }
}

function openOrReplace(path: string, onReplace: (why: string) => void): Index {
  try {
    return attachIndex(path)
  } catch (cause) {
    if (!isBroken(cause)) throw cause
    return replace(path, cause instanceof Error ? cause.message : String(cause), onReplace)
  }
}

function replace(path: string, why: string, onReplace: (why: string) => void): Index {
  putAside(path)
  onReplace(why)
  return attachIndex(path)
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

/** The part of the conditions that the index can answer; undefined if none. */
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
  /** Documents indexed only in part: a missing hit does not exclude them. */
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
