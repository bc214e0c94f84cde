/**
 * Signals: typed hints between kernels on one store, so that a change made by one is noticed by the others soon.
 *
 * Invariants: a signal is never the truth, which is in the store: it may be missed, merged with an equal one, or come
 * twice, and a receiver that acts on it looks at the store. Publishing never fails and never waits. A value that is too
 * large or cannot be read is received as `undefined`, which means "look for yourself".
 */
import { reasonOf } from '../api/errors.ts'
import { HINT_MAX_OCTETS, type Store } from '../store/store.ts'
import type { Log } from './log.ts'

declare const carried: unique symbol

/** What a signal is known by; T is what it carries, as JSON. */
export interface Signal<T> {
  readonly name: string
  readonly [carried]?: T
}

/**
 * A token for a signal that carries a T, which must survive JSON. Declare it in `api.ts`, so that other plugins can
 * subscribe; the name begins with the plugin's: `defineSignal<{ account: string }>('mailstore:changed')`.
 */
export function defineSignal<T>(name: string): Signal<T> {
  if (!/^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*$/.test(name)) throw new RangeError(`not a signal's name: ${name}`)
  return Object.freeze({ name })
}

export interface Signals {
  /** Sends a hint to every kernel on this store, this one included. More than 4 KiB of JSON are received as `undefined`. */
  publish<T>(signal: Signal<T>, value: T): void
  /**
   * Calls `receive` for each hint until the plugin is closed or the returned function is called. `undefined`: hints were
   * lost, so that anything may have changed.
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
      const text = Buffer.from(JSON.stringify(value))
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

/** Another version's kernel may write what this one cannot read. */
function read<T>(hint: Uint8Array): T | undefined {
  try {
    return JSON.parse(Buffer.from(hint).toString()) as T
  } catch {
    return undefined
  }
}
