/**
 * Tests and actions that other plugins add to Sieve. Types and two functions that keep them.
 *
 * A plugin names `Mailsort` in its `needs` and calls `ctx.use(Mailsort).extend({ … })` in its setup. Scripts then
 * `require` the capability, ManageSieve announces it, and `iems mailsort test` shows the test or action as any other.
 */
import type { Filing, FilingAction } from '../store/api.ts'

export type SieveArgumentKind = 'string' | 'number' | 'strings'

/** Arguments of a test or an action in a script. */
export interface SieveArguments {
  /** Tags by name, without the colon: the type of the value, or `flag` for none. All tags are optional. */
  readonly tags?: Readonly<Record<string, SieveArgumentKind | 'flag'>>
  /** Behind the tags, in this order; all are needed. */
  readonly values?: readonly SieveArgumentKind[]
}

interface ValueOf {
  readonly string: string
  readonly number: number
  readonly strings: readonly string[]
  readonly flag: true
}

/** The arguments of one call. Variables of the script are expanded. */
export interface SieveGiven<A extends SieveArguments = SieveArguments> {
  readonly tags: { readonly [K in keyof A['tags']]?: ValueOf[A['tags'][K] & keyof ValueOf] }
  readonly values: {
    readonly [K in keyof A['values']]: A['values'][K] extends keyof ValueOf ? ValueOf[A['values'][K]] : A['values'][K]
  }
}

/** The subject of a test. */
export interface SieveSubject {
  /** The account's id. */
  readonly account: string
  readonly envelope: { readonly from: string; readonly to: string }
  /** Octets. */
  readonly size: number
  /** Values of all fields of a name, decoded, with the changes that the script has made. */
  header(name: string): readonly string[]
}

export interface SieveTest<A extends SieveArguments = SieveArguments> {
  readonly arguments: A
  /** A rejected promise fails the script: the message stays in INBOX. */
  test(given: SieveGiven<A>, subject: SieveSubject): boolean | Promise<boolean>
}

export interface SieveAction<A extends SieveArguments = SieveArguments> {
  readonly arguments: A
  /** Cancels the implicit keep. Default false. */
  readonly cancelsKeep?: boolean
  /** Actions of the mail store. A rejected promise defers the delivery. */
  file(given: SieveGiven<A>, filing: Filing): readonly FilingAction[] | Promise<readonly FilingAction[]>
}

export interface SieveExtension {
  /** For `require` (RFC 5228 section 6.2.2). */
  readonly capability: `vnd.${string}`
  /** By name, in lower case. */
  readonly tests?: Readonly<Record<string, SieveTest>>
  readonly actions?: Readonly<Record<string, SieveAction>>
}

/** Infers the types of a test's arguments from its definition. */
export const defineSieveTest = <const A extends SieveArguments>(test: SieveTest<A>): SieveTest =>
  test as unknown as SieveTest

/** Infers the types of an action's arguments from its definition. */
export const defineSieveAction = <const A extends SieveArguments>(action: SieveAction<A>): SieveAction =>
  action as unknown as SieveAction
