/**
 * A command, as the session runs it.
 */
import type { Literal } from 'iems'
import type { CommandContext } from './context.ts'
import type { Cursor } from './grammar/cursor.ts'
import type { TaggedResponse } from './responses.ts'

/** The rest of a command when its handler is called. */
export interface Call {
  readonly tag: string
  /** In upper case, without a leading UID. */
  readonly name: string
  /** It began with UID: numbers are UIDs. */
  readonly isUid: boolean
  readonly cursor: Cursor
  /** Access to the input, for commands that read their own literals. */
  readonly more: MoreInput
}

/** Input for a command that reads large literals itself. */
export interface MoreInput {
  /** The literal announced by the last line; undefined at the end of the command. */
  literal: Literal | undefined
  /** Sends the continuation, if the client waits for it. */
  invite(literal: Literal): Promise<void>
  /** The next line of the command, with the literal at its end. */
  line(): Promise<string>
}

export type State = 'any' | 'before' | 'authenticated' | 'selected'

export interface CommandDefinition {
  readonly state: State
  /** Allowed after UID. */
  readonly uid?: boolean
  /** No EXPUNGE may be sent during this command or in its response (RFC 9051 section 7.5.1). */
  readonly keepsNumbers?: boolean
  /** Reads its own literals. */
  readonly reads?: boolean
  run(session: CommandContext, call: Call): Promise<TaggedResponse>
}
