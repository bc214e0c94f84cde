/**
 * Messages that clients put into mailboxes: all of one command, or none.
 */
import type { ContentStore, StagedContent } from 'iems'
import { type ChangeAccount, isRefused } from './account-transactions.ts'
import type { MailboxRef, NewMessage, Or } from './api.ts'
import { addAppended } from './emails.ts'
import { addEntries } from './entries.ts'
import { readFlags } from './flags.ts'
import { type Head, readHead } from './head.ts'
import type { Limits } from './limits.ts'
import { readMailbox, refused } from './mailbox.ts'

export interface AppendDeps {
  readonly contents: ContentStore
  readonly changeAccount: ChangeAccount
  now(): number
  limitsOf(account: string): Promise<Limits>
  /** Octets of one message. */
  readonly maxSize: number
  /** Different keywords of one mailbox. */
  readonly maxKeywords: number
}

type Given = Iterable<NewMessage> | AsyncIterable<NewMessage>

interface Staged extends Omit<NewMessage, 'content'> {
  readonly one: StagedContent
  head: Head
}

export class TooBig extends Error {}

export async function* limited(content: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const chunk of content) {
    size += chunk.byteLength
    if (size > most) throw new TooBig()
    yield chunk
  }
}

export function createAppend(parts: AppendDeps) {
  const { contents, changeAccount, now, limitsOf, maxSize, maxKeywords } = parts

  async function stageAll(given: Given, staged: Staged[]): Promise<void> {
    for await (const { content, ...words } of given) {
      const message: Staged = { ...words, one: await contents.stage(limited(content, maxSize)), head: { thread: '' } }
      staged.push(message)
      message.head = await readHead(message.one.content, message.one.open)
    }
  }

  return async function append(
    ref: MailboxRef,
    given: Given,
  ): Or<{ readonly uidValidity: number; readonly uids: readonly number[] }> {
    const staged: Staged[] = []
    let isKept = false
    try {
      await stageAll(given, staged)
      const limits = await limitsOf(ref.account)
      const done = await changeAccount(ref.account, async (change) => {
        const at = now()
        const entries = staged.map(({ one, head, flags = [], received = at, uid }) => ({
          email: addAppended(change, one, head.digest),
          thread: head.thread,
          flags: readFlags(flags),
          received,
          saved: at,
          size: one.content.size,
          ...(uid === undefined ? {} : { uid }),
        }))
        for (const { email } of entries) change.index(email)
        const keywords = { most: maxKeywords, excess: 'refuse' } as const
        const uids = await addEntries(change, ref, entries, { limits, keywords })
        if (isRefused(uids)) return uids
        return { uidValidity: (await readMailbox(change, ref))?.uidValidity ?? 0, uids }
      })
      isKept = !isRefused(done)
      return done
    } catch (error) {
      if (error instanceof TooBig) return refused('TOOBIG', 'The message is too big')
      throw error
    } finally {
      if (!isKept) await Promise.all(staged.map(({ one }) => one.discard()))
    }
  }
}
