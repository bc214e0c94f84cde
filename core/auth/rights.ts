/**
 * Revokes rights promptly: checks the identities of open sessions again when one may have changed.
 *
 * The signal is a hint from any kernel on this store and may be missed; the interval covers that. Invariants: an
 * invalid identity ends its session; an identity that cannot be checked changes nothing; any number of hints causes one
 * check of each session.
 */
import type { Clock } from '../api/clock.ts'
import { defineSignal, type Signals } from '../runtime/signals.ts'

/** Published by a source of accounts after every change that may end or change an identity. */
export const IdentityChanged = defineSignal<Record<string, never>>('kernel:identity-changed')

export interface Rights {
  /** Calls `recheck`, which must not fail, repeatedly until the returned function is called. */
  watch(recheck: () => Promise<void>): () => void
  /** Stops checking. */
  close(): void
}

/** The sessions to check; they may outlive the kernel that opened them. */
export type Watched = Set<() => Promise<void>>
export const createWatched = (): Watched => new Set()

interface RightsDeps {
  readonly signals: Signals
  readonly clock: Clock
  /** Milliseconds between checks without a hint. */
  readonly interval: number
  readonly watched: Watched
}

export function createRights({ signals, clock, interval, watched }: RightsDeps): Rights {
  let isLooking = false
  let isHinted = false
  let isClosed = false
  let cancel: (() => void) | undefined

  async function look(): Promise<void> {
    isHinted = true
    if (isLooking) return
    isLooking = true
    while (isHinted) {
      isHinted = false
      for (const recheck of watched) await recheck()
    }
    isLooking = false
  }

  function schedule(): void {
    if (isClosed) return
    cancel ??= clock.after(interval, () => {
      cancel = undefined
      if (watched.size === 0) return
      schedule()
      void look()
    })
  }

  function close(): void {
    isClosed = true
    cancel?.()
    cancel = undefined
  }

  signals.subscribe(IdentityChanged, () => void look())
  if (watched.size > 0) schedule()
  return {
    close,
    watch(recheck) {
      watched.add(recheck)
      schedule()
      return () => {
        watched.delete(recheck)
        if (watched.size > 0) return
        cancel?.()
        cancel = undefined
      }
    },
  }
}
