/**
 * Rights end when they end: the identities of open sessions are asked about again when one of them may have changed.
 *
 * The signal is a hint from any kernel on this store and may be missed; the interval is the truth behind it. What must
 * stay true: an identity that no longer holds ends its session, and one that cannot be asked about changes nothing; a
 * flood of hints is one look at each session.
 */
import type { Clock } from '../api/clock.ts'
import { defineSignal, type Signals } from '../runtime/signals.ts'

/** Published by a source of accounts after every change that may end or change an identity. */
export const IdentityChanged = defineSignal<Record<string, never>>('kernel:identity-changed')

export interface Rights {
  /** Calls `recheck`, which never fails, again and again until the returned function is called. */
  watch(recheck: () => Promise<void>): () => void
  /** Looks no more. */
  close(): void
}

/** The sessions whose identities are looked at; they may outlive the kernel that opened them. */
export type Watched = Set<() => Promise<void>>
export const createWatched = (): Watched => new Set()

interface RightsDeps {
  readonly signals: Signals
  readonly clock: Clock
  /** Milliseconds between looks without a hint. */
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
