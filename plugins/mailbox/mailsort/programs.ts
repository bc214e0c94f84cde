/**
 * Compiled scripts, kept by their text, with warnings for their authors.
 */
import { createHash } from 'node:crypto'
import { Cache } from 'iems'
import type { Filing, FilingAction } from '../store/api.ts'
import { asExtension } from './extending.ts'
import type { SieveAction, SieveExtension } from './extension.ts'
import {
  type CommandSyntax,
  compileScript,
  createSieve,
  type Extended,
  type Extension,
  type Language,
  type Program,
  parseScript,
} from './sieve/index.ts'

/** Maximum cached programs. */
const KEPT = 1000

export const hashOf = (text: string) => createHash('sha256').update(text).digest('base64url')

export class Programs {
  readonly #extensions = new Map<string, SieveExtension>()
  readonly #own: readonly Extension[]
  #language: Language
  readonly #known = new Cache<Program>({ max: KEPT })

  /** `hasEvents`: scripts may run for events in IMAP (RFC 6785). */
  constructor({ hasEvents }: { readonly hasEvents: boolean }) {
    this.#own = hasEvents ? [{ capabilities: ['imapsieve'] }] : []
    this.#language = createSieve(this.#own)
  }

  get language(): Language {
    return this.#language
  }

  /** Throws for names that are taken. */
  extend(extension: SieveExtension): void {
    const others = [...this.#extensions.values()].filter(({ capability }) => capability !== extension.capability)
    const all = [...others, extension]
    this.#language = createSieve([...this.#own, ...all.map(asExtension)])
    this.#extensions.set(extension.capability, extension)
    this.#known.clear()
  }

  /** The result of another plugin's action. */
  async carryOut({ name, given }: Extended, filing: Filing): Promise<readonly FilingAction[]> {
    for (const { actions = {} } of this.#extensions.values())
      if (Object.hasOwn(actions, name)) return (actions[name] as SieveAction).file(given, filing)
    throw new Error(`There is no action ${name}`)
  }

  /** Throws a SieveError. */
  compile(text: string): Program {
    return this.#known.getOrMake(hashOf(text), () => compileScript(text, this.language))
  }
}

export interface Surroundings {
  hasMailbox(name: string): Promise<boolean>
  hasScript(name: string, isGlobal: boolean): Promise<boolean>
}

/** Warnings of one script. */
const MAX_WARNINGS = 20

/** For a script that has compiled. */
export async function warningsOf(text: string, { hasMailbox, hasScript }: Surroundings): Promise<readonly string[]> {
  const warnings: string[] = []
  for (const { name, at, arguments: args } of commandsOf(parseScript(text).commands)) {
    const tags = args.flatMap(({ value }) => (value.kind === 'tag' ? [value.name] : []))
    const last = args.at(-1)?.value
    if (last?.kind !== 'string' || last.text.includes('${') || warnings.length >= MAX_WARNINGS) continue
    const where = `line ${at.line}, column ${at.column}`
    const isMade = ['create', 'mailboxid', 'specialuse'].some((tag) => tags.includes(tag))
    if (name === 'fileinto' && !isMade && !(await hasMailbox(last.text)))
      warnings.push(`${where}: there is no mailbox "${last.text}", messages stay in INBOX until there is`)
    if (name === 'include' && !tags.includes('optional') && !(await hasScript(last.text, tags.includes('global'))))
      warnings.push(`${where}: there is no script "${last.text}"`)
  }
  return warnings
}

function* commandsOf(commands: readonly CommandSyntax[]): Generator<CommandSyntax> {
  for (const command of commands) {
    yield command
    yield* commandsOf(command.block ?? [])
  }
}
