/**
 * The classifier: rates messages, and learns from users and administrators.
 *
 * Invariants: a message counts once per teacher, across all kernels, as it was last taught; a lesson is on stable
 * storage before `learn` returns.
 */
import { createHash } from 'node:crypto'
import { below, CONFLICT, decodeRecord, encodeRecord, type Key, key, type Store, transact, unkey } from 'iems'
import { expiring } from '../expiry.ts'
import { Corpora, type CorporaDeps } from './corpora.ts'
import { type Change, type Corpus, type Kind, readTokens, writeTokens } from './corpus.ts'
import type { ClassifierOptions } from './options.ts'
import { type Opinion, opinionOf } from './probability.ts'
import { allOf, type Views } from './tokens.ts'

/** A learned message. */
interface TrainingSample {
  readonly kind: Kind
  /** The ages of the corpora that learned it: counts halved since cannot be subtracted exactly. */
  readonly ages: readonly number[]
  readonly tokens: string
}

export interface Taught {
  readonly kind: Kind
  /** The account whose corpus learns it in addition to the shared one. */
  readonly account?: string | undefined
  readonly views: Views
  readonly messageId: string
}

export type Learned = 'learnt' | 'changed' | 'known'

export interface ClassifierDeps extends CorporaDeps {
  readonly store: Store
  readonly options: ClassifierOptions
}

export class Classifier {
  readonly #corpora: Corpora
  readonly #store: Store
  readonly #options: ClassifierOptions

  constructor(deps: ClassifierDeps) {
    this.#corpora = new Corpora(deps)
    this.#store = deps.store
    this.#options = deps.options
  }

  /** Undefined while the corpus has learned too little. */
  async ask(views: Views, account = ''): Promise<Opinion | undefined> {
    const corpus = await this.#corpora.of(account)
    if (corpus.junk < this.#options.minimum || corpus.ham < this.#options.minimum) return undefined
    return opinionOf(views, corpus)
  }

  /** Serialized, in call order. */
  learn(taught: Taught): Promise<Learned> {
    return this.#corpora.serially(() => transact({ what: 'a lesson' }, () => this.#learn(taught)))
  }

  /** One try: another kernel may teach the message concurrently. */
  async #learn({ kind, account = '', views, messageId }: Taught): Promise<Learned | typeof CONFLICT> {
    const tokens = allOf(views)
    const id = createHash('sha256').update(`${messageId}\0`).update(writeTokens(tokens)).digest('base64url')
    const at = key('lesson', account, id)
    const value = await this.#store.get(at)
    const before = value && decode(value)
    if (before?.kind === kind) return 'known'
    const names = account === '' ? [''] : ['', account]
    // An earlier lesson may have been learned by another kernel, so it must be loaded before it is undone.
    const corpora = await Promise.all(names.map((name) => this.#corpora.within(name, before !== undefined)))
    const changes = corpora.map(
      (corpus, index): Change => ({
        tokens: before ? readTokens(Buffer.from(before.tokens, 'base64')) : tokens,
        add: kind,
        ...(before && before.ages[index] === corpus.age ? { remove: before.kind } : {}),
      }),
    )
    const sample: TrainingSample = {
      kind,
      ages: corpora.map(({ age }) => age),
      tokens: before?.tokens ?? writeTokens(tokens).toString('base64'),
    }
    try {
      const entries = corpora.map((corpus, index) => corpus.entry(changes[index] as Change))
      const ops = [...expiring(at, encode(sample), this.#options.remember), ...entries]
      if (!(await this.#store.commit(ops, [{ key: at, is: value ?? 'absent' }]))) return CONFLICT
      for (const [index, corpus] of corpora.entries()) {
        corpus.learnt(entries[index]?.put as Key, changes[index] as Change)
        await this.#compact(corpus, names[index] as string)
      }
    } catch (cause) {
      // It is unknown whether the write happened: the store decides.
      for (const name of names) this.#corpora.drop(name)
      throw cause
    }
    this.#corpora.publish(names)
    return before ? 'changed' : 'learnt'
  }

  async #compact(corpus: Corpus, name: string): Promise<void> {
    if (corpus.isDue && !(await corpus.compact())) this.#corpora.drop(name)
  }

  /** Number of learned messages in the shared corpus and in each account's. */
  async *totals(): AsyncGenerator<{ readonly account: string; readonly junk: number; readonly ham: number }> {
    const names = new Set([''])
    for (const kept of ['corpus', 'journal'])
      for await (const [at] of this.#store.scan(below(kept))) names.add(`${unkey(at)[1]}`)
    for (const account of [...names].sort()) {
      const { junk, ham } = await this.#corpora.peek(account)
      yield { account, junk, ham }
    }
  }

  /** Waits for lessons in progress. */
  close(): Promise<void> {
    return this.#corpora.close()
  }
}

function encode(sample: TrainingSample): Uint8Array {
  return encodeRecord(sample)
}

function decode(value: Uint8Array): TrainingSample {
  return decodeRecord<TrainingSample>(value)
}
