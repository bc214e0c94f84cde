/**
 * Descriptions of commands and tests: arguments, extension, and effect.
 *
 * An extension is a list of such descriptions; compiler and evaluator know by name only the control structures of RFC
 * 5228.
 */
import type { Flow, Run } from './run.ts'
import type { Position } from './syntax.ts'
import { expand, type Template } from './templates.ts'

export type ValueKind = 'number' | 'string' | 'strings'

export interface TagSpec {
  /** Its value. */
  readonly value?: ValueKind
  /** An additional capability that it requires. */
  readonly capability?: string
  /** Of the tags of one group, one may be given. */
  readonly group?: string
}
export type TagSpecs = Readonly<Record<string, TagSpec>>

export interface Signature {
  readonly tags?: TagSpecs
  readonly positional?: readonly ValueKind[]
  /** The first positional argument may be absent. */
  readonly isFirstOptional?: boolean
  /** The capability that it needs when it is there. */
  readonly firstNeeds?: string
  /** The last positional argument may be absent. */
  readonly isLastOptional?: boolean
}

interface Spec extends Signature {
  /** The capability that `require` must name. */
  readonly capability?: string
  /** Looks at constant arguments when the script is compiled. Throws a SieveError. */
  check?(args: Arguments, at: Position): void
}

type MaybePromise<T> = T | Promise<T>

export interface TestSpec extends Spec {
  run(args: Arguments, run: Run): MaybePromise<boolean>
}

export interface CommandSpec extends Spec {
  /** It changes what runs, or values, and not the message. */
  readonly isControl?: boolean
  /** Whether a block belongs to it. */
  readonly hasBlock?: boolean
  run(args: Arguments, run: Run, block: () => Promise<Flow>): MaybePromise<Flow | void>
}

export interface Extension {
  /** Names for `require`; those that begin with `:` are for documentation only. */
  readonly capabilities: readonly string[]
  readonly tests?: Readonly<Record<string, TestSpec>>
  readonly commands?: Readonly<Record<string, CommandSpec>>
}

export type Compiled =
  | { readonly kind: 'number'; readonly number: number }
  | { readonly kind: 'string'; readonly text: Template }
  | { readonly kind: 'strings'; readonly texts: readonly Template[] }

/** Arguments of one command or test; names are tags, numbers are positions. */
export class Arguments {
  readonly at: Position
  readonly #tags: ReadonlyMap<string, Compiled | undefined>
  readonly #positional: readonly (Compiled | undefined)[]
  /** Anything that is worked out once for these arguments. */
  prepared: unknown

  constructor(
    at: Position,
    tags: ReadonlyMap<string, Compiled | undefined>,
    positional: readonly (Compiled | undefined)[],
  ) {
    this.at = at
    this.#tags = tags
    this.#positional = positional
  }

  has(which: string | number): boolean {
    return typeof which === 'string' ? this.#tags.has(which) : this.#positional[which] !== undefined
  }

  /** The one of some tags that is given. */
  oneOf<T extends string>(tags: readonly T[]): T | undefined {
    return tags.find((tag) => this.#tags.has(tag))
  }

  get tags(): Iterable<string> {
    return this.#tags.keys()
  }

  #value(which: string | number): Compiled | undefined {
    return typeof which === 'string' ? this.#tags.get(which) : this.#positional[which]
  }

  number(which: string | number): number | undefined {
    const value = this.#value(which)
    return value?.kind === 'number' ? value.number : undefined
  }

  string(which: string | number, run: Run): string | undefined {
    const value = this.#value(which)
    return value?.kind === 'string' ? expand(value.text, run) : undefined
  }

  /** None if absent. */
  strings(which: string | number, run: Run): readonly string[] {
    const texts = this.templates(which)
    return this.isConstant(which) ? (texts as readonly string[]) : texts.map((text) => expand(text, run))
  }

  templates(which: string | number): readonly Template[] {
    const value = this.#value(which)
    if (value?.kind === 'strings') return value.texts
    return value?.kind === 'string' ? [value.text] : []
  }

  /** Whether it contains no variable. */
  isConstant(which: string | number): boolean {
    return this.templates(which).every((text) => typeof text === 'string')
  }

  /** The strings of an argument that are constant, for `check`. */
  constants(which: string | number): readonly string[] {
    return this.templates(which).filter((text) => typeof text === 'string')
  }
}
