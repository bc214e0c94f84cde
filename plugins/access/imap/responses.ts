/**
 * What a command is answered with.
 */
import type { Refused } from '../../mailbox/store/api.ts'

/** What stands behind `OK`, `NO` or `BAD`. */
export interface TaggedResponse {
  readonly status: 'OK' | 'NO' | 'BAD'
  /** Without its brackets. */
  readonly code?: string
  readonly text: string
}

export const ok = (text: string, code?: string): TaggedResponse => ({ status: 'OK', text, ...(code ? { code } : {}) })
export const no = (text: string, code?: string): TaggedResponse => ({ status: 'NO', text, ...(code ? { code } : {}) })
export const bad = (text: string, code?: string): TaggedResponse => ({ status: 'BAD', text, ...(code ? { code } : {}) })

/** Why the message store said no, as IMAP says it. */
export function refusal({ refused, why }: Refused, isTarget = false): TaggedResponse {
  if (refused === 'NONEXISTENT' && isTarget) return no(why, 'TRYCREATE')
  return no(why, refused === 'TOOBIG' ? 'TOOBIG' : refused)
}

/** The command has answered by itself. */
export const RESPONDED: TaggedResponse = Object.freeze(ok(''))

/** Whether this is an answer rather than what was asked for. */
export function isAnswer(value: object): value is TaggedResponse {
  return 'status' in value && 'text' in value
}
