/**
 * Slows password guessing: clients that fail to log in wait, exponentially longer, across all protocols.
 *
 * Failures count for the client's address (for IPv6 its /64 and /48) and for the user name. After too many failures
 * from an address, its next attempt waits; replies to wrong passwords for an attacked name are delayed. Invariants: a
 * correct password from another address, or from one that succeeded before, is never delayed by other clients'
 * failures; nothing here knows whether a name exists; memory and waits are bounded, and beyond the bounds the answer is
 * a temporary failure.
 */
import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { Cache } from '../api/cache.ts'
import type { Clock } from '../api/clock.ts'
import { Proven, type ProvenClient, type ProvenState } from './proven.ts'

export interface AttemptLimits {
  /** Failures that cause no delay. */
  readonly free: number
  /** Initial and maximum delay in ms; each is twice the one before. */
  readonly delay: number
  readonly longest: number
  /** Ms without a failure after which the count is reset. */
  readonly forget: number
  /** Maximum addresses, and maximum names, in memory. */
  readonly remembered: number
}

export interface Attempt {
  readonly address: string
  /** The address speaks for many clients, so failures are not counted against it. */
  readonly trusted: boolean
  /** Absent when the credentials contain no name. */
  readonly username: string | undefined
  /** The presented secret, if known: a client that repeats the same wrong password is not guessing. */
  readonly shown?: string
}

/** An admitted attempt. */
export interface LoginAdmission {
  /** 0: this name has logged in from this network before; 1: either the name or the network has; 2: neither. */
  readonly rank: 0 | 1 | 2
  /** Never rejects. */
  succeeded(): Promise<void>
  /** Resolves when the client may get the reply. */
  failed(): Promise<void>
}

export interface Attempts {
  /** Waits until the attempt is admitted; undefined when it cannot be admitted soon. */
  begin(attempt: Attempt): Promise<LoginAdmission | undefined>
  /** Ends all waits. */
  close(): void
}

interface Failures {
  count: number
  last: number
  /** No attempt is admitted before this time. */
  until: number
  /** The last wrong secrets. */
  wrong: string[]
}

interface Counted {
  readonly failures: Failures
  readonly isNew: boolean
}

interface Client {
  /** The networks of the client, smallest first; each is counted. */
  readonly networks: readonly [string, ...string[]]
  readonly name: string | undefined
}

/** Maximum concurrently waiting attempts. */
const WAITING = 1000
const WRONG = 4

/** Counted failures and successes; they outlive a reload. */
export interface AttemptState {
  readonly addresses: Cache<Failures>
  readonly names: Cache<Failures>
  readonly proven: ProvenState
  readonly secret: KeyObject
}

/** Until a throttle sets its own maximum. */
const FIRST_MAX = 1000

export const createAttemptState = (): AttemptState => ({
  addresses: new Cache({ max: FIRST_MAX }),
  names: new Cache({ max: FIRST_MAX }),
  proven: new Cache({ max: FIRST_MAX }),
  secret: createSecretKey(randomBytes(32)),
})

/** `proven`: where logins have succeeded; default: in this process's memory. */
export class LoginThrottle implements Attempts {
  readonly #clock: Clock
  readonly #limits: AttemptLimits
  readonly #state: AttemptState
  readonly #proven: Proven
  readonly #waiting = new Set<() => void>()
  #isClosed = false

  constructor(
    clock: Clock,
    limits: AttemptLimits,
    state: AttemptState,
    proven = new Proven({
      clock,
      known: state.proven,
      secret: async () => state.secret,
    }),
  ) {
    this.#clock = clock
    this.#limits = limits
    this.#state = state
    this.#proven = proven
    for (const one of [state.addresses, state.names, state.proven]) one.max = limits.remembered
  }

  /** A keyed hash, because names may be long and passwords must not be stored. */
  #markOf(text: string): string {
    return createHmac('sha256', this.#state.secret).update(text).digest('base64')
  }

  #failuresOf(map: Cache<Failures>, name: string): Failures {
    const found = map.get(name)
    if (found && this.#clock.now() - found.last <= this.#limits.forget) return found
    return { count: 0, last: 0, until: 0, wrong: [] }
  }

  #delayOf({ count }: Failures): number {
    return count <= this.#limits.free
      ? 0
      : Math.min(this.#limits.longest, this.#limits.delay * 2 ** (count - this.#limits.free - 1))
  }

  /** Counts a failure and returns the resulting delay. */
  #count(map: Cache<Failures>, name: string, { failures, isNew }: Counted): number {
    if (isNew) failures.count++
    failures.last = this.#clock.now()
    const delay = this.#delayOf(failures)
    failures.until = Math.max(failures.until, failures.last + delay)
    map.set(name, failures)
    return delay
  }

  async #wait(ms: number): Promise<void> {
    if (ms <= 0 || this.#isClosed || this.#waiting.size >= WAITING) return
    await new Promise<void>((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake)
        cancel()
        resolve()
      }
      const cancel = this.#clock.after(ms, wake)
      this.#waiting.add(wake)
    })
  }

  /** The delay of a network's next attempt, which are admitted one after the other; undefined when too many wait. */
  #waitOf(networks: readonly string[]): number | undefined {
    const now = this.#clock.now()
    let start = now
    const slowed = networks
      .map((network) => this.#failuresOf(this.#state.addresses, network))
      .filter((from) => this.#delayOf(from) > 0)
    for (const { until } of slowed) start = Math.max(start, until)
    if (start - now > this.#limits.longest || (slowed.length > 0 && this.#waiting.size >= WAITING)) return undefined
    for (const from of slowed) from.until = start + this.#delayOf(from)
    return start - now
  }

  /** Counts a failure and returns the delay of the client's reply. */
  #failed({ networks, name }: Client, { trusted, shown }: Attempt): number {
    const [network] = networks
    const from = this.#failuresOf(this.#state.addresses, network)
    const mark = shown === undefined ? undefined : this.#markOf(`${name} ${shown}`)
    const isNew = mark === undefined || !from.wrong.includes(mark)
    if (isNew && mark !== undefined) from.wrong = [mark, ...from.wrong].slice(0, WRONG)
    if (!trusted)
      for (const one of networks)
        this.#count(this.#state.addresses, one, {
          failures: one === network ? from : this.#failuresOf(this.#state.addresses, one),
          isNew,
        })
    return name === undefined
      ? 0
      : this.#count(this.#state.names, name, { failures: this.#failuresOf(this.#state.names, name), isNew })
  }

  async begin(attempt: Attempt): Promise<LoginAdmission | undefined> {
    const { username } = attempt
    const plain = username?.normalize('NFKC').toLowerCase()
    const name = plain === undefined ? undefined : this.#markOf(plain)
    const client: Client = { networks: networksOf(attempt.address), name }
    const shown: ProvenClient = { network: client.networks[0], name: plain }
    const rank = await this.#proven.rank(shown)
    if (!attempt.trusted && rank > 0) {
      const before = this.#waitOf(client.networks)
      if (before === undefined) return undefined
      await this.#wait(before)
    }
    return {
      rank,
      succeeded: () => this.#proven.succeeded(shown),
      failed: async () => {
        const delay = this.#failed(client, attempt)
        await this.#proven.failed(shown)
        await this.#wait(delay)
      },
    }
  }

  close(): void {
    this.#isClosed = true
    for (const wake of [...this.#waiting]) wake()
  }
}

/**
 * The networks that an address belongs to: an IPv6 host owns its /64, and a provider's customer usually the /48 around
 * it. IPv4-mapped addresses count as IPv4.
 */
function networksOf(address: string): readonly [string, ...string[]] {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined || !address.includes(':')) return [mapped ?? address]
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  const rest = tail === undefined || tail === '' ? [] : tail.split(':')
  while (tail !== undefined && groups.length + rest.length < 8) groups.push('0')
  const all = [...groups, ...rest].map((group) => group.toLowerCase().replace(/^0+(?=.)/, '') || '0')
  return [all.slice(0, 4).join(':'), `${all.slice(0, 3).join(':')}/48`]
}
