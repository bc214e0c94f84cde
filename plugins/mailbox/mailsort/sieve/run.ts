/**
 * The state of one script's run: variables, flags, what it has done so far, and what it may still do.
 *
 * Invariant: every limit that is passed ends the script with a SieveError.
 */

import type { Pace } from 'iems'
import type { MimePart } from 'iems/mime'
import type { Action, Environment, Limits, Step } from './environment.ts'
import type { MessageView } from './message.ts'
import { type Position, SieveError } from './syntax.ts'
import type { Variables } from './templates.ts'

/** Characters of a variable (RFC 5229 section 6 asks for 4000), and of all together. */
const MAX_VARIABLE = 16_384
const MAX_VARIABLES = 1_048_576
const MAX_VARIABLE_COUNT = 256
/** RFC 5229 section 3.2: at least ${0} to ${9}. */
const MAX_MATCHES = 32

/** Control flow: the next command, or the end of all scripts, of this script, or of a loop. */
export type Flow = undefined | 'stop' | 'return' | { readonly breaks: string | undefined }

export type Location = 'personal' | 'global'

/** Shared by all scripts of a run. */
export interface Shared {
  readonly limits: Limits
  readonly actions: Action[]
  readonly globals: Map<string, string>
  readonly included: Set<string>
  readonly steps: Step[] | undefined
  /** Lets others run while this takes long. */
  readonly pace: Pace
  flags: readonly string[]
  /** Runs another script; undefined if there is none. */
  include(name: string, location: Location, run: Run): Promise<{ readonly flow: Flow } | undefined>
  /** Whether the implicit keep still holds. */
  keeps: boolean
  stepsLeft: number
  workLeft: number
}

export class Run implements Variables {
  readonly message: MessageView
  readonly environment: Environment
  readonly shared: Shared
  /** Depth of inclusion. */
  readonly depth: number
  /** The part that `foreverypart` has come to. */
  part: MimePart | undefined
  /** Names that `global` has made common. */
  readonly globalNames = new Set<string>()
  readonly #variables = new Map<string, string>()
  #matches: readonly string[] = []
  #at: Position = { line: 1, column: 1 }
  #seen: readonly string[] | undefined

  constructor(message: MessageView, environment: Environment, shared: Shared, depth = 0) {
    this.message = message
    this.environment = environment
    this.shared = shared
    this.depth = depth
  }

  get at(): Position {
    return this.#at
  }

  step(at: Position): void {
    this.#at = at
    if (--this.shared.stepsLeft < 0) throw new SieveError(at, 'the script takes too many steps')
  }

  spend(characters: number): void {
    this.shared.workLeft -= characters
    if (this.shared.workLeft < 0) throw new SieveError(this.#at, 'the script compares too much')
  }

  /** Records the values that a test examines. */
  saw(values: readonly string[]): void {
    this.#seen = values
  }

  get isExplained(): boolean {
    return this.shared.steps !== undefined
  }

  explain(kind: Step['kind'], at: Position, text: string, result?: boolean): void {
    const values = this.#seen
    this.#seen = undefined
    this.shared.steps?.push({
      ...{ line: at.line, column: at.column, kind, text },
      ...(values && kind === 'test' ? { values: values.slice(0, 20).map((value) => value.slice(0, 200)) } : {}),
      ...(result === undefined ? {} : { result }),
    })
  }

  act(action: Action): void {
    const { actions, limits } = this.shared
    if (actions.length >= limits.actions) throw new SieveError(this.#at, `more than ${limits.actions} actions`)
    const redirects = actions.filter(({ kind }) => kind === 'redirect').length
    if (action.kind === 'redirect' && redirects >= limits.redirects)
      throw new SieveError(this.#at, `more than ${limits.redirects} redirects`)
    const refuses = action.kind === 'reject'
    const hasRefused = actions.some(({ kind }) => kind === 'reject')
    // RFC 5429 section 2.3 and RFC 5230 section 4.7: a refused message is neither kept nor answered.
    const clashes = (kind: Action['kind']) => ['fileinto', 'keep', 'redirect', 'vacation', 'reject'].includes(kind)
    if ((refuses && actions.some(({ kind }) => clashes(kind))) || (hasRefused && clashes(action.kind)))
      throw new SieveError(
        this.#at,
        `${action.kind} beside ${refuses ? 'other actions' : 'reject'}`,
        'use stop behind reject',
      )
    actions.push(action)
  }

  // --- variables ---

  set matches(values: readonly string[]) {
    this.#matches = values.slice(0, MAX_MATCHES)
  }

  matched(index: number): string {
    return this.#matches[index] ?? ''
  }

  #place(name: string): readonly [Map<string, string>, string] {
    if (name.startsWith('global.')) return [this.shared.globals, name.slice('global.'.length)]
    return [this.globalNames.has(name) ? this.shared.globals : this.#variables, name]
  }

  variable(name: string): string {
    // RFC 5183 section 3 leaves `env.` to other documents; unknown variables are empty (RFC 5229 section 3).
    const [map, key] = this.#place(name)
    return map.get(key) ?? ''
  }

  setVariable(name: string, value: string): void {
    const [map, key] = this.#place(name.toLowerCase())
    map.set(key, cut(value))
    let size = 0
    for (const one of map.values()) size += one.length
    if (map.size > MAX_VARIABLE_COUNT || size > MAX_VARIABLES)
      throw new SieveError(this.#at, 'the variables hold too much')
  }
}

/** Without half of a surrogate pair at its end. */
function cut(value: string): string {
  if (value.length <= MAX_VARIABLE) return value
  return value.slice(0, MAX_VARIABLE).replace(/[\ud800-\udbff]$/, '')
}
