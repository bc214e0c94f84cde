/**
 * Commands that plugins add: `iems dkim add` in a terminal, a form in web administration.
 *
 * Input and output rows are described by schemas, from which the command line, forms and tables are generated.
 * Invariants: a command runs in the server; its input is validated before it runs.
 */
import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec'
import type { Identity } from './hooks.ts'

/** A Standard Schema that also converts to JSON Schema, as zod schemas do. */
export interface CommandSchema<Input = unknown, Output = Input> {
  readonly '~standard': StandardSchemaV1.Props<Input, Output> & StandardJSONSchemaV1.Props<Input, Output>
}
/** The schema of a command's input or rows, whatever its fields. */
// biome-ignore lint/suspicious/noExplicitAny: a schema of one input type is none of `unknown`
export type AnyCommandSchema = CommandSchema<any, unknown>
/** A caller of the administration service: an identity, or a client of the control socket. */
export type Caller = Pick<Identity, 'user' | 'roles'>
/** JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** A command of a plugin. Its caller receives the message of any error it throws. */
export interface Command {
  /** One line for `--help`. */
  readonly summary: string
  /**
   * Schema of the input, an object. On the command line its fields are the arguments that `arguments` names; all others
   * are options (`dryRun` is `--dry-run`; a boolean is a switch; a list is comma-separated). Default: strings, from
   * `arguments` and `options`.
   */
  readonly fields?: AnyCommandSchema
  /** Schema of the `value` of each output line, for tables and programs. */
  readonly row?: AnyCommandSchema
  /** Arguments in order: `<required>`, `[optional]`, and `[many...]` as the last. */
  readonly arguments?: readonly string[]
  /** Options without `fields`: `'--since <date>'` and its description. Without `<…>` the option is a switch. */
  readonly options?: Readonly<Record<string, string>>
  /**
   * The command reads a file: `--input <file>`, or standard input. `secret`: a password, which a terminal prompts for
   * without echo.
   */
  readonly reads?: boolean | 'secret'
  /** The command writes a file: `--output <file>`, or standard output. */
  readonly writes?: boolean
  /** The command cannot be undone: web administration asks for the password once more. Default: it can. */
  readonly irreversible?: boolean
  /** Roles that may run the command, in addition to `admin`. Default: none. */
  readonly roles?: readonly string[]
  run(call: CommandCall): AsyncIterable<CommandOutput>
}

export interface CommandCall {
  /** The validated input by `fields`; without `fields`, the arguments and options by name. */
  readonly values?: unknown
  /** The arguments as given, in order. */
  readonly arguments: readonly string[]
  /** The options by long name without dashes: `{ since: '2026-01-01', all: true }`. */
  readonly options: Readonly<Record<string, string | true>>
  /** The input file; empty unless the command reads one. */
  readonly input: AsyncIterable<Uint8Array>
  /** The caller of the command. */
  readonly by?: Caller
  /** Aborts when the caller disconnects. */
  readonly signal: AbortSignal
}

export type CommandOutput<Row = unknown> =
  /** A line for people; programs (`--json`) get `value` instead, or nothing without one. */
  | { readonly text: string; readonly value?: Row }
  /** Progress: shown on a terminal until the next line replaces it. */
  | { readonly progress: string }
  /** A part of the output file. */
  | { readonly bytes: Uint8Array }

export interface CommandDefinition<Fields extends AnyCommandSchema, Row extends AnyCommandSchema>
  extends Omit<Command, 'fields' | 'row' | 'options' | 'run'> {
  readonly fields: Fields
  readonly row?: Row
  run(
    call: CommandCall & { readonly values: StandardSchemaV1.InferOutput<Fields> },
  ): AsyncIterable<CommandOutput<StandardSchemaV1.InferInput<Row>>>
}

/** Infers the types of a command from its schemas. Returns the definition unchanged. */
export function defineCommand<Fields extends AnyCommandSchema, Row extends AnyCommandSchema = CommandSchema>(
  definition: CommandDefinition<Fields, Row>,
): Command {
  // The kernel validates the input, so it has the type that the schema infers.
  return definition as Command
}
