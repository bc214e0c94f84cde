/**
 * Reads one command: its tag, its name, and its lines and literals.
 *
 * Invariants: memory for a command is bounded; a literal that the client sends without waiting is read to its end or
 * ends the session, so that its octets are never taken for commands.
 */
import { type Literal, splitLiteral } from 'iems'
import type { CommandDefinition, MoreInput } from './command.ts'
import { COMMANDS } from './commands/index.ts'
import type { CommandContext } from './context.ts'
import { Cursor, type Piece, SyntaxFault } from './grammar/cursor.ts'

/** Maximum octets of a command's literals in memory. */
const MAX_HELD_LITERALS = 65_536

/** A command as far as it has been read. */
export interface ReadCommand {
  /** In upper case, without a leading UID. */
  readonly name: string
  readonly isUid: boolean
  /** Undefined for an unknown command. */
  readonly definition: CommandDefinition | undefined
  readonly cursor: Cursor
  readonly more: MoreInput
}

export class CommandReader {
  readonly #session: CommandContext

  constructor(session: CommandContext) {
    this.#session = session
  }

  /** Reads the rest of a command, unless the command does so itself. */
  async read(first: string): Promise<ReadCommand> {
    const name = /^ (?:uid )?[a-z]+/i.exec(first)?.[0]?.trim().toUpperCase() ?? ''
    const isUid = name.startsWith('UID ')
    const bare = isUid ? name.slice(4) : name
    const found = COMMANDS[bare]
    const definition = found && (!isUid || found.uid) ? found : undefined
    const { text, literal } = splitLiteral(first.slice(1 + name.length))
    const pieces: Piece[] = [text]
    const more = this.#moreInput(literal)
    if (!definition?.reads) await this.#readLiterals(pieces, more)
    return { name: bare, isUid, definition, cursor: new Cursor(pieces), more }
  }

  async #readLiterals(pieces: Piece[], more: MoreInput): Promise<void> {
    let held = 0
    while (more.literal) {
      const { literal } = more
      held += literal.size
      if (held > MAX_HELD_LITERALS) await this.#refuseLiteral(literal)
      await more.invite(literal)
      pieces.push(await this.#session.parts.input.octets(literal.size), await more.line())
    }
  }

  async #refuseLiteral(literal: Literal): Promise<never> {
    // RFC 7888 section 4: a literal sent without waiting must be read, or the connection closed.
    if (literal.isImmediate) {
      this.#session.output.line('* BYE [TOOBIG] Literal too long')
      this.#session.end()
    }
    throw new SyntaxFault('literal too long')
  }

  #moreInput(literal: Literal | undefined): MoreInput {
    const { input, output, options } = this.#session.parts
    const more: MoreInput = {
      literal,
      async invite({ isImmediate }) {
        if (isImmediate) return
        output.line('+ Ready for literal data')
        await output.flush()
      },
      async line() {
        const next = splitLiteral((await input.line(options.limits.lineLength)).toString('latin1'))
        more.literal = next.literal
        return next.text
      },
    }
    return more
  }

  /** Skips the literals of a command that is not run, if the client sends them without waiting. */
  async passOver(more: MoreInput): Promise<void> {
    while (more.literal?.isImmediate) {
      await this.#session.parts.input.skip(more.literal.size)
      await more.line()
    }
  }
}
