/**
 * Turns the classifier's opinion into a score.
 */
import { FITTED } from '../rules/weights.ts'
import type { ClassifierOptions } from './options.ts'
import type { Opinion } from './probability.ts'
import { VIEWS } from './tokens.ts'

/** The fitted sum of the views, within the administrator's bounds; 0 without an opinion. */
export function weigh(opinion: Opinion | undefined, { junk, ham }: Pick<ClassifierOptions, 'junk' | 'ham'>): number {
  if (!opinion) return 0
  const score = VIEWS.reduce((all, view) => all + opinion[view] * FITTED.views[view], 0)
  return Math.round(Math.max(ham, Math.min(junk, score)) * 100) / 100
}
