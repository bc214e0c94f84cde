/**
 * The standard rules, with fitted weights and the administrator's overrides.
 */
import { Pace } from 'iems'
import type { MessageText } from '../content/message-text.ts'
import type { Reason } from '../score.ts'
import { readEvidence, type Surroundings } from './evidence.ts'
import { headerRules } from './headers.ts'
import { linkRules } from './links.ts'
import { markupRules } from './markup.ts'
import type { Rule } from './rule.ts'
import { subjectRules } from './subject.ts'
import { FITTED } from './weights.ts'
import { wordingRules } from './wording.ts'

export const STANDARD_RULES: readonly Rule[] = [
  ...headerRules,
  ...subjectRules,
  ...wordingRules,
  ...markupRules,
  ...linkRules,
]

export const RULE_NAMES: readonly string[] = STANDARD_RULES.map(({ name }) => name)

export interface StandardRulesOptions {
  readonly standard: boolean
  /** Overrides of fitted weights by name; 0 turns a rule off. */
  readonly weights: Readonly<Record<string, number>>
}

/**
 * Returns the reasons found by the standard rules, each with its sentence. Yields to the event loop between rules after
 * a few milliseconds.
 */
export function createStandardRules({ standard, weights }: StandardRulesOptions, surroundings: Surroundings) {
  const rules = STANDARD_RULES.flatMap(({ name, says, weight, test }) => {
    const score = weights[name] ?? FITTED.rules[name] ?? weight
    return standard && score !== 0 ? [{ reason: { name, score, says }, test }] : []
  })
  return async function match(letter: MessageText): Promise<readonly Reason[]> {
    if (rules.length === 0) return []
    const pace = new Pace()
    pace.due()
    const evidence = await readEvidence(letter, surroundings, pace)
    const reasons: Reason[] = []
    for (const { reason, test } of rules) {
      if (test(evidence)) reasons.push(reason)
      const wait = pace.due()
      if (wait) await wait
    }
    return reasons
  }
}
