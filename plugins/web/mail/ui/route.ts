/**
 * Where the person is, kept in the address's fragment: `#/box/ID/THREAD` or `#/find/QUERY/THREAD`.
 */
import { useSyncExternalStore } from 'react'
import type { ListKey } from '../store/list.ts'

export interface Route {
  readonly list: ListKey | undefined
  readonly threadId: string | undefined
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
    // A broken address is taken as it is.
  }
  const list: ListKey | undefined =
    kind === 'box' && value !== ''
      ? { kind: 'mailbox', id: value }
      : kind === 'find' && value !== ''
        ? { kind: 'search', query: value }
        : undefined
  return { list, threadId: threadId || undefined }
}

export const useHash = (): string => useSyncExternalStore(subscribe, () => location.hash)

export function go(list: ListKey, threadId?: string): void {
  const base =
    list.kind === 'mailbox' ? `#/box/${encodeURIComponent(list.id)}` : `#/find/${encodeURIComponent(list.query)}`
  location.hash = threadId === undefined ? base : `${base}/${threadId}`
}
