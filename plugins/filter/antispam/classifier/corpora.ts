/**
 * The corpora in memory, kept up to date with other kernels on the store.
 *
 * Invariants: the store is authoritative, and a signal only triggers a read; when signals are lost, a read is due after
 * a minute; learning, reading and compacting are serialized; memory is bounded.
 */
import { randomUUID } from 'node:crypto'
import { Cache, defineSignal, type SetupContext } from 'iems'
import { Corpus } from './corpus.ts'
import type { ClassifierOptions } from './options.ts'

/** Size of the tables: 1 MiB for the shared corpus, 128 KiB for an account. */
export const SHARED_BITS = 18
const ACCOUNT_BITS = 15
const LOOK_MS = 60_000

/** The accounts whose corpora have changed, '' for the shared one, and the sending kernel. */
const Learnt = defineSignal<{ readonly by: string; readonly accounts: readonly string[] }>('antispam:learnt')

export type CorporaDeps = Pick<SetupContext, 'store' | 'signals' | 'repeat' | 'clock'> & {
  readonly options: Pick<ClassifierOptions, 'window' | 'accounts'>
}

export class Corpora {
  readonly #deps: CorporaDeps
  readonly #self = randomUUID()
  /** Corpora of accounts; the shared one, '', is always loaded. */
  readonly #loaded: Cache<Promise<Corpus>>
  readonly #stale = new Set<string>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(deps: CorporaDeps) {
    this.#deps = deps
    this.#loaded = new Cache({ max: deps.options.accounts, weigh: (_, name) => (name === '' ? 0 : 1) })
    deps.signals.subscribe(Learnt, (hint) => {
      if (hint?.by !== this.#self) for (const account of hint?.accounts ?? this.#loaded.keys()) this.#stale.add(account)
    })
    deps.repeat(LOOK_MS, 'the look for what other servers have learnt', async () => {
      for (const account of this.#loaded.keys()) this.#stale.add(account)
    })
  }

  /** Serializes work. */
  serially<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => undefined)
    return done
  }

  /** Includes local lessons, and remote ones up to the last signal. */
  async of(account: string): Promise<Corpus> {
    if (this.#stale.has(account)) await this.serially(() => this.within(account, false))
    return this.#get(account)
  }

  /** The same within `serially`; `isLookDue` forces a read of the store. */
  async within(account: string, isLookDue: boolean): Promise<Corpus> {
    if (!isLookDue && !this.#stale.has(account)) return this.#get(account)
    this.#stale.delete(account)
    const known = this.#loaded.get(account)
    if (known && !(await (await known).catchUp())) this.drop(account)
    return this.#get(account)
  }

  /** A corpus for its totals; it evicts no other. */
  peek(account: string): Promise<Corpus> {
    return account === '' || this.#loaded.has(account) ? this.of(account) : this.#load(account)
  }

  drop(account: string): void {
    this.#loaded.delete(account)
  }

  publish(accounts: readonly string[]): void {
    this.#deps.signals.publish(Learnt, { by: this.#self, accounts })
  }

  /** Waits for lessons in progress. */
  async close(): Promise<void> {
    await this.#last
  }

  #get(account: string): Promise<Corpus> {
    const corpus = this.#loaded.getOrMake(account, () => this.#load(account))
    corpus.catch(() => this.drop(account))
    return corpus
  }

  #load(account: string): Promise<Corpus> {
    const { store, options, clock } = this.#deps
    this.#stale.delete(account)
    const bits = account === '' ? SHARED_BITS : ACCOUNT_BITS
    return Corpus.load({ store, name: account, bits, window: options.window, now: clock.now })
  }
}
