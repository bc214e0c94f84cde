/**
 * What a filter outside of this server is asked and answers, whichever it is.
 */
import type { Backend, BackendState, ReadableMessage } from 'iems'
import type { Action, Reason } from '../score.ts'
import type { ScannerOptions } from './options.ts'

export interface Scan {
  readonly reason?: Reason
  /** What is to be done at least. */
  readonly action: Action
  /** It wants the sender to come again: at once or by greylisting. */
  readonly later?: 'defer' | 'greylist'
  /** What it goes by, in its own words. */
  readonly symbols: string
}

export interface Scanner {
  readonly name: 'rspamd' | 'spamassassin'
  readonly options: Pick<ScannerOptions, 'maxSize' | 'whenDown' | 'timeout' | 'servers'>
  /** Throws `NoServer`. */
  scan(message: ReadableMessage): Promise<Scan>
  states(): readonly BackendState[]
  backends(): readonly Backend[]
  close(): void
}

/** Names of rules as an answer has them: plain, and not too many. */
export function symbolList(names: readonly string[]): string {
  return names
    .slice(0, 50)
    .map((name) => name.replace(/[^\w.:-]/g, '').slice(0, 60))
    .filter((name) => name !== '')
    .join(' ')
}
