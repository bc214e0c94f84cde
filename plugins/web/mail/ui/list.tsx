/**
 * The list of conversations with its head: name and number, or what can be done with the selected ones.
 */
import { lazy, Suspense, useCallback, useState } from 'react'
import { IconButton } from '../../app/ui/button.tsx'
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { WindowedList } from '../../app/ui/windowed-list.tsx'
import { labelsOf } from '../store/labels.ts'
import type { ConversationList } from '../store/list.ts'
import type { MailStore } from '../store/mail-store.ts'
import { isFlagged, isUnread, type Row, withoutDirection } from '../store/objects.ts'
import type { Acts } from './acts.ts'
import { type PluginModule, useApplication, useStore } from './application.ts'
import { dragThreads } from './drag.ts'
import { dayGroup, mailboxName, participants, shortTime, soonTime } from './format.ts'
import { LabelMenu } from './label-menu.tsx'
import { Labels, labelName } from './labels.tsx'
import { useModules } from './modules.tsx'
import { MoveMenu } from './move-menu.tsx'
import { toggleSearch, useSavedSearches } from './saved-searches.ts'
import { SnoozeMenu } from './snooze-menu.tsx'

const ShareDialog = lazy(async () => ({ default: (await import('./share-dialog.tsx')).ShareDialog }))

export interface ListProps {
  readonly list: ConversationList
  /** The open conversation. */
  readonly threadId: string | undefined
  readonly active: number
  readonly selected: ReadonlySet<string>
  readonly acts: Acts
  setActive(index: number): void
  open(index: number): void
  toggle(threadId: string): void
  select(threadIds: readonly string[]): void
}

export function MailList({ list, threadId, active, selected, acts, setActive, open, toggle, select }: ListProps) {
  const { store, home, own } = useApplication()
  useStore(store)
  const onSee = useCallback((first: number, last: number) => store.see(first, last), [store])
  const name = useListName(list)
  const badges = useModules('list.badge')
  const row = (index: number) => {
    const found = store.row(index)
    if (!found || found.emails.length === 0)
      return { label: t('row.loading'), content: <span className="ghost" />, className: 'm', isSelected: false }
    const isSelected = selected.has(found.threadId)
    const worn = badges.filter(({ keyword = '' }) => found.emails.some(({ keywords }) => keywords[keyword]))
    const day = snoozedUntil(store, found.threadId) === undefined ? dayOfRow(found) : ''
    const before = index > 0 ? store.row(index - 1) : undefined
    const isFirstOfDay = before !== undefined && day !== '' && dayOfRow(before) !== day
    const state = [
      'm',
      found.emails.some(isUnread) ? 'new' : '',
      found.threadId === threadId ? 'opened' : '',
      isSelected ? 'picked' : '',
      isFirstOfDay ? 'day' : '',
    ]
    return {
      label: [sentenceOf(found, own, store), ...worn.map(({ label }) => label)].join(', '),
      className: state.filter(Boolean).join(' '),
      isSelected,
      ...(isFirstOfDay ? { heading: day } : {}),
      content: (
        <RowContent
          row={found}
          own={own}
          badges={worn}
          isSelected={isSelected}
          onToggle={() => toggle(found.threadId)}
        />
      ),
    }
  }
  const loaded = () =>
    Array.from({ length: Math.min(list.total, 500) }, (_, index) => list.at(index)).filter((id) => id !== undefined)
  return (
    <section className="pane listing" aria-label={name}>
      {selected.size > 0 ? (
        <div className="lh" role="toolbar" aria-label={t('list.selected', { count: selected.size })}>
          <input
            className="cb mixed"
            type="checkbox"
            checked={false}
            aria-label={t('list.clear')}
            onChange={() => select([])}
          />
          <span className="b wide">{t('list.selected', { count: selected.size })}</span>
          <span className="b narrow">{selected.size}</span>
          <IconButton icon="archive" label={t('archive')} shortcut="e" onClick={() => acts.archive([...selected])} />
          <IconButton icon="trash" label={t('delete')} shortcut="#" onClick={() => acts.trash([...selected])} />
          <IconButton icon="junk" label={t('junk')} shortcut="!" onClick={() => acts.junk([...selected])} />
          {store === home ? <SnoozeMenu threadIds={[...selected]} acts={acts} /> : null}
          <MoveMenu onMove={(mailbox) => acts.move([...selected], mailbox)} />
          <LabelMenu threadIds={[...selected]} acts={acts} />
          <IconButton icon="eye" label={t('mark-read')} onClick={() => acts.read([...selected], true)} />
          <IconButton icon="x" className="wide" label={t('list.clear')} onClick={() => select([])} />
        </div>
      ) : (
        <div className="lh">
          <input
            className="cb"
            type="checkbox"
            checked={false}
            aria-label={t('list.select')}
            disabled={list.total === 0}
            onChange={() => select(loaded())}
          />
          <h1 className="b cut">{name}</h1>
          <ShareButton list={list} />
          {list.key.kind === 'search' && !isOfTree(list.key.query) ? <KeepSearch query={list.key.query} /> : null}
          <span className="sm t3">{list.isLoaded ? t('conversations', { count: list.total }) : ''}</span>
        </div>
      )}
      {list.error && list.total === 0 ? (
        <div className="state" role="alert">
          <Icon name="warn" />
          <h2>{t('list.error')}</h2>
          <p className="t2">{list.error.message}</p>
          <button type="button" className="btn" onClick={() => store.see(0, 0)}>
            {t('list.retry')}
          </button>
        </div>
      ) : list.isLoaded && list.total === 0 ? (
        <Empty list={list} />
      ) : (
        <WindowedList
          label={name}
          count={list.isLoaded ? list.total : 12}
          active={active}
          row={row}
          onActivate={setActive}
          onOpen={open}
          onToggle={(index) => {
            const id = list.at(index)
            if (id !== undefined) toggle(id)
          }}
          onDrag={(index, transfer) => {
            const id = list.at(index)
            if (id !== undefined) dragThreads(transfer, selected.has(id) ? [...selected] : [id])
          }}
          onSee={onSee}
        />
      )}
    </section>
  )
}

/** Opens the dialog that shares the mailbox. */
function ShareButton({ list: { key } }: { readonly list: ConversationList }) {
  const { store, home } = useApplication()
  const [isOpen, setIsOpen] = useState(false)
  const mailbox = key.kind === 'mailbox' ? store.mailboxes.get(key.id) : undefined
  if (store !== home || !mailbox?.myRights.mayShare) return null
  return (
    <>
      <IconButton icon="users" small label={t('share')} onClick={() => setIsOpen(true)} />
      {isOpen ? (
        <Suspense fallback={null}>
          <ShareDialog mailbox={mailbox} onClose={() => setIsOpen(false)} />
        </Suspense>
      ) : null}
    </>
  )
}

/** Searches that stand in the tree anyway. */
const isOfTree = (query: string): boolean => query === 'is:starred' || /^label:\S+$/.test(query)

function KeepSearch({ query }: { readonly query: string }) {
  const isKept = useSavedSearches().includes(query)
  return (
    <button type="button" className="btn link sm" aria-pressed={isKept} onClick={() => toggleSearch(query)}>
      {isKept ? t('search.forget') : t('search.keep')}
    </button>
  )
}

export function useListName({ key }: ConversationList): string {
  const { store } = useApplication()
  if (key.kind === 'search') {
    if (key.query === 'is:starred') return t('role.starred')
    const keyword = /^label:(\S+)$/.exec(key.query)?.[1]
    if (keyword === undefined) return t('search.results')
    return labelName(store.labels.find((label) => label.keyword === keyword) ?? { keyword, name: keyword })
  }
  const mailbox = store.mailboxes.get(key.id)
  const name = mailbox ? mailboxName(mailbox) : ''
  return store.owner === undefined ? name : `${name} · ${store.owner}`
}

const Empty = ({ list: { key } }: { readonly list: ConversationList }) => (
  <div className="state">
    <Icon name={key.kind === 'search' ? 'search' : 'inbox'} />
    <h2>{key.kind === 'search' ? t('list.nothing', { query: key.query }) : t('list.empty')}</h2>
    <p className="t2">{key.kind === 'search' ? t('list.nothing.text') : t('list.empty.text')}</p>
  </div>
)

interface RowContentProps {
  readonly row: Row
  readonly own: readonly string[]
  /** Of plugins. */
  readonly badges: readonly PluginModule[]
  readonly isSelected: boolean
  onToggle(): void
}

const RowContent = ({ row: { threadId, emails }, own, badges, isSelected, onToggle }: RowContentProps) => {
  const { store } = useApplication()
  const last = emails.at(-1)
  const until = snoozedUntil(store, threadId)
  if (!last) return null
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
        {withoutDirection(emails[0]?.subject ?? '') || t('no-subject')}
        <span className="t3 pv"> {last.preview}</span>
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
    </>
  )
}

/** When a conversation comes back, in the mailbox where it waits. */
function snoozedUntil(store: MailStore, threadId: string): string | undefined {
  const { list } = store
  if (list?.key.kind !== 'mailbox' || list.key.id !== store.withRole('snoozed')?.id) return undefined
  const snooze = store.snoozes.get(threadId)
  return snooze && soonTime(snooze.until)
}

const dayOfRow = ({ emails }: Row): string => dayGroup(emails.at(-1)?.receivedAt ?? '')

/** A row as one sentence for those who hear it. */
function sentenceOf({ threadId, emails }: Row, own: readonly string[], store: MailStore): string {
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
