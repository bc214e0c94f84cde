/**
 * Fits the weights of antispam's standard rules and classifier, and the thresholds with them, to mail that an
 * administrator supplies, and measures them on mail that the fitting has not seen.
 *
 *   node --conditions=source test/bench/spam.ts --spam PATH… --ham PATH… [--hard PATH…] [--divisions N] [--write]
 *
 * A PATH is a folder of messages, a message, or an mbox. `--hard` is wanted mail that looks like spam, such as
 * newsletters. A division puts each message into one of two halves by a hash of its content: one half is taught to the
 * classifier and fitted, the other is only measured; then the halves change places. `--write` stores what the first
 * half of the first division gives in plugins/filter/antispam/rules/weights.ts.
 */
import { createHash } from 'node:crypto'
import { createReadStream, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Pace } from '../../core/listener/pace.ts'
import { SHARED_BITS } from '../../plugins/filter/antispam/classifier/corpora.ts'
import { messagesOf } from '../../plugins/filter/antispam/classifier/mbox.ts'
import { opinionOf } from '../../plugins/filter/antispam/classifier/probability.ts'
import { allOf, tokensOf, VIEWS, type Views } from '../../plugins/filter/antispam/classifier/tokens.ts'
import { readLetter } from '../../plugins/filter/antispam/content/message-text.ts'
import { urisOf } from '../../plugins/filter/antispam/content/uris.ts'
import { readEvidence } from '../../plugins/filter/antispam/rules/evidence.ts'
import { STANDARD_RULES } from '../../plugins/filter/antispam/rules/rules.ts'

/** The defaults of the option `content`. */
const LIMITS = { size: 262_144, text: 65_536, uris: 20 }
/** The score of the threshold `junk`, which sets the unit of all weights. */
const JUNK = 6
/** Shares of ham that may be wrong where a threshold is chosen, measured by cross-validation. */
const ALLOWED = {
  junk: { ham: 1 / 1950, hard: 6 / 125 },
  tag: { ham: 2 / 1950, hard: 10 / 125 },
}
/** However well ham is told from spam in the data, junk is spam with this logit (90 %) by the model. */
const SURE = Math.log(9)
/** However well ham is told from spam in the data, a message needs this score to be tagged. */
const LEAST_TAG = JUNK / 2
/** How strongly a weight is held to the one that its rule begins with, and that of a view to 0.3. */
const PRIOR = { rule: 2, view: 1 }
/** What one message of a group counts in the fitting. */
const IMPORTANCE = { spam: 1, ham: 1, hard: 1.5 }
const FOLDS = 8
/** The scale of the priors depends on the result: so often is it fitted. */
const ROUNDS = 4
/** The defaults of the options `classifier.junk` and `classifier.ham`. */
const CLASSIFIER = { junk: 8, ham: -6 }
/** The most that one rule counts. */
const MAX_RULE = 2.5
const VIEW_COUNT = VIEWS.length

const GROUPS = ['spam', 'ham', 'hard'] as const
type Group = (typeof GROUPS)[number]

interface Sample {
  readonly group: Group
  readonly file: string
  readonly views: Views
  /** Opinions of the views, then 1 for each rule that matches. */
  x: Float64Array
  /** Of its content; bits of it decide to which half of each division the message belongs. */
  readonly digest: Uint8Array
  readonly fold: number
}

// --- reading ---

async function* octetsOf(path: string): AsyncGenerator<{ file: string; octets: Buffer }> {
  if (statSync(path).isDirectory()) {
    for (const name of readdirSync(path).sort()) yield* octetsOf(join(path, name))
    return
  }
  if (path.endsWith('.json')) return
  let count = 0
  for await (const octets of messagesOf(createReadStream(path), LIMITS.size))
    yield { file: `${path}#${++count}`, octets }
}

async function read(group: Group, paths: readonly string[]): Promise<Sample[]> {
  const samples: Sample[] = []
  for (const path of paths)
    for await (const { file, octets } of octetsOf(path)) {
      const letter = await readLetter(octets, LIMITS)
      const views = tokensOf(letter, urisOf(letter.raw, LIMITS.uris))
      const evidence = await readEvidence(letter, { hostname: 'localhost', now: Date.now }, new Pace())
      const hits = STANDARD_RULES.map(({ test }) => (test(evidence) ? 1 : 0))
      const digest = createHash('sha256').update(octets).digest()
      const x = Float64Array.from([...VIEWS.map(() => 0), ...hits])
      samples.push({ group, file, views, x, digest, fold: (digest[1] as number) % FOLDS })
    }
  return samples
}

// --- the classifier ---

const placeOf = (token: number) => token >>> (32 - SHARED_BITS)

class Counts {
  junk = 0
  ham = 0
  readonly #tables = { spam: new Uint16Array(2 ** SHARED_BITS), ham: new Uint16Array(2 ** SHARED_BITS) }

  constructor(samples: readonly Sample[]) {
    for (const { group, views } of samples) {
      const isSpam = group === 'spam'
      const table = this.#tables[isSpam ? 'spam' : 'ham']
      for (const token of allOf(views)) table[placeOf(token)] = (table[placeOf(token)] as number) + 1
      if (isSpam) this.junk++
      else this.ham++
    }
  }

  counts(token: number): readonly [number, number] {
    return [this.#tables.spam[placeOf(token)] as number, this.#tables.ham[placeOf(token)] as number]
  }
}

function ask(samples: readonly Sample[], counts: Counts): void {
  for (const { views, x } of samples) {
    const opinion = opinionOf(views, counts)
    for (const [at, view] of VIEWS.entries()) x[at] = opinion[view]
  }
}

// --- fitting: logistic regression with a prior for each weight ---

interface Fit {
  readonly bias: number
  readonly weights: Float64Array
}

function fit(samples: readonly Sample[], prior: Float64Array, strength: Float64Array, most: number): Fit {
  const weights = Float64Array.from(prior)
  let bias = 0
  const columns = weights.length
  const rows = Array.from({ length: columns }, (_, j) => samples.flatMap(({ x }, i) => (x[j] === 0 ? [] : [i])))
  const z = Float64Array.from(samples, ({ x }) => x.reduce((all, one, j) => all + one * (weights[j] as number), 0))
  const importance = samples.map(({ group }) => IMPORTANCE[group])
  const step = (index: readonly number[], value: (i: number) => number, pull: number, hold: number) => {
    let [gradient, curvature] = [pull, hold]
    for (const i of index) {
      const p = 1 / (1 + Math.exp(-(z[i] as number)))
      const by = (importance[i] as number) * value(i)
      gradient += by * (p - (samples[i]?.group === 'spam' ? 1 : 0))
      curvature += by * value(i) * Math.max(1e-4, p * (1 - p))
    }
    return gradient / curvature
  }
  const everything = samples.map((_, i) => i)
  for (let round = 0; round < 100; round++) {
    const by = step(everything, () => 1, 0, 1e-6)
    bias -= by
    for (const i of everything) z[i] = (z[i] as number) - by
    let moved = Math.abs(by)
    for (let j = 0; j < columns; j++) {
      const [old, hold] = [weights[j] as number, strength[j] as number]
      const value = (i: number) => samples[i]?.x[j] as number
      const move = step(rows[j] as number[], value, hold * (old - (prior[j] as number)), hold)
      const next = Math.min(j < VIEW_COUNT ? Infinity : most, Math.max(0, old - Math.max(-1, Math.min(1, move))))
      weights[j] = next
      for (const i of rows[j] as number[]) z[i] = (z[i] as number) + (next - old) * value(i)
      moved = Math.max(moved, Math.abs(next - old))
    }
    if (moved < 1e-4) break
  }
  return { bias, weights }
}

const logitOf = ({ bias, weights }: Fit, { x }: Sample) =>
  x.reduce((all, one, j) => all + one * (weights[j] as number), bias)

/** The lowest logit above which no more ham stands than is allowed. */
function operatingPoint(logits: Scored, { ham: easy, hard }: { readonly ham: number; readonly hard: number }): number {
  const most = (group: Group, share: number) => {
    const all = logits
      .filter(([one]) => one === group)
      .map(([, z]) => z)
      .sort((a, b) => b - a)
    return all[Math.floor(all.length * share)] ?? -Infinity
  }
  return Math.max(most('ham', easy), most('hard', hard)) + 1e-6
}

interface Fitted {
  readonly scores: Float64Array
  /** The threshold of the action `tag`, in halves. */
  readonly tag: number
  /** The fitted half, each message scored by a model that has not seen it. */
  readonly validated: Scored
}

/** Weights in units of the score, so that the operating point of `junk` is 6. */
function scoresOf(samples: readonly Sample[]): Fitted {
  let scale = 1
  let fitted: Fitted | undefined
  for (let round = 0; round < ROUNDS; round++) {
    const prior = Float64Array.from([...VIEWS.map(() => 0.3), ...STANDARD_RULES.map(({ weight }) => weight / scale)])
    const strength = Float64Array.from([...VIEWS.map(() => PRIOR.view), ...STANDARD_RULES.map(() => PRIOR.rule)])
    const out: [Group, number][] = []
    for (let fold = 0; fold < FOLDS; fold++) {
      const others = samples.filter((one) => one.fold !== fold)
      const model = fit(others, prior, strength, MAX_RULE / scale)
      for (const sample of samples) if (sample.fold === fold) out.push([sample.group, logitOf(model, sample)])
    }
    const { bias, weights } = fit(samples, prior, strength, MAX_RULE / scale)
    const junk = Math.max(SURE, operatingPoint(out, ALLOWED.junk))
    scale = JUNK / (junk - bias)
    fitted = {
      scores: weights.map((one) => one * scale),
      tag: Math.max(LEAST_TAG, Math.ceil((operatingPoint(out, ALLOWED.tag) - bias) * scale * 2) / 2),
      validated: out.map(([group, z]) => [group, (z - bias) * scale]),
    }
  }
  return fitted as Fitted
}

const WEIGHTS = join(import.meta.dirname, '../../plugins/filter/antispam/rules/weights.ts')

function sourceOf({ scores, tag }: Fitted): string {
  const rounded = (at: number) => Math.round((scores[at] as number) * 1000) / 1000
  const views = VIEWS.map((view, j) => `    ${view}: ${rounded(j)},`)
  const rules = STANDARD_RULES.map(
    ({ name }, j) => `    '${name}': ${Math.round((scores[j + VIEW_COUNT] as number) * 100) / 100},`,
  )
  return `/**
 * The weights of the classifier's views and of the standard rules, in units of the score, and the thresholds that were
 * fitted with them.
 *
 * Written by test/bench/spam.ts --write; change the rule or the data and write the file again.
 */
import type { View } from '../classifier/tokens.ts'

export const FITTED: {
  readonly thresholds: { readonly tag: number; readonly junk: number }
  readonly views: Readonly<Record<View, number>>
  readonly rules: Readonly<Record<string, number>>
} = {
  thresholds: { tag: ${tag}, junk: ${JUNK} },
  views: {
${views.join('\n')}
  },
  rules: {
${rules.join('\n')}
  },
}
`
}

// --- measuring ---

type Scored = readonly (readonly [Group, number])[]

const scored = (samples: readonly Sample[], scores: Float64Array): Scored =>
  samples.map(({ group, x }) => {
    const ofView = x.map((one, j) => (j < VIEW_COUNT ? one * (scores[j] as number) : 0))
    const ofRule = x.map((one, j) => (j < VIEW_COUNT ? 0 : one * (scores[j] as number)))
    const total = (parts: Float64Array) => parts.reduce((all, one) => all + one, 0)
    return [group, total(ofRule) + Math.min(CLASSIFIER.junk, Math.max(CLASSIFIER.ham, total(ofView)))]
  })

/** How many messages of each group reach a score. */
function reached(all: Scored, least: number): Readonly<Record<Group, readonly [number, number]>> {
  const count = (group: Group): readonly [number, number] => {
    const scores = all.filter(([one]) => one === group).map(([, score]) => score)
    return [scores.filter((score) => score >= least).length, scores.length]
  }
  return { spam: count('spam'), ham: count('ham'), hard: count('hard') }
}

function table(title: string, all: Scored, tag: number): void {
  console.log(title)
  for (const least of [tag, JUNK]) {
    const counts = Object.entries(reached(all, least))
    const text = counts.map(([group, [found, of]]) => `${group} ${found}/${of} (${((100 * found) / of).toFixed(1)} %)`)
    console.log(`  from ${least}: ${text.join(', ')}`)
  }
}

/** Teaches and fits one half, and scores the other. */
function tryHalves(samples: readonly Sample[], division: number, side: number) {
  const sideOf = ({ digest }: Sample) => (digest[division === 0 ? 0 : division + 1] as number) & 1
  const learnt = samples.filter((one) => sideOf(one) === side)
  const other = samples.filter((one) => sideOf(one) !== side)
  for (let fold = 0; fold < FOLDS; fold++) {
    const ofFold = learnt.filter((one) => one.fold === fold)
    ask(ofFold, new Counts(learnt.filter((one) => one.fold !== fold)))
  }
  const fitted = scoresOf(learnt)
  const asFitted = scored(learnt, fitted.scores)
  const hits = STANDARD_RULES.map((_, i) =>
    GROUPS.map((group) => learnt.filter((one) => one.group === group && one.x[i + VIEW_COUNT] === 1).length),
  )
  ask(other, new Counts(learnt))
  return { fitted, hits, asFitted, held: scored(other, fitted.scores) }
}

const { values } = parseArgs({
  options: {
    spam: { type: 'string', multiple: true, default: [] },
    ham: { type: 'string', multiple: true, default: [] },
    hard: { type: 'string', multiple: true, default: [] },
    write: { type: 'boolean', default: false },
    rules: { type: 'boolean', default: false },
    divisions: { type: 'string', default: '1' },
  },
})
const begun = performance.now()
const samples = [
  ...(await read('spam', values.spam)),
  ...(await read('ham', values.ham)),
  ...(await read('hard', values.hard)),
]
console.log(`${samples.length} messages read, ${(samples.length / ((performance.now() - begun) / 1000)).toFixed(0)}/s`)
const first = tryHalves(samples, 0, 0)
const { fitted } = first
table('Fitted half, cross-validated', fitted.validated, fitted.tag)
table('Fitted half, as fitted', first.asFitted, fitted.tag)
table('Other half, never fitted', first.held, fitted.tag)
console.log(VIEWS.map((view, j) => `${view} ${(fitted.scores[j] as number).toFixed(3)}`).join(', '))
if (values.rules)
  for (const [i, { name, weight }] of STANDARD_RULES.entries()) {
    const score = (fitted.scores[i + VIEW_COUNT] as number).toFixed(2)
    const [spam, ham, hard] = first.hits[i] as number[]
    console.log(`${name.padEnd(28)} ${weight.toFixed(1)} → ${score}  spam ${spam} ham ${ham} hard ${hard}`)
  }
if (values.write) writeFileSync(WEIGHTS, sourceOf(fitted))
for (let division = 0; division < Number(values.divisions); division++)
  for (const side of [0, 1]) {
    const { fitted: one, held } = division === 0 && side === 0 ? first : tryHalves(samples, division, side)
    table(`Division ${division}, half ${side} fitted, the other measured`, held, one.tag)
  }
