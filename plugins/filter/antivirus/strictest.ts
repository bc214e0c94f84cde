/**
 * Combines several results: a virus wins, otherwise the one with the strictest configured action.
 */
import type { Answer } from './clamd.ts'
import type { Action, Options } from './options.ts'

export const CLEAN: Answer = { kind: 'clean', name: '' }

const ACTIONS: readonly Action[] = ['tag', 'bounce', 'quarantine', 'discard', 'refuse']
const KINDS: readonly Answer['kind'][] = ['encrypted', 'oversize', 'unreadable', 'unscannable', 'virus']

type Policies = Pick<Options, Exclude<Answer['kind'], 'clean'>>

export function strictest(answers: readonly Answer[], policies: Policies): Answer {
  const rank = ({ kind }: Answer) => {
    if (kind === 'clean') return -1
    if (kind === 'virus') return Number.POSITIVE_INFINITY
    return ACTIONS.indexOf(policies[kind]) * KINDS.length + KINDS.indexOf(kind)
  }
  return answers.reduce((worst, answer) => (rank(answer) > rank(worst) ? answer : worst), CLEAN)
}
