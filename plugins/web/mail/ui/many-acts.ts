/**
 * Actions on all conversations of a list, with their progress, a way to stop them, and their undo.
 */
import { t } from '../../app/ui/language.ts'
import { mailboxWithRole } from '../store/actions.ts'
import { changeAll, destroyAll, type ManyChange, type ManyWatch } from '../store/many.ts'
import { reasonOf } from './acts.ts'
import type { Application } from './application.ts'

export interface ManyActs {
  move(mailboxId: string): void
  moveToRole(role: string): void
  read(): void
  /** Permanently, after a question. */
  destroy(): void
}

/** `onStart` hears that an action begins. */
export function createManyActs({ store, say, ask }: Application, onStart: () => void): ManyActs {
  /** Says how far it is, and what came of it. */
  const watched = async (run: (watch: ManyWatch) => Promise<void>) => {
    const stopper = new AbortController()
    const stop = () => stopper.abort()
    onStart()
    try {
      await run({
        signal: stopper.signal,
        progress: (done, count) => say({ text: t('many.progress', { done, count }), stop }),
      })
    } catch (cause) {
      say({ text: reasonOf(cause as Error), isError: true })
    }
  }
  const change = (given: () => Promise<ManyChange>) =>
    void watched(async (watch) => {
      const { done, undo } = await changeAll(store, await given(), watch)
      say({ text: t(watch.signal.aborted ? 'many.stopped' : 'many.done', { count: done }), undo })
    })
  const moving = (mailboxId: string): ManyChange => ({
    patchOf: ({ mailboxIds }) => {
      if (mailboxIds[mailboxId] && Object.keys(mailboxIds).length === 1) return undefined
      return [{ mailboxIds: { [mailboxId]: true } }, { mailboxIds }]
    },
  })
  return {
    move: (mailboxId) => change(async () => moving(mailboxId)),
    moveToRole: (role) => change(async () => moving(await mailboxWithRole(store, role))),
    read: () =>
      change(async () => ({
        patchOf: ({ keywords }) =>
          keywords.$seen ? undefined : [{ 'keywords/$seen': true }, { 'keywords/$seen': null }],
      })),
    destroy: () =>
      ask({
        title: t('delete.forever.ask', { count: store.list?.total ?? 0 }),
        text: t('delete.forever.text'),
        action: t('delete.forever'),
        run: () =>
          void watched(async (watch) => {
            const count = await destroyAll(store, watch)
            say({ text: t(watch.signal.aborted ? 'many.stopped' : 'done.removed', { count }) })
          }),
      }),
  }
}
