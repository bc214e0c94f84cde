/** One conversation in the list: what is seen of it, and the sentence that says the same. */
import { Icon, type IconName } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { labelsOf } from '../store/labels.ts'
import type { MailStore } from '../store/mail-store.ts'
import { isFlagged, isUnread, type Row, withoutDirection } from '../store/objects.ts'
import type { Acts } from './acts.ts'
import { type PluginModule, useApplication } from './application.ts'
import { dayGroup, participants, shortTime, soonTime } from './format.ts'
import { Labels, labelName } from './labels.tsx'

interface RowContentProps {
  readonly row: Row
  readonly own: readonly string[]
  /** Of plugins. */
  readonly badges: readonly PluginModule[]
  readonly isSelected: boolean
  readonly acts: Acts
  onToggle(): void
}

export const RowContent = ({ row: { threadId, emails }, own, badges, isSelected, acts, onToggle }: RowContentProps) => {
  const { store } = useApplication()
  const last = emails.at(-1)
  const until = snoozedUntil(store, threadId)
  if (!last) return null
  const hit = emails.map(({ id }) => store.list?.hits.get(id)).find((one) => one !== undefined)
  return (
    <>
      <span
        className="sel"
        onClick={(event) => {
          event.stopPropagation()
          onToggle()
        }}
      >
        <span className={isSelected ? 'cb on' : 'cb'} aria-hidden="true" />
      </span>
      <span className="fr cut">
        {participants(emails, own)}
        {emails.length > 1 ? <span className="t3 cnt"> {emails.length}</span> : null}
      </span>
      <span className="tm">{until ?? shortTime(last.receivedAt)}</span>
      <span className="su cut">
        <Marked text={hit?.subject} plain={withoutDirection(emails[0]?.subject ?? '') || t('no-subject')} />
        <span className="t3 pv">
          {' '}
          <Marked text={hit?.preview} plain={last.preview} />
        </span>
      </span>
      <span className="ex">
        {badges.map(({ name, label, tone }) => (
          <span key={name} className={`tag ${tone}`}>
            {label}
          </span>
        ))}
        <Labels emails={emails} />
        {until === undefined ? null : <Icon name="clock" small />}
        {emails.some(({ keywords }) => keywords.$draft) ? <span className="tag">{t('row.draft')}</span> : null}
        {emails.some(({ hasAttachment }) => hasAttachment) ? <Icon name="clip" small /> : null}
        {emails.some(isFlagged) ? <Icon name="starred" small /> : null}
      </span>
      <QuickActs row={{ threadId, emails }} acts={acts} />
    </>
  )
}

/**
 * Actions for the mouse in place of the time. The keyboard skips them, because its shortcuts and the toolbars do the
 * same.
 */
const QuickActs = ({ row: { threadId, emails }, acts }: { readonly row: Row; readonly acts: Acts }) => {
  const isNew = emails.some(isUnread)
  const isTrash = acts.role === 'trash'
  const quick: readonly (readonly [icon: IconName, label: string, run: () => void])[] = [
    ...(isTrash || acts.role === 'archive' ? [] : [['archive', t('archive'), () => acts.archive([threadId])] as const]),
    ['trash', t(isTrash ? 'delete.forever' : 'delete'), () => acts.trash([threadId])],
    [isNew ? 'eye' : 'mail', t(isNew ? 'mark-read' : 'mark-unread'), () => acts.read([threadId], isNew)],
  ]
  return (
    <span className="quick">
      {quick.map(([icon, label, run]) => (
        <span
          key={icon}
          className="ib small"
          title={label}
          onClick={(event) => {
            event.stopPropagation()
            run()
          }}
        >
          <Icon name={icon} />
        </span>
      ))}
    </span>
  )
}

/** The server's text with its `<mark>` elements, or the plain text. */
const Marked = ({ text, plain }: { readonly text: string | null | undefined; readonly plain: string }) => {
  if (!text) return plain
  return text.split(/(<mark>.*?<\/mark>)/).map((piece, index) => {
    const words = piece.replace(/<\/?mark>/g, '').replace(/&(lt|gt|amp);/g, (_, name) => ENTITIES[name] as string)
    // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of one text keep their order
    return words === piece || !piece.startsWith('<mark>') ? words : <mark key={index}>{words}</mark>
  })
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&' }

/** When a conversation comes back, in the mailbox where it waits. */
export function snoozedUntil(store: MailStore, threadId: string): string | undefined {
  const { list } = store
  if (list?.key.kind !== 'mailbox' || list.key.id !== store.withRole('snoozed')?.id) return undefined
  const snooze = store.snoozes.get(threadId)
  return snooze && soonTime(snooze.until)
}

export const dayOfRow = ({ emails }: Row): string => dayGroup(emails.at(-1)?.receivedAt ?? '')

/** A row as one sentence for those who hear it. */
export function sentenceOf({ threadId, emails }: Row, own: readonly string[], store: MailStore): string {
  const last = emails.at(-1)
  const until = snoozedUntil(store, threadId)
  return [
    emails.some(isUnread) ? t('row.unread') : '',
    emails.some(isFlagged) ? t('row.starred') : '',
    participants(emails, own),
    withoutDirection(emails[0]?.subject ?? '') || t('no-subject'),
    emails.length > 1 ? t('row.count', { count: emails.length }) : '',
    emails.some(({ hasAttachment }) => hasAttachment) ? t('row.attachment') : '',
    labelsOf(store.labels, emails).map(labelName).join(', '),
    until === undefined ? '' : t('snoozed.until', { when: until }),
    last ? shortTime(last.receivedAt) : '',
  ]
    .filter(Boolean)
    .join(', ')
}
