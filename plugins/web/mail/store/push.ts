/**
 * Pushes: an EventSource that is opened again with growing pauses, and a look at the server after each pause.
 */
import type { MailStore } from './mail-store.ts'

const FIRST_PAUSE_MS = 1000
const MAX_PAUSE_MS = 60_000

/** The used part of EventSource. */
export interface Events {
  addEventListener(type: 'open' | 'error' | 'state', listener: () => void): void
  close(): void
}

export interface PushOptions {
  /** Further stores of the same login. */
  others?(): readonly MailStore[]
  open(): Events
  /** Answers how to cancel. */
  after(ms: number, run: () => void): () => void
}

/** Keeps the store live. The answer stops. */
export function keepLive(
  store: MailStore,
  { open, after, others = () => [] }: PushOptions,
): { retry(): void; stop(): void } {
  let events: Events | undefined
  let pause = FIRST_PAUSE_MS
  let cancel = () => {}
  const look = () => {
    for (const one of [store, ...others()]) void one.sync()
  }
  const connect = () => {
    cancel()
    events?.close()
    events = open()
    events.addEventListener('open', () => {
      pause = FIRST_PAUSE_MS
      store.setStatus('live')
      look()
    })
    events.addEventListener('state', look)
    events.addEventListener('error', () => {
      events?.close()
      if (store.status === 'login') return
      store.setStatus('offline')
      // A login that has ended shows in the answer to a look.
      void store.sync()
      cancel = after(pause, connect)
      pause = Math.min(pause * 2, MAX_PAUSE_MS)
    })
  }
  connect()
  return {
    retry: connect,
    stop() {
      cancel()
      events?.close()
    },
  }
}
