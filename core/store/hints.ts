/**
 * Hints within one process: what `publish` and `subscribe` are for a store that one process has. All kernels that share
 * the store object hear each other.
 *
 * Invariants: `publish` never runs a listener itself, so a publisher cannot be hurt or delayed by one; equal hints of
 * one turn of the event loop are delivered once; what waits is bounded, and when hints are dropped their listeners hear
 * `undefined`.
 */
import { HINT_MAX_OCTETS, type Store, type Value } from './store.ts'

/** Different hints of one topic that one turn delivers; more of them become one "look for yourself". */
const MAX_PENDING = 1000

type Listener = (hint: Value | undefined) => void

export interface Hints extends Pick<Store, 'publish' | 'subscribe'> {
  /** Drops what waits and every listener. */
  close(): void
}

/** Hints that wait for the end of this turn of the event loop, merged and bounded. */
export interface Pending {
  add(topic: string, hint: Value | undefined): void
  /** Delivers what waits, now. */
  flush(): void
  clear(): void
}

export function createPending(deliver: (topic: string, hint: Value | undefined) => void): Pending {
  /** By topic, by the hint's octets; undefined: too many, or the publisher has lost count. */
  let pending = new Map<string, Map<string, Value> | undefined>()

  function flush() {
    const due = pending
    pending = new Map()
    for (const [topic, hints] of due) for (const hint of hints?.values() ?? [undefined]) deliver(topic, hint)
  }

  return {
    add(topic, hint) {
      if (pending.size === 0) setImmediate(flush)
      const known = pending.has(topic) ? pending.get(topic) : new Map<string, Value>()
      if (!hint || !known || known.size >= MAX_PENDING) pending.set(topic, undefined)
      else pending.set(topic, known.set(Buffer.from(hint).toString('latin1'), hint))
    },
    flush,
    clear: () => pending.clear(),
  }
}

/** Throws RangeError when the hint is too large. */
export function requireSmall(hint: Value | undefined): void {
  if (hint !== undefined && hint.byteLength > HINT_MAX_OCTETS)
    throw new RangeError(`a hint has at most ${HINT_MAX_OCTETS} octets`)
}

export function createHints(): Hints {
  const listeners = new Map<string, Set<Listener>>()
  let closed = false
  const pending = createPending((topic, hint) => {
    for (const listener of [...(listeners.get(topic) ?? [])]) hear(listener, hint)
  })

  return {
    publish(topic, hint) {
      requireSmall(hint)
      if (!closed && listeners.has(topic)) pending.add(topic, hint)
    },
    subscribe(topic, hear) {
      // A function of its own, so that the same listener may subscribe twice.
      const listener: Listener = (hint) => hear(hint)
      const ofTopic = listeners.get(topic) ?? new Set()
      listeners.set(topic, ofTopic.add(listener))
      return () => {
        if (ofTopic.delete(listener) && ofTopic.size === 0) listeners.delete(topic)
      }
    },
    close() {
      closed = true
      pending.clear()
      listeners.clear()
    },
  }
}

/** A listener that throws is its owner's fault: the others still hear the hint. */
function hear(listener: Listener, hint: Value | undefined) {
  try {
    listener(hint)
  } catch (cause) {
    emitWarning(cause)
  }
}

export function emitWarning(cause: unknown): void {
  process.emitWarning(cause instanceof Error ? cause : String(cause))
}
