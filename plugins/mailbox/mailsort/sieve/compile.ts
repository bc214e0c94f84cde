/**
 * Checks a syntax tree against the extensions that are there and required, and makes a program of it.
 *
 * Invariants: a program needs no further checks except of values that are known only when it runs; every mistake is a
 * SieveError with its position. Where a script requires `ihave` (RFC 5463 section 4), what is not known is an error
 * only when it is reached.
 */
import {
  Arguments,
  type CommandSpec,
  type Compiled,
  type Extension,
  type Signature,
  type TagSpec,
  type TestSpec,
} from './language.ts'
import { parseScript } from './parser.ts'
import { type Argument, type CommandSyntax, type Position, SieveError, type TestSyntax } from './syntax.ts'
import { createTemplate } from './templates.ts'

export type TestNode =
  | {
      readonly kind: 'test'
      readonly name: string
      readonly at: Position
      readonly spec: TestSpec
      readonly args: Arguments
    }
  | { readonly kind: 'not' | 'anyof' | 'allof'; readonly at: Position; readonly tests: readonly TestNode[] }
  | { readonly kind: 'unknown'; readonly at: Position; readonly error: SieveError }

export type Node =
  | {
      readonly kind: 'if'
      readonly branches: readonly { readonly at: Position; readonly test?: TestNode; readonly block: readonly Node[] }[]
    }
  | {
      readonly kind: 'command'
      readonly name: string
      readonly at: Position
      readonly spec: CommandSpec
      readonly args: Arguments
      readonly block: readonly Node[]
    }
  | { readonly kind: 'unknown'; readonly at: Position; readonly error: SieveError }

export interface Program {
  readonly nodes: readonly Node[]
  readonly required: ReadonlySet<string>
}

/** The capabilities available to scripts. */
export interface Language {
  readonly capabilities: ReadonlySet<string>
  readonly tests: ReadonlyMap<string, TestSpec>
  readonly commands: ReadonlyMap<string, CommandSpec>
}

export function createLanguage(extensions: readonly Extension[]): Language {
  return {
    capabilities: new Set(extensions.flatMap(({ capabilities }) => capabilities)),
    tests: new Map(extensions.flatMap(({ tests = {} }) => Object.entries(tests))),
    commands: new Map(extensions.flatMap(({ commands = {} }) => Object.entries(commands))),
  }
}

/** Octets of a script. */
const MAX_SCRIPT = 1_048_576

/** Throws a SieveError. */
export function compileScript(text: string, language: Language): Program {
  if (text.length > MAX_SCRIPT) throw new SieveError({ line: 1, column: 1 }, 'the script is too large')
  const compiler = new Compiler(language)
  const nodes = compiler.script(parseScript(text).commands)
  return { nodes, required: compiler.required }
}

const NOWHERE: Position = { line: 1, column: 1 }

class Compiler {
  readonly required = new Set<string>()
  readonly #language: Language

  constructor(language: Language) {
    this.#language = language
  }

  script(commands: readonly CommandSyntax[]): readonly Node[] {
    const first = commands.findIndex(({ name }) => name !== 'require')
    const start = first < 0 ? commands.length : first
    for (const command of commands.slice(0, start)) this.#require(command)
    return this.#block(commands.slice(start))
  }

  #require(command: CommandSyntax): void {
    const args = this.#arguments(command, { positional: ['strings'] })
    for (const name of args.constants(0)) {
      if (!this.#language.capabilities.has(name))
        throw new SieveError(
          command.arguments[0]?.at ?? command.at,
          `the server has no extension "${name.slice(0, 60)}"`,
          'remove it',
        )
      this.required.add(name)
    }
    if (command.tests.length > 0 || command.block) throw new SieveError(command.at, 'require takes only names')
  }

  #block(commands: readonly CommandSyntax[]): readonly Node[] {
    const nodes: Node[] = []
    for (let index = 0; index < commands.length; index++) {
      const command = commands[index] as CommandSyntax
      if (command.name === 'if') {
        let end = index + 1
        while (['elsif', 'else'].includes(commands[end]?.name ?? '') && commands[end - 1]?.name !== 'else') end++
        nodes.push(this.#if(commands.slice(index, end)))
        index = end - 1
      } else nodes.push(this.#leniently(command.at, () => this.#command(command)))
    }
    return nodes
  }

  /** With `ihave`, what cannot be compiled is an error only where it runs. */
  #leniently<T>(at: Position, make: () => T): T | { kind: 'unknown'; at: Position; error: SieveError } {
    try {
      return make()
    } catch (error) {
      if (error instanceof SieveError && this.required.has('ihave')) return { kind: 'unknown', at, error }
      throw error
    }
  }

  #if(commands: readonly CommandSyntax[]): Node {
    const branches = commands.map((command) => {
      const { at, name, tests, block } = command
      this.#arguments(command, {})
      if (!block) throw new SieveError(at, `${name} needs a block`, `${name} … { … }`)
      const [test, ...more] = tests
      if (name === 'else' ? test !== undefined : test === undefined || more.length > 0)
        throw new SieveError(
          at,
          name === 'else' ? 'else takes no test' : `${name} takes one test`,
          'join tests with anyof or allof',
        )
      const compiled = test && this.#test(test)
      return { at, ...(compiled ? { test: compiled } : {}), block: this.#block(block) }
    })
    return { kind: 'if', branches }
  }

  #command(command: CommandSyntax): Node {
    const { name, at, tests, block } = command
    if (name === 'require') throw new SieveError(at, 'require stands behind other commands', 'move it to the top')
    if (name === 'elsif' || name === 'else')
      throw new SieveError(at, `${name} without if`, 'put it directly behind the block of an if')
    const spec = this.#language.commands.get(name)
    if (!spec)
      throw new SieveError(
        at,
        `unknown command ${name}`,
        this.#language.tests.has(name) ? `${name} is a test: if ${name} … { … }` : undefined,
      )
    this.#needs(spec.capability, name, at)
    const args = this.#arguments(command, spec)
    if (tests.length > 0) throw new SieveError(at, `${name} takes no test`)
    if (!spec.hasBlock && block) throw new SieveError(at, `${name} takes no block`, "end it with ';'")
    if (spec.hasBlock && !block) throw new SieveError(at, `${name} needs a block`)
    spec.check?.(args, at)
    return { kind: 'command', name, at, spec, args, block: this.#block(block ?? []) }
  }

  #test(syntax: TestSyntax): TestNode {
    const { name, at, tests } = syntax
    if (name === 'not' || name === 'anyof' || name === 'allof') {
      this.#arguments(syntax, {})
      if (tests.length === 0 || (name === 'not' && tests.length > 1))
        throw new SieveError(at, name === 'not' ? 'not takes one test' : `${name} needs tests`, `${name} (…)`)
      return { kind: name, at, tests: tests.map((test) => this.#test(test)) }
    }
    const made = this.#leniently(at, (): TestNode => {
      const spec = this.#language.tests.get(name)
      if (!spec) throw new SieveError(at, `unknown test ${name}`)
      this.#needs(spec.capability, name, at)
      if (tests.length > 0) throw new SieveError(at, `${name} takes no tests`)
      const args = this.#arguments(syntax, spec)
      spec.check?.(args, at)
      return { kind: 'test', name, at, spec, args }
    })
    // Capabilities that `ihave` names can be used after it (RFC 5463 section 4).
    if (name === 'ihave' && made.kind === 'test')
      for (const one of made.args.constants(0)) if (this.#language.capabilities.has(one)) this.required.add(one)
    return made
  }

  #needs(capability: string | undefined, name: string, at: Position): void {
    if (capability === undefined || this.#isRequired(capability)) return
    if (!this.#language.capabilities.has(capability)) throw new SieveError(at, `unknown: ${name}`)
    throw new SieveError(at, `${name} needs the extension "${capability}"`, `add require "${capability}"; at the top`)
  }

  /** RFC 5228 section 2.7.3: all but two comparators are extensions. */
  #needsComparator(value: Compiled | undefined, at: Position): void {
    const name = value?.kind === 'string' && typeof value.text === 'string' ? value.text : undefined
    const capability = `comparator-${name}`
    if (name === 'i;octet' || name === 'i;ascii-casemap' || !this.#language.capabilities.has(capability)) return
    this.#needs(capability, `the comparator ${name}`, at)
  }

  #isRequired(capability: string): boolean {
    // RFC 6131 section 3 and RFC 5235 section 2.1: these include others.
    return this.required.has(capability) || (INCLUDED_BY[capability] ?? []).some((other) => this.required.has(other))
  }

  #arguments(
    { at, name, arguments: given }: CommandSyntax | TestSyntax,
    { tags = {}, positional = [], isFirstOptional, firstNeeds, isLastOptional }: Signature,
  ): Arguments {
    const byTag = new Map<string, Compiled | undefined>()
    const values: (Compiled | undefined)[] = []
    const groups = new Map<string, string>()
    for (let index = 0; index < given.length; index++) {
      const argument = given[index] as Argument
      if (argument.value.kind !== 'tag') {
        values.push(this.#compiled(argument))
        continue
      }
      if (values.length > 0)
        throw new SieveError(argument.at, `:${argument.value.name} stands behind other arguments`, 'tags come first')
      const tag = argument.value.name
      const spec = Object.hasOwn(tags, tag) ? (tags[tag] as TagSpec) : undefined
      if (!spec) throw new SieveError(argument.at, `${name} takes no :${tag}`)
      this.#needs(spec.capability, `:${tag}`, argument.at)
      const group = spec.group ?? `:${tag}`
      const other = groups.get(group)
      if (other !== undefined)
        throw new SieveError(argument.at, `:${tag} stands beside :${other}`, 'remove one of them')
      groups.set(group, tag)
      const value = spec.value && this.#typed(given[++index], spec.value, `:${tag}`, argument.at)
      if (tag === 'comparator') this.#needsComparator(value, argument.at)
      byTag.set(tag, value)
    }
    if (isFirstOptional && values.length === positional.length - 1) values.unshift(undefined)
    else this.#needs(firstNeeds, `a variable of ${name}`, at)
    if (isLastOptional && values.length === positional.length - 1) values.push(undefined)
    if (values.length !== positional.length)
      throw new SieveError(
        at,
        `${name} takes ${counted(positional.length)}, not ${values.length}`,
        usage(name, positional),
      )
    const offset = given.length - values.filter((value) => value !== undefined).length
    const isShifted = values.length > 0 && values[0] === undefined
    for (const [index, kind] of positional.entries())
      if (values[index] !== undefined)
        this.#typed(given[offset + index - (isShifted ? 1 : 0)], kind, `argument ${index + 1} of ${name}`, at)
    return new Arguments(at, byTag, values)
  }

  #typed(argument: Argument | undefined, kind: 'number' | 'string' | 'strings', what: string, at: Position): Compiled {
    const found = argument && argument.value.kind !== 'tag' ? this.#compiled(argument) : undefined
    if (found && (found.kind === kind || (kind === 'strings' && found.kind === 'string'))) return found
    const wanted = kind === 'strings' ? 'a string or a list of strings' : `a ${kind}`
    throw new SieveError(argument?.at ?? at, `${what} is ${wanted}`)
  }

  #compiled({ value, at }: Argument): Compiled {
    if (value.kind === 'number') return { kind: 'number', number: value.number }
    const options = { isEncoded: this.required.has('encoded-character'), hasVariables: this.required.has('variables') }
    if (value.kind === 'string') return { kind: 'string', text: createTemplate(value.text, at, options) }
    if (value.kind === 'strings')
      return { kind: 'strings', texts: value.texts.map((text) => createTemplate(text, at, options)) }
    throw new SieveError(at ?? NOWHERE, `unexpected :${value.name}`)
  }
}

const INCLUDED_BY: Readonly<Record<string, readonly string[]>> = {
  vacation: ['vacation-seconds'],
  spamtest: ['spamtestplus'],
}

const counted = (count: number) => (count === 1 ? '1 argument' : count === 0 ? 'no arguments' : `${count} arguments`)

const FORMS = { number: '10', string: '"text"', strings: '["one", "two"]' } as const

const usage = (name: string, positional: readonly (keyof typeof FORMS)[]) =>
  `write ${[name, ...positional.map((kind) => FORMS[kind])].join(' ')}`
