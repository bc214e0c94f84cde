/**
 * The Admin service: pages that plugins add to the web administration.
 *
 * A table, a form and figures are declared: the server asks the plugin for values, and the browser draws them with the
 * kit. A module is one JavaScript file of the plugin, which the browser loads from this server under the policy of the
 * page; no framework is shared. Invariants: each page names the logins that it is for; its input is validated by its
 * schemas before the plugin sees it.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type CommandOutput, type CommandSchema, defineService } from 'iems'
import type { Login } from '../http/api.ts'

/** The place of a page in the navigation. */
export type PageGroup = 'overview' | 'manage' | 'protection' | 'system'

// biome-ignore lint/suspicious/noExplicitAny: pages have different schemas; their types are checked where they are added
export type PageSchema = CommandSchema<any, any>

type Out<S extends PageSchema> = StandardSchemaV1.InferOutput<S>

interface Place {
  /** Lower-case letters, digits and `-`; unique among the pages of all plugins. */
  readonly id: string
  readonly title: string
  readonly group: PageGroup
  /** A permission as for routes of HTTP. Default: `admin`. */
  readonly who?: string
  /** One sentence below the title. */
  readonly summary?: string
}

/** One page of rows. `next` is the cursor of the following page; absent at the end. */
export interface Rows<Row> {
  readonly rows: readonly Row[]
  readonly next?: string
  /** The number of all rows, where it is known. */
  readonly total?: number
}

/** Output of an action; a fault concerns the row `at`. */
export type ActionOutput = CommandOutput | { readonly fault: string; readonly at?: string }

export interface TableAction {
  /** Unique in its table. */
  readonly id: string
  readonly title: string
  /** The browser asks for the password once more. Default: it can be undone. */
  readonly irreversible?: boolean
  /** Runs for the selected rows, by their ids; progress and a line for each fault reach the browser as they come. */
  run(
    ids: readonly string[],
    call: { readonly login: Login; readonly signal: AbortSignal },
  ): AsyncIterable<ActionOutput>
}

export interface Table<Row extends PageSchema, Filter extends PageSchema> {
  /** An object with a text `id`; its other fields are the columns, named by their descriptions. */
  readonly row: Row
  /** Fields above the table. */
  readonly filter?: Filter
  rows(filter: Out<Filter>, cursor: string | undefined): Promise<Rows<StandardSchemaV1.InferInput<Row>>>
  readonly actions?: readonly TableAction[]
  /**
   * Text about a row, such as the source of a message, shown verbatim when the row is opened; undefined: it is gone.
   */
  preview?(id: string): Promise<string | undefined>
}

export interface Form<Schema extends PageSchema> {
  readonly schema: Schema
  read(): Promise<StandardSchemaV1.InferInput<Schema>>
  write(value: Out<Schema>, call: { readonly login: Login }): Promise<void>
}

/** A line over time. `at` is ms since 1970. */
export interface Figure {
  readonly title: string
  readonly unit?: string
  series(): Promise<
    readonly { readonly name: string; readonly points: readonly (readonly [at: number, value: number])[] }[]
  >
}

export type AdminPage<
  Row extends PageSchema = PageSchema,
  Filter extends PageSchema = PageSchema,
  Schema extends PageSchema = PageSchema,
> = Place &
  (
    | { readonly table: Table<Row, Filter> }
    | { readonly form: Form<Schema> }
    | { readonly figures: readonly Figure[] }
    /**
     * A JavaScript module without imports: `file:` URL, read once. It exports `mount(element, host)`, whose return value
     * unmounts it. `host` has `language`, `theme`, `fetch`, `say(text)`, `confirm(text)` and `navigate(hash)`.
     */
    | { readonly module: URL }
  )

export interface AdminApi {
  /** Throws when another page has the id. Only during setup. */
  page<Row extends PageSchema, Filter extends PageSchema, Schema extends PageSchema>(
    page: AdminPage<Row, Filter, Schema>,
  ): void
}

export const Admin = defineService<AdminApi>('admin')
