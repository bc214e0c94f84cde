/**
 * The syntax tree of a Sieve script (RFC 5228 section 8.2), and the error that scripts are refused with. Types mostly.
 *
 * Invariant: a tree says nothing about what its commands mean; `printScript` writes it so that `parseScript` reads the
 * same tree again.
 */

/** Both count from 1; columns are UTF-16 units. */
export interface Position {
  readonly line: number
  readonly column: number
}

export interface Argument {
  readonly at: Position
  readonly value:
    | { readonly kind: 'number'; readonly number: number }
    | { readonly kind: 'string'; readonly text: string }
    | { readonly kind: 'strings'; readonly texts: readonly string[] }
    /** Lower case, without its colon. */
    | { readonly kind: 'tag'; readonly name: string }
}

export interface TestSyntax {
  readonly at: Position
  /** Lower case. */
  readonly name: string
  readonly arguments: readonly Argument[]
  readonly tests: readonly TestSyntax[]
}

export interface CommandSyntax {
  readonly at: Position
  /** Lower case. */
  readonly name: string
  readonly arguments: readonly Argument[]
  readonly tests: readonly TestSyntax[]
  /** Absent where a semicolon ends the command. */
  readonly block?: readonly CommandSyntax[]
  /** The comment directly before its block, where Roundcube keeps the tests of a rule that is turned off. */
  readonly note?: string
  /** Lines of comment directly before it, without their marks. */
  readonly comments: readonly string[]
}

export interface ScriptSyntax {
  readonly commands: readonly CommandSyntax[]
  /** Comments behind the last command. */
  readonly comments: readonly string[]
}

/** A script that is refused: where, why, and what its author can do about it. */
export class SieveError extends Error {
  readonly at: Position
  readonly cure: string | undefined

  constructor(at: Position, message: string, cure?: string) {
    super(message)
    this.at = at
    this.cure = cure
  }

  /** One line for people. */
  get text(): string {
    return `line ${this.at.line}, column ${this.at.column}: ${this.message}${this.cure === undefined ? '' : ` (${this.cure})`}`
  }
}
