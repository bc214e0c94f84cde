/**
 * Makes guessing slow: who fails to log in waits, longer each time; the same for every protocol.
 *
 * Failures are counted for the address they come from (with IPv6 for its /64 and its /48), and for the name they are about. An address that fails too often
 * waits before it is heard again; a wrong answer about a name that is being guessed at takes longer. What must stay true:
 * the right password from another address, or from one where it was right before, waits for nobody's failures; nothing
 * here knows whether a name exists; memory and waits are bounded, and when they are used up the answer is "later".
 */
import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../api/clock.ts'
import { Proven, type ProvenClient, type ProvenState } from './proven.ts'

export interface AttemptLimits {
  /** Failures without a wait. */
  readonly free: number
  /** The first wait and the longest, in ms; each is twice the one before. */
  readonly delay: number
  readonly longest: number
  /** After so many ms without a failure all is forgotten. */
  readonly forget: number
  /** Addresses, and as many names, that are remembered. */
  readonly remembered: number
}

export interface Attempt {
  readonly address: string
  /** From an address that speaks for many: its failures are not its own. */
  readonly trusted: boolean
  /** Absent when the credentials name nobody. */
  readonly username: string | undefined
  /** What is shown, if it is known: who shows the same wrong password again is not guessing. */
  readonly shown?: string
}

/** One attempt that may be made now. */
export interface LoginAdmission {
  /** 0: this name has logged in from this network; 1: one of the two has; 2: neither. */
  readonly rank: 0 | 1 | 2
  /** Never rejects. */
  succeeded(): Promise<void>
  /** Resolves when the client may hear of it. */
  failed(): Promise<void>
}

export interface Attempts {
  /** Waits until the attempt may be made; undefined when it may not be made soon. */
  begin(attempt: Attempt): Promise<LoginAdmission | undefined>
  /** Nobody waits any longer. */
  close(): void
}

interface Failures {
  count: number
  last: number
  /** Nothing is heard before. */
  until: number
  /** The last few things shown that were wrong. */
  wrong: string[]
}

interface Counted {
  readonly failures: Failures
  readonly isNew: boolean
}

interface Client {
  /** The networks it belongs to, the smallest first: each of them is counted. */
  readonly networks: readonly [string, ...string[]]
  readonly name: string | undefined
}

/** Attempts that wait at a time. */
const WAITING = 1000
const WRONG = 4

/** Who failed and who did not; it outlives a reload. */
export interface AttemptState {
  readonly addresses: Map<string, Failures>
  readonly names: Map<string, Failures>
  readonly proven: ProvenState
  readonly secret: Buffer
}

export const createAttemptState = (): AttemptState => ({
  addresses: new Map(),
  names: new Map(),
  proven: new Map(),
  secret: randomBytes(32),
})

/** `proven`: where logins have succeeded; by default, as far as this process knows. */
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
      remembered: limits.remembered,
      secret: async () => state.secret,
    }),
  ) {
    this.#clock = clock
    this.#limits = limits
    this.#state = state
    this.#proven = proven
  }

  /** Names may be long, and passwords are not to be kept. */
  #markOf(text: string): string {
    return createHmac('sha256', this.#state.secret).update(text).digest('base64')
  }

  /** Kept in the order of use; the longest unused go first. */
  #keep<T>(map: Map<string, T>, name: string, value: T): void {
    map.delete(name)
    map.set(name, value)
    if (map.size > this.#limits.remembered) map.delete(map.keys().next().value as string)
  }

  #failuresOf(map: Map<string, Failures>, name: string): Failures {
    const found = map.get(name)
    if (found && this.#clock.now() - found.last <= this.#limits.forget) return found
    return { count: 0, last: 0, until: 0, wrong: [] }
  }

  #delayOf({ count }: Failures): number {
    return count <= this.#limits.free
      ? 0
      : Math.min(this.#limits.longest, this.#limits.delay * 2 ** (count - this.#limits.free - 1))
  }

  /** How long who fails so often has to wait. */
  #count(map: Map<string, Failures>, name: string, { failures, isNew }: Counted): number {
    if (isNew) failures.count++
    failures.last = this.#clock.now()
    const delay = this.#delayOf(failures)
    failures.until = Math.max(failures.until, failures.last + delay)
    this.#keep(map, name, failures)
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

  /** The turns of a network come one after the other; undefined when there are too many before. */
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

  /** Counts a failure; answers how long the client waits until it hears of it. */
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
 * Whose an address is: a host with IPv6 has all of its /64, and a customer of a provider usually has the /48 around it.
 * An IPv4 address in IPv6 form is the IPv4 address.
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
