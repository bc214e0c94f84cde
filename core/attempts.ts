/**
 * Makes guessing slow: who fails to log in waits, longer each time; the same for every protocol.
 *
 * Failures are counted for the address they come from, and for the name they are about. An address that fails too often
 * waits before it is heard again; a wrong answer about a name that is being guessed at takes longer. What must stay true:
 * the right password from another address, or from one where it was right before, waits for nobody's failures; nothing
 * here knows whether a name exists; memory and waits are bounded, and when they are used up the answer is "later".
 */
import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from './plugin.ts'

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
export interface Turn {
  succeeded(): void
  /** Resolves when the client may hear of it. */
  failed(): Promise<void>
}

export interface Attempts {
  /** Waits until the attempt may be made; undefined when it may not be made soon. */
  begin(attempt: Attempt): Promise<Turn | undefined>
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

/** Attempts that wait at a time. */
const WAITING = 1000
const WRONG = 4

export function createAttempts(clock: Clock, limits: AttemptLimits): Attempts {
  const addresses = new Map<string, Failures>()
  const names = new Map<string, Failures>()
  /** Where a name was right: not slowed down by others there. */
  const proven = new Map<string, true>()
  const secret = randomBytes(32)
  /** Names may be long, and passwords are not to be kept. */
  const markOf = (text: string) => createHmac('sha256', secret).update(text).digest('base64')
  const waiting = new Set<() => void>()
  let isClosed = false

  /** Kept in the order of use; the longest unused go first. */
  function keep<T>(map: Map<string, T>, name: string, value: T): void {
    map.delete(name)
    map.set(name, value)
    if (map.size > limits.remembered) map.delete(map.keys().next().value as string)
  }

  function failuresOf(map: Map<string, Failures>, name: string): Failures {
    const found = map.get(name)
    if (found && clock.now() - found.last <= limits.forget) return found
    return { count: 0, last: 0, until: 0, wrong: [] }
  }

  const delayOf = ({ count }: Failures) =>
    count <= limits.free ? 0 : Math.min(limits.longest, limits.delay * 2 ** (count - limits.free - 1))

  /** How long who fails so often has to wait. */
  function count(map: Map<string, Failures>, name: string, { failures, isNew }: Counted): number {
    if (isNew) failures.count++
    failures.last = clock.now()
    const delay = delayOf(failures)
    failures.until = Math.max(failures.until, failures.last + delay)
    keep(map, name, failures)
    return delay
  }

  async function wait(ms: number): Promise<void> {
    if (ms <= 0 || isClosed || waiting.size >= WAITING) return
    await new Promise<void>((resolve) => {
      const wake = () => {
        waiting.delete(wake)
        cancel()
        resolve()
      }
      const cancel = clock.after(ms, wake)
      waiting.add(wake)
    })
  }

  /** An address's turns come one after the other; undefined when there are too many before. */
  function waitOf(from: Failures): number | undefined {
    const now = clock.now()
    const delay = delayOf(from)
    if (delay === 0) return 0
    const start = Math.max(now, from.until)
    if (start - now > limits.longest || waiting.size >= WAITING) return undefined
    from.until = start + delay
    return start - now
  }

  return {
    async begin({ address, trusted, username, shown }) {
      const network = networkOf(address)
      const name = username === undefined ? undefined : markOf(username.normalize('NFKC').toLowerCase())
      const pair = `${network} ${name}`
      if (!trusted && !(name !== undefined && proven.has(pair))) {
        const before = waitOf(failuresOf(addresses, network))
        if (before === undefined) return undefined
        await wait(before)
      }
      return {
        succeeded() {
          if (name !== undefined) keep(proven, pair, true)
        },
        async failed() {
          proven.delete(pair)
          const from = failuresOf(addresses, network)
          const mark = shown === undefined ? undefined : markOf(`${name} ${shown}`)
          const isNew = mark === undefined || !from.wrong.includes(mark)
          if (isNew && mark !== undefined) from.wrong = [mark, ...from.wrong].slice(0, WRONG)
          if (!trusted) count(addresses, network, { failures: from, isNew })
          if (name !== undefined) await wait(count(names, name, { failures: failuresOf(names, name), isNew }))
        },
      }
    },
    close() {
      isClosed = true
      for (const wake of [...waiting]) wake()
    },
  }
}

/** Whom an address belongs to: with IPv6 whoever has one has all of its /64. */
function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const groups = head.split(':')
  const rest = tail === undefined ? [] : tail.split(':')
  while (tail !== undefined && groups.length + rest.length < 8) groups.push('0')
  return groups
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, '') || '0')
    .join(':')
}
