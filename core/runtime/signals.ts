/**
 * Signals: typed hints between kernels on one store, so that the others notice a change soon.
 *
 * Invariants: the store holds the truth, a signal never does: it may be lost, merged with an equal one, or duplicated,
 * and its receiver reads the store. Publishing never fails and never waits. A value that is too large or unreadable is
 * received as `undefined`, which means "read the store".
 */

import { reasonOf } from '../api/errors.ts'
import { decodeRecord, encodeRecord } from '../store/record.ts'
import { HINT_MAX_OCTETS, type Store } from '../store/store.ts'
import type { Log } from './log.ts'

declare const carried: unique symbol

/** A signal's token; T is its value, as JSON. */
export interface Signal<T> {
  readonly name: string
  readonly [carried]?: T
}

/**
 * Defines the token of a signal with a value of type T, which must survive JSON. Declare it in `api.ts`, so that other
 * plugins can subscribe; the name begins with the plugin's: `defineSignal<{ account: string }>('mailstore:changed')`.
 */
export function defineSignal<T>(name: string): Signal<T> {
  if (!/^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*$/.test(name)) throw new RangeError(`not a signal's name: ${name}`)
  return Object.freeze({ name })
}

export interface Signals {
  /**
   * Sends a hint to every kernel on this store, including this one. Values of more than 4 KiB of JSON are received as
   * `undefined`.
   */
  publish<T>(signal: Signal<T>, value: T): void
  /**
   * Calls `receive` for each hint until the plugin is closed or the returned function is called. `undefined`: hints
   * were lost, so anything may have changed.
   */
  subscribe<T>(signal: Signal<T>, receive: (value: T | undefined) => void): () => void
}

export interface SignalsDeps {
  readonly store: Store
  readonly log: Log
  /** Ends every subscription. */
  readonly signal: AbortSignal
}

export function createSignals({ store, log, signal: gone }: SignalsDeps): Signals {
  return {
    publish({ name }, value) {
      const text = encodeRecord(value)
      store.publish(topicOf(name), text.length > HINT_MAX_OCTETS ? undefined : text)
    },
    subscribe<T>({ name }: Signal<T>, receive: (value: T | undefined) => void) {
      if (gone.aborted) return () => {}
      const end = store.subscribe(topicOf(name), (hint) => {
        try {
          receive(hint && read<T>(hint))
        } catch (cause) {
          log.error('a listener for a signal failed', { name, cause: reasonOf(cause) })
        }
      })
      gone.addEventListener('abort', end, { once: true })
      return () => {
        gone.removeEventListener('abort', end)
        end()
      }
    },
  }
}

const topicOf = (name: string): string => `s/${name}`

/** A kernel of another version may publish values that this one cannot read. */
function read<T>(hint: Uint8Array): T | undefined {
  try {
    return decodeRecord<T>(hint)
  } catch {
    return undefined
  }
}
