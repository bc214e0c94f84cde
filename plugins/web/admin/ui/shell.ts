/**
 * Shared by all screens: the identity of the login, short messages, and the way to other screens.
 */
import { createContext, useContext, useSyncExternalStore } from 'react'
import type { Line } from './api.ts'

export interface Me {
  readonly user: string
  readonly account: string | null
  readonly roles: readonly string[]
  readonly permissions: readonly string[]
  /** Null for all. */
  readonly domains: readonly string[] | null
  readonly hostname: string
  readonly features: readonly string[]
}

/** Where long work comes from: a request that begins it, or a task that was begun before this page. */
export type TaskSource =
  | { readonly title: string; readonly path: string; readonly body: unknown }
  | { readonly title: string; readonly task: string }

/** Long work that the shell shows until it has ended and was closed. */
export type Job = TaskSource & {
  /** Called once it has ended, with its last line of output. */
  onEnd?(lines: readonly Line[]): void
}

export interface Shell {
  readonly me: Me
  may(permission: string): boolean
  say(text: string, isError?: boolean): void
  /** Runs long work with progress, a line for each fault, and a way to cancel it. */
  run(job: Job): void
  /** Asks before what cannot be undone. */
  sure(question: { readonly title: string; readonly text: string; readonly action: string }): Promise<boolean>
}

export const ShellContext = createContext<Shell | undefined>(undefined)

export function useShell(): Shell {
  const found = useContext(ShellContext)
  if (!found) throw new Error('this part stands outside of the administration')
  return found
}

const subscribe = (listener: () => void) => {
  addEventListener('hashchange', listener)
  return () => removeEventListener('hashchange', listener)
}

/** The parts of the address: `#/people/account/ID` is `['people', 'account', 'ID']`. */
export function usePlace(): readonly string[] {
  const hash = useSyncExternalStore(subscribe, () => location.hash)
  const [path = ''] = hash.replace(/^#\/?/, '').split('?')
  return path.split('/').map(decoded)
}

/** The question behind the place: `#/trace?to=ann@example.org`. */
export function useQuestion(): URLSearchParams {
  const hash = useSyncExternalStore(subscribe, () => location.hash)
  return new URLSearchParams(hash.split('?')[1] ?? '')
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export const hrefOf = (...parts: readonly string[]): string => `#/${parts.map(encodeURIComponent).join('/')}`
export const go = (...parts: readonly string[]): void => {
  location.hash = hrefOf(...parts)
}
