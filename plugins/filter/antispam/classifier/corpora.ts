/**
 * The corpora in memory, kept in step with what other kernels on the store learn.
 *
 * Invariants: the store is the truth, and a signal only says that it is worth a look; when signals are lost, a look is
 * due after a minute; one thing at a time is learnt, read again or compacted; memory is bounded.
 */
import { randomUUID } from 'node:crypto'
import { Cache, defineSignal, type SetupContext } from 'iems'
import { Corpus } from './corpus.ts'
import type { ClassifierOptions } from './options.ts'

/** Places of the tables: 1 MiB for all together, 128 KiB for an account. */
export const SHARED_BITS = 18
const ACCOUNT_BITS = 15
const LOOK_MS = 60_000

/** The accounts whose corpora have learnt something, '' for the shared one, and the kernel that says so. */
const Learnt = defineSignal<{ readonly by: string; readonly accounts: readonly string[] }>('antispam:learnt')

export type CorporaDeps = Pick<SetupContext, 'store' | 'signals' | 'repeat' | 'clock'> & {
  readonly options: Pick<ClassifierOptions, 'window' | 'accounts'>
}

export class Corpora {
  readonly #deps: CorporaDeps
  readonly #self = randomUUID()
  /** Those of accounts; the shared one, '', is always kept. */
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

  /** Runs one after the other. */
  serially<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => undefined)
    return done
  }

  /** As it was learnt here, and elsewhere up to the last signal. */
  async of(account: string): Promise<Corpus> {
    if (this.#stale.has(account)) await this.serially(() => this.within(account, false))
    return this.#get(account)
  }

  /** The same within `serially`; `isLookDue`: as it stands in the store now. */
  async within(account: string, isLookDue: boolean): Promise<Corpus> {
    if (!isLookDue && !this.#stale.has(account)) return this.#get(account)
    this.#stale.delete(account)
    const known = this.#loaded.get(account)
    if (known && !(await (await known).catchUp())) this.drop(account)
    return this.#get(account)
  }

  /** A corpus for a look at its totals, which takes no other's place. */
  peek(account: string): Promise<Corpus> {
    return account === '' || this.#loaded.has(account) ? this.of(account) : this.#load(account)
  }

  drop(account: string): void {
    this.#loaded.delete(account)
  }

  publish(accounts: readonly string[]): void {
    this.#deps.signals.publish(Learnt, { by: this.#self, accounts })
  }

  /** Waits for what is being learnt. */
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
