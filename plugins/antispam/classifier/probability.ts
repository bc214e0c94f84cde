/**
 * How likely a message is junk by what was learnt: Robinson's estimate for each token, Fisher's way to put them
 * together (as bogofilter and SpamAssassin do it).
 */
import type { Corpus } from './corpus.ts'

/** What a token is taken to say before it was seen, and how much that weighs against what was seen. */
const UNKNOWN = 0.5
const STRENGTH = 0.3
/** Tokens that say next to nothing are left out, and so are all but the most telling ones. */
const TELLING = 0.1
const MOST = 150
const SUREST = 0.01

/** From 0 (ham) to 1 (junk); 0.5 is no opinion. */
export function probabilityOf(tokens: Uint32Array, corpus: Pick<Corpus, 'counts' | 'junk' | 'ham'>): number {
  const telling: number[] = []
  for (const token of tokens) {
    const [junk, ham] = corpus.counts(token)
    if (junk + ham === 0) continue
    const [inJunk, inHam] = [junk / corpus.junk, ham / corpus.ham]
    const estimate = (STRENGTH * UNKNOWN + (junk + ham) * (inJunk / (inJunk + inHam))) / (STRENGTH + junk + ham)
    if (Math.abs(estimate - 0.5) >= TELLING) telling.push(Math.min(1 - SUREST, Math.max(SUREST, estimate)))
  }
  if (telling.length === 0) return 0.5
  telling.sort((a, b) => Math.abs(b - 0.5) - Math.abs(a - 0.5))
  const used = telling.slice(0, MOST)
  const isHam = chance(used)
  const isJunk = chance(used.map((one) => 1 - one))
  return (1 + isHam - isJunk) / 2
}

/** By the chi-squared distribution: how likely it is to meet such estimates by accident. */
function chance(estimates: readonly number[]): number {
  const half = -estimates.reduce((all, one) => all + Math.log(one), 0)
  let term = Math.exp(-half)
  let all = term
  for (let degree = 1; degree < estimates.length; degree++) {
    term *= half / degree
    all += term
  }
  return Math.min(1, all)
}
