/**
 * All extensions together: what scripts can use here, and what `require` and ManageSieve name.
 */
import { COMPARATOR_NAMES } from '../comparators.ts'
import { createLanguage, type Language } from '../compile.ts'
import type { Extension } from '../language.ts'
import { actions } from './actions.ts'
import { bodies } from './bodies.ts'
import { createIhave, environment, includes } from './control.ts'
import { dates } from './dates.ts'
import { editing } from './editing.ts'
import { flags } from './flags.ts'
import { headers } from './headers.ts'
import { lists } from './lists.ts'
import { duplicates, mailboxes, scores } from './mailboxes.ts'
import { metadata } from './metadata.ts'
import { notifications, vacation } from './replies.ts'
import { variables } from './variables.ts'

const EXTENSIONS: readonly Extension[] = [
  ...[actions, headers, variables, flags, includes, environment, dates, bodies, mailboxes, duplicates, scores],
  ...[vacation, notifications, editing, lists, metadata],
]

const comparators: Extension = { capabilities: COMPARATOR_NAMES.map((name) => `comparator-${name}`) }

/** With extensions of other plugins. Throws for names that are taken. */
export function createSieve(more: readonly Extension[] = []): Language {
  const own = [...EXTENSIONS, comparators, createIhave((name) => language.capabilities.has(name))]
  for (const [at, one] of more.entries()) checkNames(one, [...own, ...more.slice(0, at)])
  const language: Language = createLanguage([...own, ...more])
  return language
}

const CONTROL = ['if', 'elsif', 'else', 'require', 'not', 'anyof', 'allof']

function checkNames({ capabilities, tests = {}, commands = {} }: Extension, others: readonly Extension[]): void {
  const taken = new Set([
    ...CONTROL,
    ...others.flatMap((one) => [
      ...one.capabilities,
      ...Object.keys(one.tests ?? {}),
      ...Object.keys(one.commands ?? {}),
    ]),
  ])
  for (const name of [...capabilities, ...Object.keys(tests), ...Object.keys(commands)])
    if (taken.has(name)) throw new Error(`Sieve has a test, a command or an extension ${name} already`)
}
