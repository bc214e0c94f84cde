/**
 * The keywords in FLAGS when a mailbox is opened: those in use among its last messages, and those added since the last
 * look.
 *
 * Invariants: opening a mailbox again costs only its changes; the client learns of omitted keywords when a message
 * shows them.
 */
import { Cache } from 'iems'
import type { MailStoreApi } from '../../mailbox/store/api.ts'
import type { View } from './view.ts'

export interface Keywords {
  of(mail: MailStoreApi, view: View): Promise<readonly string[]>
}

/** Limits: messages examined, messages per counted change, keywords in FLAGS, cached mailboxes. */
const LAST = 500
const CHANGE = 20
const TOLD = 500
const MAILBOXES = 1000

interface Known {
  readonly modseq: number
  readonly words: ReadonlySet<string>
}

export function createKeywords(): Keywords {
  const all = new Cache<Known>({ max: MAILBOXES })

  async function lastOf(mail: MailStoreApi, view: View): Promise<Set<string>> {
    const words = new Set<string>()
    const from = view.uidOf(Math.max(1, view.count - LAST + 1)) ?? 1
    for await (const { flags } of mail.entries(view.mailbox, [[from, view.mailbox.uidNext]])) take(words, flags)
    return words
  }

  function take(words: Set<string>, flags: readonly string[]): void {
    for (const flag of flags) if (!flag.startsWith('\\') && words.size < TOLD) words.add(flag)
  }

  async function read(mail: MailStoreApi, view: View): Promise<Set<string>> {
    const { mailbox } = view
    // A mailbox from before keywords were counted may have some: messages show them.
    if (mailbox.keywords === 0) return new Set()
    const before = all.get(mailbox.id)
    const changed = (mailbox.modseq - (before?.modseq ?? 0)) * CHANGE
    if (!before || changed > Math.min(view.count, LAST)) return lastOf(mail, view)
    const words = new Set(before.words)
    const changes = before.modseq < mailbox.modseq ? await mail.changes(mailbox, before.modseq) : undefined
    if (changes && !('refused' in changes)) for (const { flags } of changes.changed) take(words, flags)
    return words
  }

  return {
    async of(mail, view) {
      const { id, modseq } = view.mailbox
      const words = await read(mail, view)
      all.set(id, { modseq, words })
      return [...words]
    },
  }
}
