/**
 * A command that a plugin adds: `iems dkim add` in a terminal, a form in web administration.
 *
 * What it takes and what each of its rows is are schemas, so that a form, a table and the command line are made from the
 * same words. Invariants: a command runs in the server; what it takes has been validated before it runs.
 */
import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec'
import type { Identity } from './hooks.ts'

/** A Standard Schema that can also be given as JSON Schema, as zod's are. */
export interface CommandSchema<Input = unknown, Output = Input> {
  readonly '~standard': StandardSchemaV1.Props<Input, Output> & StandardJSONSchemaV1.Props<Input, Output>
}
/** A caller of the administration service: an identity, or whoever has the control socket. */
export type Caller = Pick<Identity, 'user' | 'roles'>
/** JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** A command of a plugin's own. The caller gets the message of what it throws. */
export interface Command {
  /** One line for `--help`. */
  readonly summary: string
  /**
   * What it takes: an object. On the command line its fields are the arguments that `arguments` names, and options for
   * the rest (`dryRun` is `--dry-run`; a boolean is a switch; a list is divided by commas). Default: strings, made from
   * `arguments` and `options`.
   */
  readonly fields?: CommandSchema<any, unknown>
  /** What the `value` of each line is, for tables and programs. */
  readonly row?: CommandSchema<any, unknown>
  /** In order: `<needed>`, `[optional]`, and `[many...]` as the last. */
  readonly arguments?: readonly string[]
  /** Without `fields`: `'--since <date>'` with its sentence; without `<…>` it is a switch. */
  readonly options?: Readonly<Record<string, string>>
  /** It reads a file: `--input <file>`, or standard input. `secret`: a password, which a terminal asks for and does not show. */
  readonly reads?: boolean | 'secret'
  /** It writes a file: `--output <file>`, or standard output. */
  readonly writes?: boolean
  /** Roles that may run it, beside `admin`. Default: none. */
  readonly roles?: readonly string[]
  run(call: CommandCall): AsyncIterable<CommandOutput>
}

export interface CommandCall {
  /** What `fields` made of it; without `fields`, the arguments and options by name. */
  readonly values?: unknown
  /** As given, in order. */
  readonly arguments: readonly string[]
  /** By their long names without dashes: `{ since: '2026-01-01', all: true }`. */
  readonly options: Readonly<Record<string, string | true>>
  /** What is read; empty unless the command reads. */
  readonly input: AsyncIterable<Uint8Array>
  /** Who has called it. */
  readonly by?: Caller
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal
}

export type CommandOutput<Row = unknown> =
  /** A line for people; programs (`--json`) get `value` instead, or nothing if there is none. */
  | { readonly text: string; readonly value?: Row }
  /** How far it is: shown on a terminal, and replaced by the next. */
  | { readonly progress: string }
  /** A part of the file that is written. */
  | { readonly bytes: Uint8Array }

export interface CommandDefinition<Fields extends CommandSchema<any, unknown>, Row extends CommandSchema<any, unknown>>
  extends Omit<Command, 'fields' | 'row' | 'options' | 'run'> {
  readonly fields: Fields
  readonly row?: Row
  run(
    call: CommandCall & { readonly values: StandardSchemaV1.InferOutput<Fields> },
  ): AsyncIterable<CommandOutput<StandardSchemaV1.InferInput<Row>>>
}

/** Types a command by its schemas; does nothing else. */
export function defineCommand<
  Fields extends CommandSchema<any, unknown>,
  Row extends CommandSchema<any, unknown> = CommandSchema,
>(definition: CommandDefinition<Fields, Row>): Command {
  // What has been validated is of the type that the schema infers.
  return definition as Command
}
