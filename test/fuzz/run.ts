/**
 * `npm run fuzz`: mutated input for every reader and listener, guided by which code it reaches.
 *
 *   npm run fuzz -- --seconds 3600            all targets in turn, an hour in all
 *   npm run fuzz -- --only mime,imap --seed 7
 *
 * A fault or a hang is printed with its input in base64. The well-kept fuzzer for JavaScript (Jazzer.js) ships a binary
 * that needs a newer C library than Debian 12 has, so the loop is ours; targets are plain functions that it could run too.
 */
import { parseArgs } from 'node:util'
import { fuzzTarget } from './fuzz.ts'
import { TARGETS } from './targets.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    only: { type: 'string' },
    seed: { type: 'string', default: String(Math.floor(performance.timeOrigin) % 1_000_000) },
  },
})
const names = values.only?.split(',') ?? Object.keys(TARGETS)
const end = performance.now() + Number(values.seconds) * 1000
console.log(`seed ${values.seed}`)
let faults = 0
for (let round = 0; performance.now() < end; round++) {
  for (const target of names) {
    if (performance.now() >= end) break
    const job = { target, seed: Number(values.seed) + round, inputs: 2000, guided: true }
    const seen = await fuzzTarget(job)
    faults += seen.faults.length
    console.log(
      `${target}: ${seen.inputs} inputs, ${seen.corpus} kept, ${seen.blocks} blocks, ${seen.faults.length} faults`,
    )
    for (const { why, input } of seen.faults) console.log(`  ${why}\n  ${input.toString('base64')}`)
  }
}
process.exitCode = faults === 0 ? 0 : 1
