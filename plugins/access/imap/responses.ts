/**
 * Tagged responses of commands.
 */
import type { Refused } from '../../mailbox/store/api.ts'

/** The text after `OK`, `NO` or `BAD`. */
export interface TaggedResponse {
  readonly status: 'OK' | 'NO' | 'BAD'
  /** Without brackets. */
  readonly code?: string
  readonly text: string
}

export const ok = (text: string, code?: string): TaggedResponse => ({ status: 'OK', text, ...(code ? { code } : {}) })
export const no = (text: string, code?: string): TaggedResponse => ({ status: 'NO', text, ...(code ? { code } : {}) })
export const bad = (text: string, code?: string): TaggedResponse => ({ status: 'BAD', text, ...(code ? { code } : {}) })

/** The IMAP response to a refusal of the message store. */
export function refusal({ refused, why }: Refused, isTarget = false): TaggedResponse {
  if (refused === 'NONEXISTENT' && isTarget) return no(why, 'TRYCREATE')
  return no(why, refused === 'TOOBIG' ? 'TOOBIG' : refused)
}

/** The command has sent its own response. */
export const RESPONDED: TaggedResponse = Object.freeze(ok(''))

/** Whether a value is a response instead of the requested object. */
export function isAnswer(value: object): value is TaggedResponse {
  return 'status' in value && 'text' in value
}
