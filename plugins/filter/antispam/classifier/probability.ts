/**
 * Rates a message by the tokens of one view: Robinson's estimate for each token, combined as a sum of log odds divided
 * by the square root of their number.
 *
 * The sum alone grows with the length of the text, because neighbouring words are not independent; divided by the root
 * it is comparable between short and long messages, and a fitted weight turns it into a score.
 */
import type { Corpus } from './corpus.ts'
import { VIEWS, type View, type Views } from './tokens.ts'

/** Prior probability of an unseen token, and its weight against observations. */
const UNKNOWN = 0.5
const STRENGTH = 0.3
/** Tokens below this are ignored, as are all but the most significant ones. */
const TELLING = 0.1
const MOST = 150
const SUREST = 0.01
/** Keeps a few significant tokens from counting as much as many. */
const DAMPING = 0.3

/** Maximum evidence of a single view. */
const MAX_EVIDENCE = 20

/** From −20 (ham) to 20 (junk); 0 is no opinion. */
function evidenceOf(tokens: Uint32Array, corpus: Learnt): number {
  const odds: number[] = []
  for (const token of tokens) {
    const [junk, ham] = corpus.counts(token)
    if (junk + ham === 0) continue
    const [inJunk, inHam] = [junk / corpus.junk, ham / corpus.ham]
    const estimate = (STRENGTH * UNKNOWN + (junk + ham) * (inJunk / (inJunk + inHam))) / (STRENGTH + junk + ham)
    if (Math.abs(estimate - 0.5) < TELLING) continue
    const bounded = Math.min(1 - SUREST, Math.max(SUREST, estimate))
    odds.push(Math.log(bounded / (1 - bounded)))
  }
  odds.sort((a, b) => Math.abs(b) - Math.abs(a))
  const used = odds.slice(0, MOST)
  const evidence = used.reduce((all, one) => all + one, 0) / Math.sqrt(used.length + DAMPING)
  return Math.max(-MAX_EVIDENCE, Math.min(MAX_EVIDENCE, evidence))
}

/** The evidence of each view: negative for ham, positive for junk. */
export type Opinion = Readonly<Record<View, number>>

type Learnt = Pick<Corpus, 'counts' | 'junk' | 'ham'>

/** Views without evidence, such as links in a message without any, leave their share to the others. */
export function opinionOf(views: Views, corpus: Learnt): Opinion {
  const said = VIEWS.map((view) => [view, evidenceOf(views[view], corpus)] as const)
  const speaking = said.filter(([, evidence]) => evidence !== 0).length
  const share = VIEWS.length / Math.max(1, speaking)
  return Object.fromEntries(said.map(([view, evidence]) => [view, evidence * share])) as Record<View, number>
}
