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
import { flags } from './flags.ts'
import { headers } from './headers.ts'
import { duplicates, mailboxes, scores } from './mailboxes.ts'
import { notifications, vacation } from './replies.ts'
import { variables } from './variables.ts'

const EXTENSIONS: readonly Extension[] = [
  ...[actions, headers, variables, flags, includes, environment, dates, bodies, mailboxes, duplicates, scores],
  ...[vacation, notifications],
]

const comparators: Extension = { capabilities: COMPARATOR_NAMES.map((name) => `comparator-${name}`) }

export function createSieve(): Language {
  const language: Language = createLanguage([
    ...EXTENSIONS,
    comparators,
    createIhave((name) => language.capabilities.has(name)),
  ])
  return language
}
