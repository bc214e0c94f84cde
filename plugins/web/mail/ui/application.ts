/**
 * Shared by all parts of the page: the store, messages with an undo, opening a composer.
 */
import { createContext, useContext, useSyncExternalStore } from 'react'
import type { Undo } from '../store/actions.ts'
import type { Draft, ReplyKind } from '../store/compose.ts'
import type { MailStore } from '../store/mail-store.ts'
import type { Email } from '../store/objects.ts'

export interface Toast {
  readonly text: string
  readonly undo?: Undo
  /** Of an action that goes on: the toast stays until the action says something else. */
  readonly stop?: () => void
  readonly isError?: boolean
}

/** Asked only before what cannot be undone. */
export interface Question {
  readonly title: string
  readonly text: string
  /** The word on the button that goes on. */
  readonly action: string
  run(): void
}

/** A module that a plugin adds, by the place in which it appears. */
export interface PluginModule {
  readonly slot: string
  readonly name: string
  readonly url: string
  readonly label: string
  /** Of a badge: the conversations that have it. */
  readonly keyword?: string
  readonly tone?: string
}

export interface Application {
  /** Of the account whose mailbox is open. */
  readonly store: MailStore
  /** Of the login's own account. */
  readonly home: MailStore
  /** Of other people who share mailboxes. */
  readonly shared: readonly MailStore[]
  /** The person's own addresses in lower case. */
  readonly own: readonly string[]
  say(toast: Toast): void
  ask(question: Question): void
  /** Shows the action with its undo, or the refusal. */
  perform(action: Promise<Undo>, text: string): Promise<void>
  compose(draft?: Draft): void
  /** Additions of plugins. */
  readonly modules: Promise<readonly PluginModule[]>
  reply(kind: ReplyKind, email: Email): Promise<void>
}

export const ApplicationContext = createContext<Application | undefined>(undefined)

export function useApplication(): Application {
  const found = useContext(ApplicationContext)
  if (!found) throw new Error('this part stands outside of the application')
  return found
}

/** Renders again at each change of the store. */
export const useStore = (store: MailStore): number => useSyncExternalStore(store.subscribe, () => store.version)
