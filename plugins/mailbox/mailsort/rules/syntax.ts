/**
 * Pieces of a syntax tree, for rules that become Sieve.
 */
import type { Argument, CommandSyntax, TestSyntax } from '../sieve/index.ts'

const at = { line: 1, column: 1 }
export const tag = (name: string): Argument => ({ at, value: { kind: 'tag', name } })
export const text = (one: string): Argument => ({ at, value: { kind: 'string', text: one } })
export const number = (one: number): Argument => ({ at, value: { kind: 'number', number: one } })
export const texts = (all: readonly string[]): Argument =>
  all.length === 1 ? text(all[0] as string) : { at, value: { kind: 'strings', texts: all } }
export const test = (name: string, args: readonly Argument[], tests: readonly TestSyntax[] = []): TestSyntax => ({
  ...{ at, name, tests, arguments: args },
})
export const command = (
  name: string,
  args: readonly Argument[] = [],
  more: Partial<CommandSyntax> = {},
): CommandSyntax => ({
  ...{ at, name, arguments: args, tests: [], comments: [] },
  ...more,
})

/** A piece of script, and the capabilities it requires. */
export type Made<T> = readonly [made: T, ...needs: string[]]
