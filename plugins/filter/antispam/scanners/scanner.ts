/**
 * The common interface of external filters.
 */
import type { Backend, BackendState, ReadableMessage } from 'iems'
import type { Action, Reason } from '../score.ts'
import type { ScannerOptions } from './options.ts'

export interface Scan {
  readonly reason?: Reason
  /** The minimum action. */
  readonly action: Action
  /** The filter asks for a deferral or greylisting. */
  readonly later?: 'defer' | 'greylist'
  /** The filter's symbols. */
  readonly symbols: string
}

export interface Scanner {
  readonly name: 'rspamd' | 'spamassassin'
  readonly options: Pick<ScannerOptions, 'maxSize' | 'whenDown' | 'timeout' | 'servers'>
  /** Throws `AllBackendsDown`. */
  scan(message: ReadableMessage): Promise<Scan>
  states(): readonly BackendState[]
  backends(): readonly Backend[]
  close(): void
}

/** Rule names from a response: sanitized and limited. */
export function symbolList(names: readonly string[]): string {
  return names
    .slice(0, 50)
    .map((name) => name.replace(/[^\w.:-]/g, '').slice(0, 60))
    .filter((name) => name !== '')
    .join(' ')
}
