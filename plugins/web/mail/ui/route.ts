/**
 * Where the person is, kept in the address's fragment: `#/box/ID/THREAD`, `#/find/QUERY/THREAD`, in the mailboxes of
 * another person `#/find@ACCOUNT/QUERY/THREAD`, `#/settings/PAGE`, `#/contacts`.
 */
import { useSyncExternalStore } from 'react'
import type { ListKey } from '../store/list.ts'

export interface Route {
  readonly list: ListKey | undefined
  readonly threadId: string | undefined
  /** The page of the settings that is open. */
  readonly settings?: string
}

const subscribe = (listener: () => void) => {
  addEventListener('hashchange', listener)
  return () => removeEventListener('hashchange', listener)
}

export function readRoute(hash: string): Route {
  const [, kind, given = '', threadId] = hash.replace(/^#/, '').split('/')
  let value = given
  try {
    value = decodeURIComponent(given)
  } catch {
    // An invalid escape is kept as it is.
  }
  if (kind === 'contacts') return { list: undefined, threadId: undefined, settings: 'contacts' }
  if (kind === 'settings') return { list: undefined, threadId: undefined, settings: value || 'rules' }
  const list: ListKey | undefined =
    kind === 'box' && value !== ''
      ? { kind: 'mailbox', id: value }
      : kind === 'find' && value !== ''
        ? { kind: 'search', query: value }
        : kind?.startsWith('find@') && value !== ''
          ? { kind: 'search', query: value, account: kind.slice('find@'.length) }
          : undefined
  return { list, threadId: threadId || undefined }
}

export const useHash = (): string => useSyncExternalStore(subscribe, () => location.hash)

export const hrefOf = (list: ListKey): string =>
  list.kind === 'mailbox'
    ? `#/box/${encodeURIComponent(list.id)}`
    : `#/find${list.account === undefined ? '' : `@${list.account}`}/${encodeURIComponent(list.query)}`

export function go(list: ListKey, threadId?: string): void {
  const base = hrefOf(list)
  location.hash = threadId === undefined ? base : `${base}/${threadId}`
}
