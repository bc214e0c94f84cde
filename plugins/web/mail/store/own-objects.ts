/**
 * Objects of this server's own types: labels, and when snoozed conversations come back.
 */
import type { Call, Json } from './client.ts'
import { byName, type Label } from './labels.ts'

/** When a conversation comes back, and the mailbox that it was in. */
export interface Snooze {
  readonly threadId: string
  readonly mailboxId: string
  /** UTCDate. */
  readonly until: string
}

/** An update that is not an `Email/set`. */
export interface OtherUpdate {
  readonly calls: readonly Call[]
  /** Undefined: no longer snoozed. */
  readonly snoozes: ReadonlyMap<string, Snooze | undefined>
}

/** The calls whose answers `set` takes. */
export const OWN_TYPES: readonly Call[] = [
  ['EmailLabel/get', { ids: null }],
  ['ConversationSnooze/get', { ids: null }],
]

export class OwnObjects {
  /** In order of name. */
  labels: readonly Label[] = []
  /** By thread. */
  readonly snoozes = new Map<string, Snooze>()

  set(labels: Json | undefined, snoozes: Json | undefined): void {
    this.setLabels(labels?.list ?? [])
    this.snoozes.clear()
    for (const snooze of (snoozes?.list ?? []) as Snooze[]) this.snoozes.set(snooze.threadId, snooze)
  }

  setLabels(list: readonly Label[]): void {
    this.labels = [...list].sort(byName)
  }

  setSnoozes(changes: OtherUpdate['snoozes']): void {
    for (const [id, snooze] of changes)
      if (snooze) this.snoozes.set(id, snooze)
      else this.snoozes.delete(id)
  }
}
