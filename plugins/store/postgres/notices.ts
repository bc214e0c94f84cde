/**
 * Hints between servers over LISTEN and NOTIFY, on a connection of their own: they cost commits nothing.
 *
 * Invariants: hints within this process do not wait for the database; when the connection was lost, every listener is
 * notified that hints may be missing; a hint that cannot be sent is dropped, because a hint is never authoritative.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { createHints, createPending, HINT_MAX_OCTETS, type Store, type Value } from 'iems'
import type { Connections } from './connections.ts'
import { quoted, type Session } from './session.ts'

/** Octets that PostgreSQL accepts as one payload. */
const MAX_PAYLOAD = 7900
/** Between two attempts to listen again, ms. */
const AGAIN_MS = { first: 100, most: 5000 }
/** Notices that wait to be sent; more are dropped, and their listeners are notified. */
const MAX_WAITING = 1000

interface Watcher {
  readonly prefix: string
  readonly wake: (lane: string, at: number) => void
}

/** From, kind (`h` for a hint, `w` for a lane), topic or lane, hint in base64 or time; `-` for no hint. */
type Notice = readonly [from: string, kind: 'h' | 'w', what: string, value: string]

export class Notices implements Pick<Store, 'publish' | 'subscribe' | 'watch'> {
  readonly #connections: Connections
  readonly #channel: string
  readonly #own = randomUUID()
  readonly #hints = createHints()
  readonly #topics = new Map<string, number>()
  readonly #watchers = new Set<Watcher>()
  readonly #outgoing = createPending((topic, hint) => this.#sendHint(topic, hint))
  readonly #closing = new AbortController()
  readonly #listening: Promise<void>
  /** Resolves when hints of other servers are heard, or when the first attempt at that has failed. */
  readonly ready: Promise<void>
  #session: Session | undefined
  #waiting: string[] = []
  #sending: Promise<void> | undefined

  constructor(connections: Connections, schema: string) {
    this.#connections = connections
    this.#channel = `iems_${schema}`
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ready = promise
    this.#listening = this.#listen(resolve)
  }

  publish(topic: string, hint: Value | undefined): void {
    this.#hints.publish(topic, hint)
    if (!this.#closing.signal.aborted) this.#outgoing.add(topic, hint)
  }

  subscribe(topic: string, hear: (hint: Value | undefined) => void): () => void {
    const end = this.#hints.subscribe(topic, hear)
    this.#topics.set(topic, (this.#topics.get(topic) ?? 0) + 1)
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      end()
      const left = (this.#topics.get(topic) ?? 1) - 1
      if (left > 0) this.#topics.set(topic, left)
      else this.#topics.delete(topic)
    }
  }

  watch(prefix: string, wake: Watcher['wake']): () => void {
    const watcher = { prefix, wake }
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** Something was scheduled here. */
  woken(lanes: ReadonlyMap<string, number>): void {
    for (const [lane, at] of lanes) {
      this.#wake(lane, at)
      this.#send(['w', lane, String(at)])
    }
  }

  async close(): Promise<void> {
    this.#outgoing.flush()
    this.#closing.abort()
    this.#hints.close()
    this.#watchers.clear()
    await this.#sending
    await this.#session?.close()
    await this.#listening
  }

  #wake(lane: string, at: number): void {
    for (const { prefix, wake } of this.#watchers) {
      try {
        if (lane.startsWith(prefix)) wake(lane, at)
      } catch (cause) {
        process.emitWarning(cause instanceof Error ? cause : String(cause))
      }
    }
  }

  // --- in ---

  async #listen(isReady: () => void): Promise<void> {
    const { signal } = this.#closing
    let isFirst = true
    for (let wait = AGAIN_MS.first; !signal.aborted; ) {
      try {
        const session = await this.#connections.open()
        session.listen((payload) => this.#receive(payload))
        await session.run(`listen ${quoted(this.#channel)}; set synchronous_commit = off`)
        this.#session = session
        // Hints that were sent before this moment have been missed.
        if (!isFirst) for (const topic of this.#topics.keys()) this.#hints.publish(topic, undefined)
        isFirst = false
        isReady()
        wait = AGAIN_MS.first
        this.#flush()
        if (signal.aborted) await session.close()
        await session.ended
      } catch {
        // Reads and writes report the error of the database.
      }
      this.#session = undefined
      isFirst = false
      isReady()
      await delay(wait, undefined, { signal, ref: false }).catch(() => {})
      wait = Math.min(2 * wait, AGAIN_MS.most)
    }
  }

  #receive(payload: string): void {
    const notice = readNotice(payload)
    if (!notice) return
    const [from, kind, what, value] = notice
    if (from === this.#own) return
    if (kind === 'w') this.#wake(what, Number(value))
    else
      this.#hints.publish(what, value === '-' ? undefined : Buffer.from(value, 'base64').subarray(0, HINT_MAX_OCTETS))
  }

  // --- out ---

  #sendHint(topic: string, hint: Value | undefined): void {
    const isSent = this.#send(['h', topic, hint ? Buffer.from(hint).toString('base64') : '-'])
    if (!isSent) this.#send(['h', topic, '-'])
  }

  /** False: it is too long. */
  #send([kind, what, value]: readonly [Notice[1], string, string]): boolean {
    const payload = JSON.stringify([this.#own, kind, what, value])
    if (Buffer.byteLength(payload) > MAX_PAYLOAD) return false
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(payload)
    this.#flush()
    return true
  }

  #flush(): void {
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined
    })
  }

  async #sendAll(): Promise<void> {
    // In the next turn, with what else this one sends.
    await undefined
    while (this.#waiting.length > 0 && this.#session && !this.#session.isOver) {
      const payloads = [...new Set(this.#waiting)]
      this.#waiting = []
      await this.#session
        .run({
          name: 'notify',
          text: 'select pg_notify($1, payload) from unnest($2::text[]) payload',
          values: [this.#channel, payloads],
        })
        .catch(() => {})
    }
  }
}

/** Another version's server may send what this one cannot read. */
function readNotice(payload: string): Notice | undefined {
  try {
    const parts = JSON.parse(payload) as unknown
    const isNotice = Array.isArray(parts) && parts.length === 4 && parts.every((part) => typeof part === 'string')
    return isNotice ? (parts as unknown as Notice) : undefined
  } catch {
    return undefined
  }
}
