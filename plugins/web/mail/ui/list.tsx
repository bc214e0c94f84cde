/**
 * The list of conversations with its head: name and number, or what can be done with the selected ones.
 */
import { useCallback } from 'react'
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { WindowedList } from '../../app/ui/windowed-list.tsx'
import type { ConversationList } from '../store/list.ts'
import { isUnread } from '../store/objects.ts'
import type { Acts } from './acts.ts'
import { useApplication, useStore } from './application.ts'
import { dragThreads } from './drag.ts'
import { mailboxName } from './format.ts'
import { labelName } from './labels.tsx'
import { ListHead } from './list-head.tsx'
import { dayOfRow, RowContent, sentenceOf, snoozedUntil } from './list-row.tsx'
import type { ManyActs } from './many-acts.ts'
import { useModules } from './modules.tsx'

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
  readonly many: ManyActs
  /** Whether all conversations of the list are selected, loaded or not. */
  readonly isAll: boolean
  select(threadIds: readonly string[], isAll?: boolean): void
}

export function MailList(props: ListProps) {
  const { list, threadId, active, selected, isAll, acts, many, setActive, open, toggle, select } = props
  const { store, own } = useApplication()
  useStore(store)
  const onSee = useCallback((first: number, last: number) => store.see(first, last), [store])
  const name = useListName(list)
  const badges = useModules('list.badge')
  const row = (index: number) => {
    const found = store.row(index)
    if (!found || found.emails.length === 0)
      return { label: t('row.loading'), content: <span className="ghost" />, className: 'm', isSelected: false }
    const isSelected = isAll || selected.has(found.threadId)
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
          acts={acts}
          onToggle={() => toggle(found.threadId)}
        />
      ),
    }
  }
  return (
    <section className="pane listing" aria-label={name}>
      <ListHead name={name} list={list} selected={selected} isAll={isAll} acts={acts} many={many} select={select} />
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

export function useListName({ key }: ConversationList): string {
  const { store } = useApplication()
  if (key.kind === 'search') {
    if (key.query === 'is:starred') return t('role.starred')
    const keyword = /^label:(\S+)$/.exec(key.query)?.[1]
    if (keyword === undefined)
      return store.owner === undefined ? t('search.results') : `${t('search.results')} · ${store.owner}`
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
