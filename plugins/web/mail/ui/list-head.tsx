/** The head of the list: its name and number, or what can be done with the selected conversations. */
import { lazy, Suspense, useState } from 'react'
import { IconButton } from '../../app/ui/button.tsx'
import { t } from '../../app/ui/language.ts'
import type { ConversationList } from '../store/list.ts'
import type { Acts } from './acts.ts'
import { useApplication } from './application.ts'
import { LabelMenu } from './label-menu.tsx'
import type { ManyActs } from './many-acts.ts'
import { MoveMenu } from './move-menu.tsx'
import { toggleSearch, useSavedSearches } from './saved-searches.ts'
import { SnoozeMenu } from './snooze-menu.tsx'

const ShareDialog = lazy(async () => ({ default: (await import('./share-dialog.tsx')).ShareDialog }))
/** The most conversations that one check of the box selects here; all of a list are selected on the server. */
const MAX_LOADED = 500

export interface ListHeadProps {
  readonly name: string
  readonly list: ConversationList
  readonly selected: ReadonlySet<string>
  readonly isAll: boolean
  readonly acts: Acts
  readonly many: ManyActs
  select(threadIds: readonly string[], isAll?: boolean): void
}

const loadedOf = (list: ConversationList): string[] =>
  Array.from({ length: Math.min(list.total, MAX_LOADED) }, (_, index) => list.at(index)).filter(
    (id) => id !== undefined,
  )

export function ListHead(props: ListHeadProps) {
  const { name, list, selected, acts, many, select } = props
  if (selected.size > 0) return <Selection {...props} />
  const isThrownAway = acts.role === 'trash' || acts.role === 'junk'
  return (
    <div className="lh">
      <input
        className="cb"
        type="checkbox"
        checked={false}
        aria-label={t('list.select')}
        disabled={list.total === 0}
        onChange={() => select(loadedOf(list))}
      />
      <h1 className="b cut">{name}</h1>
      {isThrownAway && list.total > 0 ? (
        <button type="button" className="btn link sm" onClick={() => many.destroy()}>
          {t(`empty.${acts.role}`)}
        </button>
      ) : (
        <ShareButton list={list} />
      )}
      {list.key.kind === 'search' && list.key.account === undefined && !isOfTree(list.key.query) ? (
        <KeepSearch query={list.key.query} />
      ) : null}
      <span className="sm t3">{list.isLoaded ? t('conversations', { count: list.total }) : ''}</span>
    </div>
  )
}

function Selection({ list, selected, isAll, acts, many, select }: ListHeadProps) {
  const { store, home } = useApplication()
  const ids = [...selected]
  const count = isAll ? list.total : selected.size
  const isTrash = acts.role === 'trash'
  const archive = () => (isAll ? many.moveToRole('archive') : acts.archive(ids))
  const remove = () => (!isAll ? acts.trash(ids) : isTrash ? many.destroy() : many.moveToRole('trash'))
  const junk = () => (isAll ? many.moveToRole(acts.role === 'junk' ? 'inbox' : 'junk') : acts.junk(ids))
  return (
    <>
      <div className="lh" role="toolbar" aria-label={t('list.selected', { count })}>
        <input
          className="cb mixed"
          type="checkbox"
          checked={false}
          aria-label={t('list.clear')}
          onChange={() => select([])}
        />
        <span className="b wide">{t('list.selected', { count })}</span>
        <span className="b narrow">{count}</span>
        <IconButton icon="archive" label={t('archive')} shortcut="e" onClick={archive} />
        <IconButton icon="trash" label={t(isTrash ? 'delete.forever' : 'delete')} shortcut="#" onClick={remove} />
        {isTrash ? null : <JunkButton acts={acts} onClick={junk} />}
        {store === home && !isAll && !isTrash ? <SnoozeMenu threadIds={ids} acts={acts} /> : null}
        <MoveMenu onMove={(mailbox) => (isAll ? many.move(mailbox) : acts.move(ids, mailbox))} />
        {isAll ? null : <LabelMenu threadIds={ids} acts={acts} />}
        <IconButton icon="eye" label={t('mark-read')} onClick={() => (isAll ? many.read() : acts.read(ids, true))} />
        <IconButton icon="x" className="wide" label={t('list.clear')} onClick={() => select([])} />
      </div>
      {list.total > selected.size && (isAll || selected.size === loadedOf(list).length) ? (
        <p className="lh-all" role="status">
          <span>{isAll ? t('list.all-selected', { count }) : t('list.all-loaded', { count })}</span>
          {isAll ? null : (
            <button type="button" className="btn link sm" onClick={() => select(ids, true)}>
              {t('list.select-all', { count: list.total })}
            </button>
          )}
        </p>
      ) : null}
    </>
  )
}

/** To Junk, or in Junk back to the Inbox. */
export const JunkButton = ({ acts, onClick }: { readonly acts: Acts; onClick(): void }) => (
  <IconButton
    icon={acts.role === 'junk' ? 'inbox' : 'junk'}
    label={t(acts.role === 'junk' ? 'not-junk' : 'junk')}
    shortcut="!"
    onClick={onClick}
  />
)

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

/** Searches that are in the tree anyway. */
const isOfTree = (query: string): boolean => query === 'is:starred' || /^label:\S+$/.test(query)

function KeepSearch({ query }: { readonly query: string }) {
  const isKept = useSavedSearches().includes(query)
  return (
    <button type="button" className="btn link sm" aria-pressed={isKept} onClick={() => toggleSearch(query)}>
      {isKept ? t('search.forget') : t('search.keep')}
    </button>
  )
}
