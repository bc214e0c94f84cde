/**
 * Who wants to hear at once that an account's mailboxes changed: idling and selected sessions.
 */
import type { Log } from 'iems'

type Watcher = (mailboxes: readonly string[]) => void

export function createWatchers(log: Log) {
  const watchers = new Map<string, Set<Watcher>>()
  return {
    watch(account: string, changed: Watcher): () => void {
      const all = watchers.get(account) ?? new Set()
      watchers.set(account, all.add(changed))
      return () => {
        if (all.delete(changed) && all.size === 0) watchers.delete(account)
      }
    },
    tell(account: string, mailboxes: ReadonlySet<string>): void {
      const ids = [...mailboxes]
      for (const changed of watchers.get(account) ?? []) {
        try {
          changed(ids)
        } catch (cause) {
          // One session's fault is not another's.
          log.error('a watcher failed', { cause })
        }
      }
    },
  }
}
