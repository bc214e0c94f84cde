/**
 * The Mailsort service: the Sieve scripts of accounts, as ManageSieve and web mail read and change them.
 *
 * Invariants: a script that does not compile is never stored or active; a resolved call is on stable storage. Saying no
 * is a value (`ScriptRefused`); an exception means "not now".
 */
import { defineService } from 'iems'
import type { SieveExtension } from './extension.ts'
import type { Rules } from './rules/form.ts'

export * from './extension.ts'
export type * from './rules/form.ts'

export interface ScriptInfo {
  /** Stays through renames. */
  readonly id: string
  readonly name: string
  readonly isActive: boolean
  /** Octets. */
  readonly size: number
  /** Ms since 1970. */
  readonly modified: number
}

/** Why not, by the response codes of RFC 5804 section 1.3; `INVALID` is a script that does not compile. */
export interface ScriptRefused {
  readonly refused: /** Rules would replace a script that says more than rules can. */
    | 'OWNSCRIPT'
    | 'NONEXISTENT'
    | 'ALREADYEXISTS'
    | 'ACTIVE'
    | 'QUOTA/MAXSIZE'
    | 'QUOTA/MAXSCRIPTS'
    | 'QUOTA'
    | 'INVALID'
    | 'NAME'
  /** For the script's author; one line. */
  readonly why: string
}

/** Warnings about a script that compiles, one line each. */
export interface Checked {
  readonly warnings: readonly string[]
}

/** A message that is made up. */
export interface Sample {
  /** The sender's address. */
  readonly from: string
  readonly subject?: string
  /** Further header fields, each with its line end. */
  readonly fields?: string
}

export interface MailsortApi {
  /** Capabilities that `require` may name. */
  readonly extensions: readonly string[]
  /** Schemes of the URIs that name lists (RFC 6134). */
  readonly lists: readonly string[]
  /** Methods of `notify`. */
  readonly notify: readonly string[]
  readonly maxRedirects: number
  readonly maxScriptSize: number
  readonly maxScripts: number
  /** Characters of a name. */
  readonly maxName: number
  /** Whether scripts run for events in IMAP (RFC 6785). */
  readonly hasEvents: boolean
  /** In order of name. */
  list(account: string): Promise<readonly ScriptInfo[]>
  get(account: string, name: string): Promise<string | undefined>
  check(account: string, text: string): Promise<Checked | ScriptRefused>
  put(account: string, name: string, text: string): Promise<Checked | ScriptRefused>
  /** Undefined if there is space for a script of this size. */
  hasSpace(account: string, name: string, octets: number): Promise<ScriptRefused | undefined>
  /** Null: no script is active. */
  activate(account: string, name: string | null): Promise<ScriptRefused | undefined>
  remove(account: string, name: string): Promise<ScriptRefused | undefined>
  rename(account: string, name: string, to: string): Promise<ScriptRefused | undefined>
  /** The vacation reply of a script to a sample message, or why there is none. Nothing is sent or noted. */
  preview(
    account: string,
    text: string,
    sample: Sample,
  ): Promise<{ readonly reply: string } | { readonly none: string }>
  /** The active script, as rules too: undefined if it says more than rules can, or if no script is active. */
  active(account: string): Promise<{ readonly script?: string; readonly rules?: Rules }>
  /** Makes rules the active script. One that says more than rules can is replaced only with `replacesScript`. */
  setRules(
    account: string,
    rules: Rules,
    options?: { readonly replacesScript?: boolean },
  ): Promise<{ readonly script: string } | ScriptRefused>
  /** A script as rules; undefined for one that says more than rules can. */
  toRules(text: string): Rules | undefined
  fromRules(rules: Rules): string
  /**
   * Adds tests and actions to the language. A plugin calls it in its setup; a later call for the same capability
   * replaces the earlier one. Throws for names that the language already has.
   */
  extend(extension: SieveExtension): void
}

export const Mailsort = defineService<MailsortApi>('mailsort')

export const isScriptRefused = (value: unknown): value is ScriptRefused =>
  typeof value === 'object' && value !== null && 'refused' in value
