/**
 * Actions on conversations, each shown with its undo.
 */
import { t } from '../../app/ui/language.ts'
import { destroy, moveAcross, moveTo, moveToRole, setKeyword } from '../store/actions.ts'
import { Failure } from '../store/client.ts'
import type { Label } from '../store/labels.ts'
import { endSnooze, snooze } from '../store/snooze.ts'
import type { Application } from './application.ts'
import { mailboxName, soonTime } from './format.ts'

export interface Acts {
  /** The role of the list's mailbox: in Junk and Trash some actions are others. */
  readonly role: string | null
  archive(threadIds: readonly string[]): void
  /** In Trash: deletes them permanently, after a question. */
  trash(threadIds: readonly string[]): void
  /** In Junk: back to the Inbox. */
  junk(threadIds: readonly string[]): void
  move(threadIds: readonly string[], mailboxId: string): void
  snooze(threadIds: readonly string[], at: Date): void
  endSnooze(threadIds: readonly string[]): void
  label(threadIds: readonly string[], label: Label, isSet: boolean): void
  star(threadIds: readonly string[], isSet: boolean): void
  read(threadIds: readonly string[], isSet: boolean): void
}

/** Why the server refused, for the person. */
export const reasonOf = (cause: Error): string =>
  cause instanceof Failure && cause.type === 'forbidden' ? t('failed.forbidden') : t('failed', { why: cause.message })

/** Deletes conversations permanently, after a question. */
const destroying =
  ({ store, say, ask }: Application, onGone: (threadIds: readonly string[]) => void) =>
  (threadIds: readonly string[]): void => {
    if (threadIds.length === 0) return
    ask({
      title: t('delete.forever.ask', { count: threadIds.length }),
      text: t('delete.forever.text'),
      action: t('delete.forever'),
      run() {
        const done = destroy(store, threadIds)
        onGone(threadIds)
        done.then(
          () => say({ text: t('done.removed', { count: threadIds.length }) }),
          (cause: Error) => say({ text: reasonOf(cause), isError: true }),
        )
      },
    })
  }

/** `onGone` hears of conversations that leave the list. */
export function createActs(app: Application, onGone: (threadIds: readonly string[]) => void): Acts {
  const { store, home, shared, perform, say } = app
  const key = store.list?.key
  const here = key?.kind === 'mailbox' ? (store.mailboxes.get(key.id)?.role ?? null) : null
  const toRole = (role: string, done: string) => (threadIds: readonly string[]) => {
    if (threadIds.length === 0 || here === role) return
    const action = moveToRole(store, threadIds, role)
    onGone(threadIds)
    void perform(action, t(done, { count: threadIds.length }))
  }
  /** Needs no undo: the same key reverts it. */
  const quietly = (action: Promise<unknown>) =>
    void action.catch((cause: Error) => {
      // Deleted meanwhile, as when a conversation is deleted before it is marked as read.
      if (cause instanceof Failure && cause.type === 'notFound') return
      say({ text: reasonOf(cause), isError: true })
    })
  return {
    role: here,
    archive: toRole('archive', 'done.archived'),
    trash: here === 'trash' ? destroying(app, onGone) : toRole('trash', 'done.deleted'),
    junk: here === 'junk' ? toRole('inbox', 'done.not-junk') : toRole('junk', 'done.junked'),
    move(threadIds, mailboxId) {
      const target = [home, ...shared].find(({ mailboxes }) => mailboxes.has(mailboxId)) ?? store
      const mailbox = target.mailboxes.get(mailboxId)
      const action =
        target === store
          ? moveTo(store, threadIds, mailboxId)
          : moveAcross(store, threadIds, { store: target, mailboxId })
      onGone(threadIds)
      void perform(action, t('done.moved', { count: threadIds.length, name: mailbox ? mailboxName(mailbox) : '' }))
    },
    snooze(threadIds, at) {
      if (threadIds.length === 0) return
      const isLeaving = store.list?.key.kind === 'mailbox' && store.list.key.id !== store.withRole('snoozed')?.id
      const action = snooze(store, threadIds, at)
      if (isLeaving) onGone(threadIds)
      void perform(action, t('done.snoozed', { count: threadIds.length, when: soonTime(at.toISOString()) }))
    },
    endSnooze(threadIds) {
      const action = endSnooze(store, threadIds)
      onGone(threadIds)
      void perform(action, t('done.woken', { count: threadIds.length }))
    },
    label(threadIds, label, isSet) {
      const action = setKeyword(store, threadIds, { keyword: label.keyword, isSet })
      const text = t(isSet ? 'done.labelled' : 'done.unlabelled', { count: threadIds.length, name: label.name })
      void perform(action, text)
    },
    star: (threadIds, isSet) => quietly(setKeyword(store, threadIds, { keyword: '$flagged', isSet })),
    read: (threadIds, isSet) => quietly(setKeyword(store, threadIds, { keyword: '$seen', isSet })),
  }
}
