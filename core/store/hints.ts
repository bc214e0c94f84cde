/**
 * `publish` and `subscribe` within one process. All kernels that share the store object receive each other's hints.
 *
 * Invariants: `publish` never runs a listener itself, so a listener can neither delay nor break a publisher; equal
 * hints in one turn of the event loop are delivered once; pending hints are bounded, and when some are dropped the
 * listeners receive `undefined`.
 */
import { HINT_MAX_OCTETS, type Store, type Value } from './store.ts'

/** Maximum distinct hints of a topic per turn; more are replaced by one `undefined`. */
const MAX_PENDING = 1000

type Listener = (hint: Value | undefined) => void

export interface Hints extends Pick<Store, 'publish' | 'subscribe'> {
  /** Drops pending hints and all listeners. */
  close(): void
}

/** Hints that are pending until the end of this turn of the event loop, merged and bounded. */
export interface Pending {
  add(topic: string, hint: Value | undefined): void
  /** Delivers pending hints at once. */
  flush(): void
  clear(): void
}

export function createPending(deliver: (topic: string, hint: Value | undefined) => void): Pending {
  /** By topic, then by the hint's octets; undefined: too many, or the publisher lost some. */
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
      // A new function each time, so that the same listener may subscribe twice.
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

/** A throw in a listener does not keep the hint from the others. */
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
