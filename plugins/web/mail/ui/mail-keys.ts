/** The keys of the list and the open conversation, as in Gmail. */
import type { Acts } from './acts.ts'
import type { Application } from './application.ts'
import { useKeys } from './keys.ts'
import type { ManyActs } from './many-acts.ts'
import { go } from './route.ts'

export interface KeyTargets {
  readonly app: Application
  readonly acts: Acts
  readonly many: ManyActs
  /** Whether all conversations of the list are selected. */
  readonly isAll: boolean
  readonly inboxId: string | undefined
  /** The open conversation. */
  readonly threadId: string | undefined
}

export interface KeyMoves {
  /** The selected conversations, or the open one, or the active row. */
  aimed(): readonly string[]
  current(): string | undefined
  step(by: number): void
  open(): void
  back(): void
  toggle(threadId: string): void
}

export function useMailKeys(targets: KeyTargets, help: () => void, moves: KeyMoves): void {
  const { app, acts, many, isAll, inboxId, threadId } = targets
  const { store } = app
  const answer = (kind: 'reply' | 'reply-all' | 'forward') => {
    const email = threadId === undefined ? undefined : store.emailsOf(threadId).at(-1)
    if (email) void app.reply(kind, email)
  }
  const aimed = () => moves.aimed()
  const trash = () => (!isAll ? acts.trash(aimed()) : acts.role === 'trash' ? many.destroy() : many.moveToRole('trash'))
  useKeys({
    j: () => moves.step(1),
    k: () => moves.step(-1),
    o: () => moves.open(),
    u: () => moves.back(),
    x: () => {
      const id = moves.current()
      if (id !== undefined) moves.toggle(id)
    },
    e: () => (isAll ? many.moveToRole('archive') : acts.archive(aimed())),
    '#': trash,
    Delete: trash,
    '!': () => (isAll ? many.moveToRole(acts.role === 'junk' ? 'inbox' : 'junk') : acts.junk(aimed())),
    s: () => acts.star(aimed(), !aimed().every((id) => store.emailsOf(id).some(({ keywords }) => keywords.$flagged))),
    U: () => acts.read(aimed(), false),
    c: () => app.compose(),
    r: () => answer('reply'),
    a: () => answer('reply-all'),
    f: () => answer('forward'),
    g: () => inboxId && go({ kind: 'mailbox', id: inboxId }),
    '/': () => document.querySelector<HTMLInputElement>('.find input')?.focus(),
    v: () => openMenu('move'),
    b: () => openMenu('snooze'),
    l: () => openMenu('label'),
    '?': help,
  })
}

/** Of the selection, or of the open conversation. */
function openMenu(name: 'move' | 'snooze' | 'label'): void {
  document.querySelector<HTMLButtonElement>(`.${name}-menu`)?.click()
}
