/**
 * The bar above, the bar below on a phone, and the line that says when the server is away.
 */
import { type FormEvent, useEffect, useState } from 'react'
import { density, isDark, setDensity, setTheme } from '../../app/ui/appearance.ts'
import { IconButton } from '../../app/ui/button.tsx'
import { Brand, Icon } from '../../app/ui/icon.tsx'
import { languageEntries, t } from '../../app/ui/language.ts'
import { MenuButton } from '../../app/ui/menu.tsx'
import type { ListKey } from '../store/list.ts'
import { useApplication } from './application.ts'
import { useModules } from './modules.tsx'
import { isNewestFirst, setNewestFirst } from './reading-order.ts'
import { go } from './route.ts'
import { STARRED } from './tree.tsx'

export interface BarProps {
  readonly list: ListKey
  readonly inboxId: string | undefined
  onFolders(): void
  onHelp(): void
}

export function Bar({ list, inboxId, onFolders, onHelp }: BarProps) {
  const { store, compose } = useApplication()
  const flip = () => setTheme(isDark() ? 'light' : 'dark')
  return (
    <header className="bar">
      <IconButton icon="menu" className="below-wide" label={t('folders')} onClick={onFolders} />
      <Brand name="IEMS" />
      <button type="button" className="btn main compose-button" title={`${t('compose')}  c`} onClick={() => compose()}>
        <Icon name="compose" />
        <span>{t('compose')}</span>
      </button>
      <Search list={list} inboxId={inboxId} />
      <span className="grow" />
      <span className={store.status === 'live' ? 'live' : 'live off'} role="status">
        {t(`status.${store.status === 'login' ? 'offline' : store.status}`)}
      </span>
      <IconButton icon="help" className="wide" label={t('keys')} shortcut="?" onClick={onHelp} />
      <IconButton icon="theme" className="wide" label={t('theme.toggle')} onClick={flip} />
      <AccountMenu />
    </header>
  )
}

const initialsOf = (user: string): string =>
  user
    .split(/[\s.@]+/, 2)
    .map((word) => [...word][0] ?? '')
    .join('')
    .toUpperCase()

const AccountMenu = () => {
  const { store } = useApplication()
  const apps = useModules('app')
  const user = store.identities[0]?.name || store.identities[0]?.email || store.client.user
  const signOut = async () => {
    const { areNotificationsOn, forgetSnapshots } = await import('./offline.ts')
    await forgetSnapshots().catch(() => undefined)
    if (areNotificationsOn()) await (await import('./notifications.ts')).stopNotifications(store).catch(() => undefined)
    await fetch('/api/login', { method: 'DELETE' })
    location.assign('/mail/')
  }
  return (
    <MenuButton
      label={t('account', { user })}
      className="me"
      entries={[
        {
          id: 'contacts',
          label: t('contacts'),
          icon: 'users',
          run: () => {
            location.hash = '#/contacts'
          },
        },
        {
          id: 'settings',
          label: t('settings'),
          icon: 'sliders',
          run: () => {
            location.hash = '#/settings/rules'
          },
        },
        ...apps.map(({ name, label, url }) => ({ id: `app-${name}`, label, run: () => location.assign(url) })),
        { id: 'light', label: t('theme.light'), isFirstOfGroup: true, run: () => setTheme('light') },
        { id: 'dark', label: t('theme.dark'), run: () => setTheme('dark') },
        { id: 'system', label: t('theme.system'), run: () => setTheme('system') },
        {
          id: 'comfortable',
          label: t('density.comfortable'),
          checked: density() === 'comfortable',
          isFirstOfGroup: true,
          run: () => setDensity('comfortable'),
        },
        {
          id: 'compact',
          label: t('density.compact'),
          checked: density() === 'compact',
          run: () => setDensity('compact'),
        },
        {
          id: 'newest-first',
          label: t('newest-first'),
          checked: isNewestFirst(),
          isFirstOfGroup: true,
          run: () => setNewestFirst(!isNewestFirst()),
        },
        ...languageEntries(),
        { id: 'out', label: t('sign-out'), isFirstOfGroup: true, run: () => void signOut() },
      ]}
    >
      <span className="initials" data-initials={initialsOf(user)} />
    </MenuButton>
  )
}

function Search({ list, inboxId }: { readonly list: ListKey; readonly inboxId: string | undefined }) {
  const query = list.kind === 'search' ? list.query : ''
  const [text, setText] = useState(query)
  useEffect(() => setText(query), [query])
  // Beside another person's mailbox, their mailboxes are searched.
  const { shared } = useApplication()
  const other = shared.find(({ client, mailboxes }) =>
    list.kind === 'search' ? client.account === list.account : mailboxes.has(list.id),
  )
  const label = other ? t('search.of', { owner: other.owner }) : t('search')
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const account = other?.client.account
    if (text.trim() !== '') go({ kind: 'search', query: text.trim(), ...(account === undefined ? {} : { account }) })
    else if (inboxId) go({ kind: 'mailbox', id: inboxId })
  }
  return (
    <form className="find" role="search" onSubmit={submit}>
      <Icon name="search" small />
      <input
        type="search"
        aria-label={label}
        placeholder={label}
        title={t('search.help')}
        value={text}
        onChange={({ target }) => setText(target.value)}
        onKeyDown={({ key, currentTarget }) => {
          if (key !== 'Escape') return
          setText('')
          currentTarget.blur()
          if (list.kind === 'search' && inboxId) go({ kind: 'mailbox', id: inboxId })
        }}
      />
      <kbd className="wide">/</kbd>
    </form>
  )
}

export const Offline = ({ onRetry }: { onRetry(): void }) => (
  <p className="note warn offline" role="status">
    <Icon name="offline" />
    <span className="grow">{t('offline.text')}</span>
    <button type="button" className="btn link" onClick={onRetry}>
      {t('offline.retry')}
    </button>
  </p>
)

interface BottomBarProps {
  readonly list: ListKey
  readonly inboxId: string | undefined
  onFolders(): void
}

export function BottomBar({ list, inboxId, onFolders }: BottomBarProps) {
  const { compose } = useApplication()
  const isInbox = list.kind === 'mailbox' && list.id === inboxId
  const isStarred = list.kind === 'search' && list.query === 'is:starred'
  return (
    <nav className="bottom" aria-label={t('mail')}>
      <button
        type="button"
        aria-current={isInbox ? 'page' : undefined}
        onClick={() => inboxId && go({ kind: 'mailbox', id: inboxId })}
      >
        <Icon name="inbox" />
        {t('mail')}
      </button>
      <button type="button" aria-current={isStarred ? 'page' : undefined} onClick={() => go(STARRED)}>
        <Icon name="star" />
        {t('role.starred')}
      </button>
      <button type="button" className="bottom-compose" aria-label={t('compose')} onClick={() => compose()}>
        <Icon name="compose" />
      </button>
      <button type="button" onClick={() => document.querySelector<HTMLInputElement>('.find input')?.focus()}>
        <Icon name="search" />
        {t('search.short')}
      </button>
      <button type="button" onClick={onFolders}>
        <Icon name="menu" />
        {t('folders')}
      </button>
    </nav>
  )
}
