/**
 * Reads the text of a Sieve script into its syntax tree (RFC 5228 section 8.2).
 *
 * Invariants: any text gives a tree or a SieveError, in linear time; nesting has a bound.
 */
import { Lexer, type Token } from './lexer.ts'
import { type Argument, type CommandSyntax, type ScriptSyntax, SieveError, type TestSyntax } from './syntax.ts'

/** Blocks within blocks, and tests within tests. */
export const MAX_NESTING = 32

export function parseScript(text: string): ScriptSyntax {
  return new Parser(text).script()
}

class Parser {
  readonly #lexer: Lexer
  #token: Token

  constructor(text: string) {
    this.#lexer = new Lexer(text)
    this.#token = this.#lexer.next()
  }

  script(): ScriptSyntax {
    const commands = this.#commands(0)
    if (this.#token.kind !== 'end') throw new SieveError(this.#token.at, "'}' without a block", 'remove it')
    return { commands, comments: this.#token.comments }
  }

  #commands(depth: number): readonly CommandSyntax[] {
    if (depth > MAX_NESTING)
      throw new SieveError(this.#token.at, 'blocks are nested too deeply', `at most ${MAX_NESTING} levels`)
    const commands: CommandSyntax[] = []
    while (this.#token.kind !== 'end' && !this.#is('}')) commands.push(this.#command(depth))
    return commands
  }

  #command(depth: number): CommandSyntax {
    const { at, comments } = this.#token
    const name = this.#name('a command')
    const args = this.#arguments()
    const tests = this.#tests(depth)
    if (this.#take(';')) return { at, name, arguments: args, tests, comments }
    const note = this.#token.comments.join(' ')
    if (!this.#take('{')) throw new SieveError(this.#token.at, `expected ';' or '{' behind ${name}`, "end it with ';'")
    const block = this.#commands(depth + 1)
    if (!this.#take('}')) throw new SieveError(at, `the block of ${name} has no end`, "close it with '}'")
    return { at, name, arguments: args, tests, block, comments, ...(note === '' ? {} : { note }) }
  }

  #test(depth: number): TestSyntax {
    if (depth > MAX_NESTING)
      throw new SieveError(this.#token.at, 'tests are nested too deeply', `at most ${MAX_NESTING} levels`)
    const { at } = this.#token
    const name = this.#name('a test')
    return { at, name, arguments: this.#arguments(), tests: this.#tests(depth) }
  }

  /** A test, or a list of them in parentheses. */
  #tests(depth: number): readonly TestSyntax[] {
    if (this.#token.kind === 'identifier') return [this.#test(depth + 1)]
    if (!this.#take('(')) return []
    const tests = [this.#test(depth + 1)]
    while (this.#take(',')) tests.push(this.#test(depth + 1))
    if (!this.#take(')')) throw new SieveError(this.#token.at, "expected ',' or ')' in a list of tests")
    return tests
  }

  #arguments(): readonly Argument[] {
    const args: Argument[] = []
    for (;;) {
      const token = this.#token
      const { at } = token
      if (token.kind === 'number') args.push({ at, value: { kind: 'number', number: token.number } })
      else if (token.kind === 'string') args.push({ at, value: { kind: 'string', text: token.text } })
      else if (token.kind === 'tag') args.push({ at, value: { kind: 'tag', name: token.text } })
      else if (this.#is('[')) {
        args.push({ at, value: { kind: 'strings', texts: this.#list() } })
        continue
      } else return args
      this.#step()
    }
  }

  #list(): readonly string[] {
    const texts: string[] = []
    do {
      this.#step()
      const token = this.#token
      if (token.kind !== 'string') throw new SieveError(token.at, 'expected a string', 'write ["one", "two"]')
      texts.push(token.text)
      this.#step()
    } while (this.#is(','))
    if (!this.#take(']')) throw new SieveError(this.#token.at, "expected ',' or ']' in a list of strings")
    return texts
  }

  #name(what: string): string {
    const token = this.#token
    if (token.kind !== 'identifier') throw new SieveError(token.at, `expected ${what}, found ${shown(token)}`)
    this.#step()
    return token.text
  }

  #is(mark: string): boolean {
    return this.#token.kind === 'mark' && this.#token.text === mark
  }

  #take(mark: string): boolean {
    if (!this.#is(mark)) return false
    this.#step()
    return true
  }

  #step(): void {
    this.#token = this.#lexer.next()
  }
}

function shown(token: Token): string {
  if (token.kind === 'end') return 'the end of the script'
  if (token.kind === 'number') return String(token.number)
  if (token.kind === 'tag') return `:${token.text}`
  return token.kind === 'string' ? 'a string' : `'${token.text}'`
}
