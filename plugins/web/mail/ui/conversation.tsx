/**
 * An open conversation: its acts, its messages from the oldest to the newest, and the ways to answer.
 */
import { useEffect, useState, useSyncExternalStore } from 'react'
import { IconButton } from '../../app/ui/button.tsx'
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { type Email, isFlagged, isUnread, withoutDirection } from '../store/objects.ts'
import type { Acts } from './acts.ts'
import { useApplication, useStore } from './application.ts'
import { LabelMenu } from './label-menu.tsx'
import { Labels } from './labels.tsx'
import { JunkButton } from './list-head.tsx'
import { Message } from './message.tsx'
import { MoveMenu } from './move-menu.tsx'
import { printConversation } from './printing.ts'
import { isNewestFirst, watchOrder } from './reading-order.ts'
import { SnoozeMenu } from './snooze-menu.tsx'

export interface ConversationProps {
  readonly threadId: string
  readonly index: number
  readonly total: number
  readonly acts: Acts
  onStep(by: number): void
  onBack(): void
  onEdit(email: Email): void
}

const READ_AFTER_MS = 500
/** Of a long conversation, the latest unread messages are opened; each has a frame of its own. */
const MAX_OPENED = 20

export function Conversation({ threadId, index, total, acts, onStep, onBack, onEdit }: ConversationProps) {
  const { store, home, reply } = useApplication()
  useStore(store)
  const emails = store.emailsOf(threadId)
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set())
  // Emails that were unread when it was opened stay expanded after being marked.
  const [wasUnread, setWasUnread] = useState<ReadonlySet<string>>(new Set())
  const isReversed = useSyncExternalStore(watchOrder, isNewestFirst)
  const hasUnread = emails.some(isUnread)
  const isKnown = emails.length > 0
  const last = emails.at(-1)
  useEffect(() => {
    if (!isKnown) store.openThread(threadId).catch(() => undefined)
  }, [store, threadId, isKnown])
  useEffect(() => {
    setToggled(new Set())
    setWasUnread(
      new Set(
        store
          .emailsOf(threadId)
          .filter(isUnread)
          .slice(-MAX_OPENED)
          .map(({ id }) => id),
      ),
    )
  }, [threadId, isKnown])
  useEffect(() => {
    if (!hasUnread || !store.may('maySetSeen') || !store.may('maySetKeywords')) return
    const timer = setTimeout(() => acts.read([threadId], true), READ_AFTER_MS)
    return () => clearTimeout(timer)
  }, [threadId, isKnown])

  const one = [threadId]
  const isTrash = acts.role === 'trash'
  const subject = withoutDirection(emails[0]?.subject ?? '') || t('no-subject')
  const isStarred = emails.some(isFlagged)
  const isOpen = (email: Email) => (email.id === last?.id || wasUnread.has(email.id)) !== toggled.has(email.id)
  const printAll = async () => {
    setToggled(new Set(emails.filter(({ id }) => id !== last?.id && !wasUnread.has(id)).map(({ id }) => id)))
    await printConversation()
  }
  const toggle = (id: string) => {
    const next = new Set(toggled)
    if (!next.delete(id)) next.add(id)
    setToggled(next)
  }
  return (
    <article className="conv" aria-label={t('conversation')}>
      <div className="tools" role="toolbar" aria-label={t('conversation')}>
        <IconButton icon="left" className="narrow" label={t('back')} shortcut="u" onClick={onBack} />
        <IconButton icon="archive" label={t('archive')} shortcut="e" onClick={() => acts.archive(one)} />
        <IconButton
          icon="trash"
          label={t(isTrash ? 'delete.forever' : 'delete')}
          shortcut="#"
          onClick={() => acts.trash(one)}
        />
        {isTrash ? null : <JunkButton acts={acts} onClick={() => acts.junk(one)} />}
        <i className="sep" />
        {store === home && !isTrash && acts.role !== 'junk' ? <SnoozeMenu threadIds={one} acts={acts} /> : null}
        <MoveMenu onMove={(mailbox) => acts.move(one, mailbox)} />
        <LabelMenu threadIds={one} acts={acts} />
        <IconButton icon="eye" label={t('mark-unread')} shortcut="U" onClick={() => acts.read(one, false)} />
        <span className="grow" />
        {index >= 0 ? <span className="sm t3 wide">{t('position', { index: index + 1, count: total })}</span> : null}
        <IconButton
          icon="up"
          small
          className="wide"
          label={t('newer')}
          shortcut="k"
          disabled={index <= 0}
          onClick={() => onStep(-1)}
        />
        <IconButton
          icon="down"
          small
          className="wide"
          label={t('older')}
          shortcut="j"
          disabled={index < 0 || index >= total - 1}
          onClick={() => onStep(1)}
        />
      </div>
      <div className="body" tabIndex={0} role="region" aria-label={subject}>
        <header className="subj">
          <h1>{subject}</h1>
          <Labels emails={emails} />
          <span className="grow" />
          <IconButton
            icon={isStarred ? 'starred' : 'star'}
            small
            label={isStarred ? t('unstar') : t('star')}
            shortcut="s"
            pressed={isStarred}
            onClick={() => acts.star(one, !isStarred)}
          />
          <IconButton icon="print" small className="wide" label={t('print')} onClick={() => void printAll()} />
        </header>
        <ol className="way">
          {(isReversed ? emails.toReversed() : emails).map((email) => (
            <Message
              key={email.id}
              email={email}
              isLast={email.id === last?.id}
              isOpen={isOpen(email)}
              onToggle={() => toggle(email.id)}
              onEdit={onEdit}
            />
          ))}
        </ol>
      </div>
      {last && !last.keywords.$draft ? (
        <div className="answer">
          <button type="button" className="btn" onClick={() => void reply('reply', last)}>
            <Icon name="reply" small />
            {t('reply')}
          </button>
          {(last.to?.length ?? 0) + (last.cc?.length ?? 0) > 1 ? (
            <button type="button" className="btn" onClick={() => void reply('reply-all', last)}>
              <Icon name="reply-all" small />
              {t('reply-all')}
            </button>
          ) : null}
          <button type="button" className="btn plain" onClick={() => void reply('forward', last)}>
            <Icon name="forward" small />
            {t('forward')}
          </button>
        </div>
      ) : null}
    </article>
  )
}
