/**
 * Reads records: single ones batched, ranges in pages.
 *
 * Invariants: a reading sees one moment, because what does not fit into its first page is read with a cursor; cursors
 * share one connection, so that readings within readings never wait for each other; memory holds a page.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Key, Value } from 'iems'
import { byteaArray } from './arrays.ts'
import type { Connections } from './connections.ts'
import { storeFailure } from './failures.ts'
import type { Session } from './session.ts'

/** Records that are asked for in one statement. */
const MAX_GETS = 200
/** Statements that ask for records at the same time. */
const PARALLEL = 4
const PAGE = 256

interface Asked<Q, A> {
  readonly question: Q
  resolve(answer: A): void
  reject(error: unknown): void
}

interface Company<Q, A> {
  /** Answers in the order of the questions. */
  answer(questions: readonly Q[]): Promise<readonly A[]>
  /** Questions in one statement. */
  readonly most: number
  /** Statements at the same time. */
  readonly parallel: number
}

/** Questions of one kind: those that come in one turn of the event loop, or while all statements run, go together. */
export class Together<Q, A> {
  readonly #company: Company<Q, A>
  #asked: Asked<Q, A>[] = []
  #running = 0
  #isTurning = false

  constructor(company: Company<Q, A>) {
    this.#company = company
  }

  ask(question: Q): Promise<A> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ question, resolve, reject })
      void this.#go()
    })
  }

  async #go(): Promise<void> {
    if (this.#isTurning) return
    this.#isTurning = true
    await turn()
    this.#isTurning = false
    const { most, parallel } = this.#company
    while (this.#asked.length > 0 && this.#running < parallel) {
      this.#running++
      void this.#answer(this.#asked.splice(0, most)).finally(() => {
        this.#running--
        void this.#go()
      })
    }
  }

  async #answer(asked: readonly Asked<Q, A>[]): Promise<void> {
    try {
      const answers = await this.#company.answer(asked.map(({ question }) => question))
      asked.forEach(({ resolve }, index) => {
        resolve(answers[index] as A)
      })
    } catch (error) {
      for (const { reject } of asked) reject(error)
    }
  }
}

const nameOf = (key: Key): string => Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')

/** Single records. */
export class Getter {
  readonly #connections: Connections
  readonly #together = new Together<Key, Value | undefined>({
    answer: (keys) => this.#read(keys),
    most: MAX_GETS,
    parallel: PARALLEL,
  })

  constructor(connections: Connections) {
    this.#connections = connections
  }

  async get(key: Key): Promise<Value | undefined> {
    this.#connections.check()
    return this.#together.ask(key)
  }

  async #read(keys: readonly Key[]): Promise<(Value | undefined)[]> {
    const rows = await this.#connections.query<{ key: Buffer; value: Buffer }>({
      name: 'get',
      text: 'select key, value from records where key = any($1)',
      values: [byteaArray(keys)],
    })
    const found = new Map(rows.map(({ key, value }) => [nameOf(key), value]))
    return keys.map((key) => found.get(nameOf(key)))
  }
}

/** A question whose answer may have very many rows. Its text has $1 and so on for octets and texts. */
export interface Question {
  readonly name: string
  readonly text: string
  readonly values: readonly (Uint8Array | string)[]
  /** The most rows. */
  readonly limit: number
}

/** Statements with a cursor take no parameters. */
function literal(value: Uint8Array | string): string {
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`
  return `'\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}'::bytea`
}

const inlined = ({ text, values }: Question): string =>
  text.replace(/\$(\d)/g, (_, place: string) => literal(values[Number(place) - 1] as Uint8Array | string))

/** One transaction with the cursors of all readings that did not fit into a page. */
class Cursors {
  readonly session: Session
  #isBroken = false
  #count = 0
  #open = 0
  #turn: Promise<unknown> = Promise.resolve()

  constructor(session: Session) {
    this.session = session
  }

  get isUsable(): boolean {
    return !this.#isBroken && !this.session.isOver
  }

  get isFree(): boolean {
    return this.#open === 0
  }

  /** Statements come one after the other; a failure ends the transaction, and with it all cursors. */
  #run<R extends object>(text: string): Promise<R[]> {
    const running = this.#turn.then(async () => {
      try {
        return await this.session.run<R>(text)
      } catch (cause) {
        this.#isBroken = true
        this.session.destroy()
        throw cause
      }
    })
    this.#turn = running.catch(() => {})
    return running
  }

  async *read<R extends object>(question: Question): AsyncGenerator<R[]> {
    const name = `c${++this.#count}`
    const begin = this.#open++ === 0 ? 'begin isolation level read committed read only; ' : ''
    try {
      let page = await this.#run<R>(
        `${begin}declare ${name} no scroll cursor for ${inlined(question)} limit ${question.limit}; fetch ${PAGE} from ${name}`,
      )
      while (page.length > 0) {
        yield page
        if (page.length < PAGE) return
        page = await this.#run<R>(`fetch ${PAGE} from ${name}`)
      }
    } finally {
      const isLast = --this.#open === 0
      if (this.isUsable) await this.#run(isLast ? 'commit' : `close ${name}`).catch(() => {})
    }
  }
}

export class Reader {
  readonly #connections: Connections
  readonly #describe: string
  #cursors: Promise<Cursors> | undefined

  constructor(connections: Connections, describe: string) {
    this.#connections = connections
    this.#describe = describe
  }

  /** The rows of one moment, page by page. */
  async *read<R extends object>(question: Question): AsyncGenerator<R[]> {
    const { name, text, values, limit } = question
    this.#connections.check()
    if (limit <= 0) return
    const first = Math.min(limit, PAGE + 1)
    const rows = await this.#connections.query<R>({
      name,
      text: `${text} limit $${values.length + 1}`,
      values: [...values, first],
    })
    if (rows.length <= PAGE || rows.length === limit) {
      if (rows.length > 0) yield rows
      return
    }
    try {
      yield* (await this.#usable()).read<R>(question)
    } catch (cause) {
      throw storeFailure(cause, this.#describe)
    }
  }

  async close(): Promise<void> {
    const cursors = await this.#cursors?.catch(() => undefined)
    await cursors?.session.close()
  }

  async #usable(): Promise<Cursors> {
    const known = await this.#cursors?.catch(() => undefined)
    if (known?.isUsable) return known
    this.#cursors = this.#connections.open().then((session) => new Cursors(session))
    return this.#cursors
  }
}
