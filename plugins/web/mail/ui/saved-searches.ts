/**
 * Searches shown among the mailboxes, by the choice of the person on this device.
 */
import { useSyncExternalStore } from 'react'

const KEPT = 'iems-searches'
const CHANGED = 'iems-searches'
const MAX_SEARCHES = 50

const text = (): string => localStorage.getItem(KEPT) ?? '[]'

function read(kept: string): string[] {
  try {
    const all = JSON.parse(kept) as unknown
    return Array.isArray(all) ? all.filter((one) => typeof one === 'string') : []
  } catch {
    return []
  }
}

/** Keeps a search, or forgets one that is kept. */
export function toggleSearch(query: string): void {
  const all = read(text())
  const next = all.includes(query) ? all.filter((one) => one !== query) : [...all, query].slice(-MAX_SEARCHES)
  localStorage.setItem(KEPT, JSON.stringify(next))
  dispatchEvent(new Event(CHANGED))
}

const subscribe = (listener: () => void) => {
  addEventListener(CHANGED, listener)
  addEventListener('storage', listener)
  return () => {
    removeEventListener(CHANGED, listener)
    removeEventListener('storage', listener)
  }
}

export const useSavedSearches = (): string[] => read(useSyncExternalStore(subscribe, text))
