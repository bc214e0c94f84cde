/**
 * What a command is, to the session that runs it.
 */
import type { Literal } from 'iems'
import type { CommandContext } from './context.ts'
import type { Cursor } from './grammar/cursor.ts'
import type { TaggedResponse } from './responses.ts'

/** The rest of a command when its handler is called. */
export interface Call {
  readonly tag: string
  /** Upper case, without UID before it. */
  readonly name: string
  /** It began with UID: numbers are UIDs. */
  readonly isUid: boolean
  readonly cursor: Cursor
  /** The command as it has been read, for those that read on by themselves. */
  readonly more: MoreInput
}

/** What a command that takes large literals reads by itself. */
export interface MoreInput {
  /** The literal that the last line ended with; undefined when the command ended there. */
  literal: Literal | undefined
  /** Asks the client for the literal, if it waits to be asked. */
  invite(literal: Literal): Promise<void>
  /** The next line of the command, with the literal it ends with. */
  line(): Promise<string>
}

export type State = 'any' | 'before' | 'authenticated' | 'selected'

export interface CommandDefinition {
  readonly state: State
  /** May stand after UID. */
  readonly uid?: boolean
  /** EXPUNGE may not be told while it runs and after it (RFC 9051 section 7.5.1). */
  readonly keepsNumbers?: boolean
  /** Reads its literals by itself. */
  readonly reads?: boolean
  run(session: CommandContext, call: Call): Promise<TaggedResponse>
}
