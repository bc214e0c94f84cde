/**
 * An import: reads a file line by line, converts lines to changes, applies and counts them.
 *
 * Invariants: in all-or-none mode nothing changes if any line is wrong, and every wrong line is reported; memory is
 * bounded by the maximum entries of a file.
 */
import { type CommandCall, type CommandOutput, counted } from 'iems'
import { type Change, type DirectoryApi, isRefused } from '../api.ts'
import { NOT_ALONE } from '../changes.ts'
import type { Written } from './fields.ts'
import { BY } from './naming.ts'

/** Lines read before changes are applied, with `--each`. */
const CHUNK = 1000
/** Maximum errors listed one by one. */
const MAX_LISTED = 1000
const MAX_ENTRIES = 1_000_000

export interface Line {
  readonly line: number
  readonly words: readonly Written[]
}

/** Reads a file of one kind of entry. */
export interface LineReader {
  linesIn(input: AsyncIterable<Uint8Array>): AsyncIterable<Line>
  changesFor(words: readonly Written[], isUpdate: boolean): Promise<Change[]>
  unknownDomains(changes: readonly Change[]): Promise<readonly string[]>
}

export class ImportRun {
  readonly #service: Pick<DirectoryApi, 'change'>
  readonly #reader: LineReader
  readonly #call: CommandCall
  readonly #wrong: CommandOutput[] = []
  #failed = 0
  #made = 0
  #lines: Line[] = []
  #changes: { line: number; change: Change }[] = []

  constructor(service: Pick<DirectoryApi, 'change'>, reader: LineReader, call: CommandCall) {
    this.#service = service
    this.#reader = reader
    this.#call = call
  }

  async *run(): AsyncGenerator<CommandOutput> {
    const { input, options, signal } = this.#call
    let count = 0
    for await (const line of this.#reader.linesIn(input)) {
      signal.throwIfAborted()
      if (++count > MAX_ENTRIES) throw new Error(`a file has at most ${MAX_ENTRIES} entries`)
      this.#lines.push(line)
      if (this.#lines.length < CHUNK) continue
      await this.#read()
      yield { progress: `${count} read${options.each ? `, ${this.#made} made` : ''}` }
    }
    await this.#read()
    if (!options.each) {
      yield { progress: `${count} read, writing` }
      await this.#make('all')
    }
    yield* this.#wrong
    const [made, failed] = [this.#made, this.#failed]
    if (failed > 0 && !options.each) throw new Error(`${failed} of ${count} are wrong: nothing has been changed`)
    yield { text: `${counted(made, 'change')} made, ${failed} refused`, value: { read: count, made, refused: failed } }
  }

  async #read(): Promise<void> {
    const { options } = this.#call
    for (const { line, words } of this.#lines) {
      try {
        const of = await this.#reader.changesFor(words, options.update === true)
        for (const change of of) this.#changes.push({ line, change })
        for (const why of await this.#reader.unknownDomains(of)) throw new Error(why)
      } catch (cause) {
        this.#fail(line, cause instanceof Error ? cause.message : String(cause))
      }
    }
    this.#lines = []
    if (options.each) await this.#make('each')
  }

  /** After a wrong line the others are only checked, so that every wrong line is reported. */
  async #make(mode: 'all' | 'each'): Promise<void> {
    const results = await this.#service.change(
      this.#changes.map(({ change }) => change),
      BY,
      mode === 'all' && this.#failed > 0 ? 'check' : mode,
    )
    for (const [at, result] of results.entries()) {
      if (!isRefused(result)) this.#made++
      else if (result !== NOT_ALONE) this.#fail(this.#changes[at]?.line ?? 0, result.why)
    }
    this.#changes = []
  }

  #fail(line: number, why: string): void {
    this.#failed++
    if (this.#wrong.length < MAX_LISTED) this.#wrong.push({ text: `line ${line}: ${why}`, value: { line, why } })
  }
}
