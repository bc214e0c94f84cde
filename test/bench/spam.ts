/**
 * Fits the weights of antispam's standard rules and classifier to mail that an administrator supplies, and measures
 * them on mail that the fitting has not seen.
 *
 *   node --conditions=source test/bench/spam.ts --spam PATH… --ham PATH… [--hard PATH…] [--write]
 *
 * A PATH is a folder of messages, a message, or an mbox. `--hard` is wanted mail that looks like spam, such as
 * newsletters. Each message belongs to one half by a hash of its content: one half is taught to the classifier and
 * fitted, the other is only measured. `--write` stores the weights in plugins/filter/antispam/rules/weights.ts.
 */
import { createHash } from 'node:crypto'
import { createReadStream, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Pace } from 'iems'
import { messagesOf } from '../../plugins/filter/antispam/classifier/mbox.ts'
import { opinionOf } from '../../plugins/filter/antispam/classifier/probability.ts'
import { allOf, tokensOf, VIEWS, type Views } from '../../plugins/filter/antispam/classifier/tokens.ts'
import { readLetter } from '../../plugins/filter/antispam/content/message-text.ts'
import { urisOf } from '../../plugins/filter/antispam/content/uris.ts'
import { readEvidence } from '../../plugins/filter/antispam/rules/evidence.ts'
import { STANDARD_RULES } from '../../plugins/filter/antispam/rules/rules.ts'

/** The defaults of the options `content` and `thresholds`. */
const LIMITS = { size: 262_144, text: 65_536, uris: 20 }
const JUNK = 6
const TAG = 4
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
  readonly half: number
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
      const [half = 0, fold = 0] = createHash('sha256').update(octets).digest()
      const x = Float64Array.from([...VIEWS.map(() => 0), ...hits])
      samples.push({ group, file, views, x, half: half & 1, fold: fold % FOLDS })
    }
  return samples
}

// --- the classifier ---

class Counts {
  junk = 0
  ham = 0
  readonly #tables = { spam: new Uint16Array(2 ** 18), ham: new Uint16Array(2 ** 18) }

  constructor(samples: readonly Sample[]) {
    for (const { group, views } of samples) {
      const isSpam = group === 'spam'
      const table = this.#tables[isSpam ? 'spam' : 'ham']
      for (const token of allOf(views)) table[token >>> 14] = (table[token >>> 14] as number) + 1
      if (isSpam) this.junk++
      else this.ham++
    }
  }

  counts(token: number): readonly [number, number] {
    return [this.#tables.spam[token >>> 14] as number, this.#tables.ham[token >>> 14] as number]
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
  const importance = samples.map(({ group }) => (group === 'hard' ? 3 : 1))
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
function operatingPoint(logits: readonly (readonly [Group, number])[], easy: number, hard: number): number {
  const most = (group: Group, share: number) => {
    const all = logits
      .filter(([one]) => one === group)
      .map(([, z]) => z)
      .sort((a, b) => b - a)
    return all[Math.floor(all.length * share)] ?? -Infinity
  }
  return Math.max(most('ham', easy), most('hard', hard)) + 1e-6
}

/** Weights in units of the score, so that 6 is the operating point. */
function scoresOf(samples: Sample[]): Float64Array {
  let scale = 1
  let scores = new Float64Array()
  for (let round = 0; round < ROUNDS; round++) {
    const prior = Float64Array.from([...VIEWS.map(() => 0.3), ...STANDARD_RULES.map(({ weight }) => weight / scale)])
    const strength = Float64Array.from([...VIEWS.map(() => 1), ...STANDARD_RULES.map(() => PRIOR)])
    const out: [Group, number][] = []
    for (let fold = 0; fold < FOLDS; fold++) {
      const model = fit(
        samples.filter((one) => one.fold !== fold),
        prior,
        strength,
        MAX_RULE / scale,
      )
      for (const sample of samples) if (sample.fold === fold) out.push([sample.group, logitOf(model, sample)])
    }
    const model = fit(samples, prior, strength, MAX_RULE / scale)
    const point = operatingPoint(out, EASY, HARD)
    scale = JUNK / (point - model.bias)
    scores = model.weights.map((one) => one * scale)
    if (round === ROUNDS - 1)
      table(
        'Fitted half, cross-validated',
        out.map(([group, z]) => [group, (z - model.bias) * scale]),
      )
  }
  return scores
}

/** How strongly a weight is held to the one that its rule begins with. */
const PRIOR = 1
/** Shares of easy and hard ham that may be wrong where the operating point is chosen. */
const EASY = 1 / 1950
const HARD = 5 / 125

const WEIGHTS = join(import.meta.dirname, '../../plugins/filter/antispam/rules/weights.ts')

function sourceOf(scores: Float64Array): string {
  const rounded = (at: number) => Math.round((scores[at] as number) * 1000) / 1000
  const views = VIEWS.map((view, j) => `    ${view}: ${rounded(j)},`)
  const rules = STANDARD_RULES.map(
    ({ name }, j) => `    '${name}': ${Math.round((scores[j + VIEW_COUNT] as number) * 100) / 100},`,
  )
  return `/**
 * The weights of the classifier's views and of the standard rules, in units of the score.
 *
 * Written by test/bench/spam.ts --write; change the rule or the data and write the file again.
 */
import type { View } from '../classifier/tokens.ts'

export const FITTED: {
  readonly views: Readonly<Record<View, number>>
  readonly rules: Readonly<Record<string, number>>
} = {
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

function table(title: string, all: Scored): void {
  const line = (group: Group, least: number) => {
    const scores = all.filter(([one]) => one === group).map(([, score]) => score)
    const found = scores.filter((score) => score >= least).length
    return `${group} ${found}/${scores.length} (${((100 * found) / scores.length).toFixed(1)} %)`
  }
  console.log(title)
  for (const least of [TAG, 5, JUNK])
    console.log(`  from ${least}: ${GROUPS.map((group) => line(group, least)).join(', ')}`)
}

const { values } = parseArgs({
  options: {
    spam: { type: 'string', multiple: true, default: [] },
    ham: { type: 'string', multiple: true, default: [] },
    hard: { type: 'string', multiple: true, default: [] },
    write: { type: 'boolean', default: false },
    rules: { type: 'boolean', default: false },
  },
})
const begun = performance.now()
const samples = [
  ...(await read('spam', values.spam)),
  ...(await read('ham', values.ham)),
  ...(await read('hard', values.hard)),
]
console.log(`${samples.length} messages read, ${(samples.length / ((performance.now() - begun) / 1000)).toFixed(0)}/s`)
const learnt = samples.filter(({ half }) => half === 0)
for (let fold = 0; fold < FOLDS; fold++)
  ask(
    learnt.filter((one) => one.fold === fold),
    new Counts(learnt.filter((one) => one.fold !== fold)),
  )
const scores = scoresOf(learnt)
table('Fitted half, as fitted', scored(learnt, scores))
if (values.rules)
  for (const [i, { name, weight }] of STANDARD_RULES.entries()) {
    const hits = (group: Group) => learnt.filter((one) => one.group === group && one.x[i + VIEW_COUNT] === 1).length
    console.log(
      `${name.padEnd(28)} ${weight.toFixed(1)} → ${(scores[i + VIEW_COUNT] as number).toFixed(2)}  spam ${hits('spam')} ham ${hits('ham')} hard ${hits('hard')}`,
    )
  }
console.log(VIEWS.map((view, j) => `${view} ${(scores[j] as number).toFixed(3)}`).join(', '))
const other = samples.filter(({ half }) => half === 1)
ask(other, new Counts(learnt))
table('Other half, never fitted', scored(other, scores))
if (values.write) writeFileSync(WEIGHTS, sourceOf(scores))
