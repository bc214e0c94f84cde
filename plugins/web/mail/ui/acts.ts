/**
 * Actions on conversations, each shown with its undo.
 */
import { t } from '../../app/ui/language.ts'
import { moveTo, moveToRole, setKeyword } from '../store/actions.ts'
import type { Application } from './application.ts'
import { mailboxName } from './format.ts'

export interface Acts {
  archive(threadIds: readonly string[]): void
  trash(threadIds: readonly string[]): void
  junk(threadIds: readonly string[]): void
  move(threadIds: readonly string[], mailboxId: string): void
  star(threadIds: readonly string[], isSet: boolean): void
  read(threadIds: readonly string[], isSet: boolean): void
}

/** `onGone` hears of conversations that leave the list. */
export function createActs({ store, perform, say }: Application, onGone: (threadIds: readonly string[]) => void): Acts {
  const toRole = (role: string, done: string) => (threadIds: readonly string[]) => {
    if (threadIds.length === 0) return
    const here = store.list?.key
    if (here?.kind === 'mailbox' && store.mailboxes.get(here.id)?.role === role) return
    const action = moveToRole(store, threadIds, role)
    onGone(threadIds)
    void perform(action, t(done, { count: threadIds.length }))
  }
  /** Needs no undo: the same key reverts it. */
  const quietly = (action: Promise<unknown>) =>
    void action.catch((cause: Error) => say({ text: t('failed', { why: cause.message }), isError: true }))
  return {
    archive: toRole('archive', 'done.archived'),
    trash: toRole('trash', 'done.deleted'),
    junk: toRole('junk', 'done.junked'),
    move(threadIds, mailboxId) {
      const mailbox = store.mailboxes.get(mailboxId)
      const action = moveTo(store, threadIds, mailboxId)
      onGone(threadIds)
      void perform(action, t('done.moved', { count: threadIds.length, name: mailbox ? mailboxName(mailbox) : '' }))
    },
    star: (threadIds, isSet) => quietly(setKeyword(store, threadIds, { keyword: '$flagged', isSet })),
    read: (threadIds, isSet) => quietly(setKeyword(store, threadIds, { keyword: '$seen', isSet })),
  }
}
