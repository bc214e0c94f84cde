/**
 * Notifies sessions at once of changes in an account's mailboxes, by this kernel or another on the store.
 *
 * Invariants: changes of this kernel are reported after their commit; those of others by a signal or, when signals are
 * lost, by comparing modseqs of the watched accounts at least once a minute.
 */
import { randomUUID } from 'node:crypto'
import type { Log, SetupContext, Store } from 'iems'
import { Changed } from './api.ts'
import { type AccountRecord, accountKey, decode, type MailboxRecord, mailboxesOf, readMailboxId } from './records.ts'

type Watcher = (mailboxes: readonly string[]) => void

/** More mailboxes than this are not named in a signal, which is small. */
const MAX_NAMED = 50
const LOOK_MS = 60_000

interface Watched {
  readonly watchers: Set<Watcher>
  /** The account's modseq at the last check; undefined before the first. */
  modseq: number | undefined
}

export function createWatchers({ store, signals, log, repeat }: SetupContext) {
  const accounts = new Map<string, Watched>()
  const self = randomUUID()

  signals.subscribe(Changed, (hint) => {
    if (hint?.by === self) return
    if (hint?.mailboxes) notify(accounts.get(hint.account), hint.mailboxes, log)
    else look(hint ? [hint.account] : [...accounts.keys()]).catch((cause: unknown) => log.warn('not looked', { cause }))
  })
  repeat(LOOK_MS, 'the look for changes by other servers', () => look([...accounts.keys()]))

  /** Reports changes since the last check of the accounts. */
  async function look(names: readonly string[]): Promise<void> {
    for (const account of names) {
      const watched = accounts.get(account)
      if (!watched) continue
      const modseq = await modseqOf(store, account)
      const since = watched.modseq
      watched.modseq = modseq
      if (since !== undefined && modseq > since) notify(watched, await changedSince(store, account, since), log)
    }
  }

  return {
    watch(account: string, changed: Watcher): () => void {
      const watched = accounts.get(account) ?? { watchers: new Set(), modseq: undefined }
      accounts.set(account, watched)
      // A new function each time, so that the same watcher may watch twice.
      const watcher: Watcher = (mailboxes) => changed(mailboxes)
      watched.watchers.add(watcher)
      if (watched.modseq === undefined) look([account]).catch((cause: unknown) => log.warn('not looked', { cause }))
      return () => {
        if (watched.watchers.delete(watcher) && watched.watchers.size === 0) accounts.delete(account)
      }
    },
    /** This kernel has changed an account's mailboxes. */
    tell(account: string, mailboxes: ReadonlySet<string>): void {
      const ids = [...mailboxes]
      notify(accounts.get(account), ids, log)
      if (ids.length > 0)
        signals.publish(Changed, { account, by: self, ...(ids.length <= MAX_NAMED ? { mailboxes: ids } : {}) })
    },
  }
}

function notify(watched: Watched | undefined, mailboxes: readonly string[], log: Log): void {
  for (const changed of watched?.watchers ?? []) {
    try {
      changed(mailboxes)
    } catch (cause) {
      // One session's fault is not another's.
      log.error('a watcher failed', { cause })
    }
  }
}

async function modseqOf(store: Store, account: string): Promise<number> {
  const value = await store.get(accountKey(account))
  return value ? decode<AccountRecord>(value).modseq : 0
}

async function changedSince(store: Store, account: string, modseq: number): Promise<string[]> {
  const ids: string[] = []
  for await (const [at, value] of store.scan(mailboxesOf(account))) {
    const record = decode<MailboxRecord>(value)
    if (Math.max(record.modseq, record.noted ?? 0) > modseq) ids.push(readMailboxId(at))
  }
  return ids
}
