/**
 * The classifier: asked about messages, taught by users and admins.
 *
 * What must stay true: a message counts once for each teacher, whoever says it again, and as what was said last; what
 * is learnt is on stable storage before anybody hears of it; one thing is learnt at a time; memory is bounded.
 */
import { createHash } from 'node:crypto'
import { below, key, type Store, unkey } from 'iems'
import { expiring } from '../expiry.ts'
import { Corpus, type Kind, readTokens, writeTokens } from './corpus.ts'
import type { ClassifierOptions } from './options.ts'
import { type Opinion, opinionOf } from './probability.ts'
import { allOf, type Views } from './tokens.ts'

/** Places of the tables: 1 MiB for all together, 128 KiB for an account. */
const SHARED_BITS = 18
const ACCOUNT_BITS = 15

/** A message from which something was learnt. */
interface TrainingSample {
  readonly kind: Kind
  /** The ages of the corpora it was learnt in: what has been halved since cannot be taken back exactly. */
  readonly ages: readonly number[]
  readonly tokens: string
}

export interface Taught {
  readonly kind: Kind
  /** Whose knowledge it is; nobody's for everybody's alone. */
  readonly account?: string | undefined
  readonly views: Views
  readonly messageId: string
}

export interface ClassifierDeps {
  readonly store: Store
  readonly now: () => number
  readonly options: ClassifierOptions
}

export type Classifier = ReturnType<typeof createClassifier>

export function createClassifier({ store, now, options }: ClassifierDeps) {
  /** In order of use, longest unused first. */
  const accounts = new Map<string, Promise<Corpus>>()
  let shared: Promise<Corpus> | undefined
  let learning: Promise<unknown> = Promise.resolve()

  const load = (name: string, bits: number) => Corpus.load({ store, name, bits, window: options.window, now })

  function corpusOf(account = ''): Promise<Corpus> {
    if (account === '') {
      shared ??= load('', SHARED_BITS).catch((cause: unknown) => {
        shared = undefined
        throw cause
      })
      return shared
    }
    const corpus = accounts.get(account) ?? load(account, ACCOUNT_BITS)
    accounts.delete(account)
    accounts.set(account, corpus)
    corpus.catch(() => accounts.delete(account))
    if (accounts.size > options.accounts) accounts.delete(accounts.keys().next().value as string)
    return corpus
  }

  function drop(account = '') {
    if (account === '') shared = undefined
    else accounts.delete(account)
  }

  /** Undefined while the corpus has learnt too little. */
  async function ask(views: Views, account?: string): Promise<Opinion | undefined> {
    const corpus = await corpusOf(account)
    if (corpus.junk < options.minimum || corpus.ham < options.minimum) return undefined
    return opinionOf(views, corpus)
  }

  async function learn({ kind, account = '', views, messageId }: Taught): Promise<'learnt' | 'changed' | 'known'> {
    const tokens = allOf(views)
    const id = createHash('sha256').update(`${messageId}\0`).update(writeTokens(tokens)).digest('base64url')
    const at = key('lesson', account, id)
    const value = await store.get(at)
    const before = value && decode(value)
    if (before?.kind === kind) return 'known'
    const names = account === '' ? [''] : ['', account]
    const corpora = await Promise.all(names.map(corpusOf))
    const changes = corpora.map((corpus, index) => ({
      tokens: before ? readTokens(Buffer.from(before.tokens, 'base64')) : tokens,
      add: kind,
      ...(before && before.ages[index] === corpus.age ? { remove: before.kind } : {}),
    }))
    const lesson: TrainingSample = {
      kind,
      ages: corpora.map(({ age }) => age),
      tokens: before?.tokens ?? writeTokens(tokens).toString('base64'),
    }
    try {
      const ops = corpora.map((corpus, index) => corpus.record(changes[index] as (typeof changes)[number]))
      await store.commit([...expiring(at, encode(lesson), options.remember), ...ops])
      for (const [index, corpus] of corpora.entries()) {
        corpus.apply(changes[index] as (typeof changes)[number])
        if (corpus.isDue && !(await corpus.compact())) drop(names[index])
      }
    } catch (cause) {
      // Whether it was written is not known: what stands in the store counts.
      for (const name of names) drop(name)
      throw cause
    }
    return before ? 'changed' : 'learnt'
  }

  return {
    ask,
    /** One after the other, in the order of the calls. */
    learn(taught: Taught) {
      const done = learning.then(() => learn(taught))
      learning = done.catch(() => undefined)
      return done
    },
    /** How much everybody's knowledge is, and that of each account. */
    async *totals(): AsyncGenerator<{ readonly account: string; readonly junk: number; readonly ham: number }> {
      const names = new Set([''])
      for (const kept of ['corpus', 'journal'])
        for await (const [at] of store.scan(below(kept))) names.add(`${unkey(at)[1]}`)
      for (const account of [...names].sort()) {
        const corpus = await (accounts.get(account) ?? (account === '' ? corpusOf() : load(account, ACCOUNT_BITS)))
        yield { account, junk: corpus.junk, ham: corpus.ham }
      }
    },
    /** Waits for what is being learnt. */
    close: () => learning,
  }
}

function encode(lesson: TrainingSample): Uint8Array {
  return Buffer.from(JSON.stringify(lesson))
}

function decode(value: Uint8Array): TrainingSample {
  return JSON.parse(Buffer.from(value).toString()) as TrainingSample
}
