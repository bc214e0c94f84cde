/**
 * The mailboxes: those with a role first, then the others as a tree, with what is unread.
 */
import { useState } from 'react'
import { Icon, type IconName } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import type { Color } from '../store/labels.ts'
import type { ListKey } from '../store/list.ts'
import type { MailStore } from '../store/mail-store.ts'
import type { Mailbox } from '../store/objects.ts'
import { useApplication, useStore } from './application.ts'
import { areThreads, droppedThreads } from './drag.ts'
import { mailboxName, octets } from './format.ts'
import { Dot } from './labels.tsx'
import { go, hrefOf } from './route.ts'
import { useSavedSearches } from './saved-searches.ts'

export const ROLES: readonly (readonly [role: string, icon: IconName])[] = [
  ['inbox', 'inbox'],
  ['snoozed', 'clock'],
  ['drafts', 'draft'],
  ['sent', 'send'],
  ['archive', 'archive'],
  ['junk', 'junk'],
  ['trash', 'trash'],
]
export const MAX_DEPTH = 10
export const STARRED: ListKey = { kind: 'search', query: 'is:starred' }

interface EntryProps {
  readonly label: string
  readonly icon?: IconName
  /** Of a label. */
  readonly color?: Color | undefined
  readonly count?: number
  readonly isNew?: boolean
  readonly depth?: number
  readonly list: ListKey
  readonly current: ListKey | undefined
  onGo(): void
  onDrop?: ((threadIds: readonly string[]) => void) | undefined
}

const isSame = (a: ListKey | undefined, b: ListKey) => JSON.stringify(a) === JSON.stringify(b)

const Entry = ({
  label,
  icon,
  color,
  count = 0,
  isNew = false,
  depth = 0,
  list,
  current,
  onGo,
  onDrop,
}: EntryProps) => (
  <a
    href={hrefOf(list)}
    className={`${isNew ? 'new' : ''}${depth > 0 ? ` in${Math.min(depth, 3)}` : ''}`}
    aria-current={isSame(current, list) ? 'page' : undefined}
    onDragOver={(event) => {
      if (!onDrop || !areThreads(event.dataTransfer)) return
      event.preventDefault()
      event.currentTarget.classList.add('over')
    }}
    onDragLeave={(event) => event.currentTarget.classList.remove('over')}
    onDrop={(event) => {
      event.currentTarget.classList.remove('over')
      if (!onDrop || !areThreads(event.dataTransfer)) return
      event.preventDefault()
      onDrop(droppedThreads(event.dataTransfer))
    }}
    onClick={(event) => {
      event.preventDefault()
      go(list)
      onGo()
    }}
  >
    {icon ? <Icon name={icon} /> : null}
    {color ? <Dot color={color} /> : null}
    <span className="cut">{label}</span>
    {count > 0 ? (
      <span className="n">
        {count.toLocaleString()}
        <span className="sr"> {isNew ? t('row.unread') : ''}</span>
      </span>
    ) : null}
  </a>
)

interface BranchProps {
  readonly mailbox: Mailbox
  readonly all: readonly Mailbox[]
  readonly depth: number
  readonly current: ListKey | undefined
  onGo(): void
  onMove(threadIds: readonly string[], mailboxId: string): void
}

function Branch({ mailbox, all, depth, current, onGo, onMove }: BranchProps) {
  const [isOpen, setIsOpen] = useState(true)
  const children = all.filter(({ parentId, role }) => parentId === mailbox.id && role === null)
  return (
    <li>
      <div className="branch">
        {children.length > 0 ? (
          <button
            type="button"
            className="ib twist"
            aria-expanded={isOpen}
            aria-label={mailbox.name}
            onClick={() => setIsOpen(!isOpen)}
          >
            <Icon name={isOpen ? 'down' : 'right'} small />
          </button>
        ) : null}
        <Entry
          label={mailbox.name}
          count={mailbox.unreadThreads}
          isNew={mailbox.unreadThreads > 0}
          depth={depth}
          list={{ kind: 'mailbox', id: mailbox.id }}
          current={current}
          onGo={onGo}
          onDrop={(threadIds) => onMove(threadIds, mailbox.id)}
          {...(children.length > 0 ? {} : { icon: 'folder' as const })}
        />
      </div>
      {isOpen && children.length > 0 && depth < MAX_DEPTH ? (
        <ul>
          {children.map((child) => (
            <Branch
              key={child.id}
              mailbox={child}
              all={all}
              depth={depth + 1}
              current={current}
              onGo={onGo}
              onMove={onMove}
            />
          ))}
        </ul>
      ) : null}
    </li>
  )
}

export const byOrder = (a: Mailbox, b: Mailbox) => a.sortOrder - b.sortOrder || a.name.localeCompare(b.name)

interface SharedProps extends Required<TreeProps> {
  readonly store: MailStore
}

/** Mailboxes of another person, below their address. */
function SharedMailboxes({ store, current, onGo, onMove }: SharedProps) {
  useStore(store)
  const all = [...store.mailboxes.values()].sort(byOrder).map((mailbox) => ({ ...mailbox, role: null }))
  if (all.length === 0) return null
  const tops = all.filter(({ parentId }) => parentId === null || !store.mailboxes.has(parentId))
  return (
    <>
      <h2 className="cut">{store.owner}</h2>
      <ul>
        {tops.map((mailbox) => (
          <Branch
            key={mailbox.id}
            mailbox={{ ...mailbox, name: mailboxName(store.mailboxes.get(mailbox.id) ?? mailbox) }}
            all={all}
            depth={0}
            current={current}
            onGo={onGo}
            onMove={onMove}
          />
        ))}
      </ul>
    </>
  )
}

export interface TreeProps {
  readonly current: ListKey | undefined
  onGo?(): void
  /** Conversations that were dropped on a mailbox. */
  onMove?(threadIds: readonly string[], mailboxId: string): void
}

export function Tree({ current, onGo = () => {}, onMove = () => {} }: TreeProps) {
  const { home: store, shared } = useApplication()
  useStore(store)
  const searches = useSavedSearches()
  const all = [...store.mailboxes.values()].sort(byOrder)
  const withRole = (role: string) => all.find((mailbox) => mailbox.role === role)
  const known = ROLES.map(([role]) => role)
  const folders = all.filter(
    ({ role, parentId }) =>
      (role === null || !known.includes(role)) &&
      (parentId === null || !store.mailboxes.has(parentId) || store.mailboxes.get(parentId)?.role !== null),
  )
  const { quota } = store
  const percent = quota ? Math.min(100, Math.round((quota.used / quota.limit) * 100)) : 0
  return (
    <div className="side">
      <nav className="nav" aria-label={t('mailboxes')}>
        <ul>
          {ROLES.map(([role, icon]) => {
            const mailbox = withRole(role)
            if (!mailbox) return null
            const count =
              role === 'drafts' || role === 'snoozed'
                ? mailbox.totalThreads
                : role === 'inbox' || role === 'junk'
                  ? mailbox.unreadThreads
                  : 0
            return (
              <li key={role}>
                <Entry
                  label={mailboxName(mailbox)}
                  icon={icon}
                  count={count}
                  isNew={role === 'inbox' && count > 0}
                  list={{ kind: 'mailbox', id: mailbox.id }}
                  current={current}
                  onGo={onGo}
                  onDrop={
                    role === 'drafts' || role === 'snoozed' ? undefined : (threadIds) => onMove(threadIds, mailbox.id)
                  }
                />
              </li>
            )
          })}
          <li>
            <Entry label={t('role.starred')} icon="star" list={STARRED} current={current} onGo={onGo} />
          </li>
        </ul>
        {searches.length > 0 ? (
          <>
            <h2>{t('searches')}</h2>
            <ul>
              {searches.map((query) => (
                <li key={query}>
                  <Entry label={query} icon="search" list={{ kind: 'search', query }} current={current} onGo={onGo} />
                </li>
              ))}
            </ul>
          </>
        ) : null}
        {store.labels.length > 0 ? (
          <>
            <h2>{t('labels')}</h2>
            <ul>
              {store.labels.map(({ keyword, name, color }) => (
                <li key={keyword}>
                  <Entry
                    label={name}
                    color={color}
                    list={{ kind: 'search', query: `label:${keyword}` }}
                    current={current}
                    onGo={onGo}
                  />
                </li>
              ))}
            </ul>
          </>
        ) : null}
        {folders.length > 0 ? (
          <>
            <h2>{t('folders')}</h2>
            <ul>
              {folders.map((mailbox) => (
                <Branch
                  key={mailbox.id}
                  mailbox={mailbox}
                  all={all}
                  depth={0}
                  current={current}
                  onGo={onGo}
                  onMove={onMove}
                />
              ))}
            </ul>
          </>
        ) : null}
        {shared.map((one) => (
          <SharedMailboxes key={one.client.account} store={one} current={current} onGo={onGo} onMove={onMove} />
        ))}
      </nav>
      {quota ? (
        <div className="quota">
          <span>{t('quota.of', { used: octets(quota.used), limit: octets(quota.limit) })}</span>
          <span className={percent > 90 ? 'meter bad' : 'meter'} role="img" aria-label={t('quota.used', { percent })}>
            <i style={{ width: `${percent}%` }} />
          </span>
        </div>
      ) : null}
    </div>
  )
}
