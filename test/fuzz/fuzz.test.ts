/** A short run of the fuzzer from a fixed seed: no input that it makes is answered with a fault or never. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzTarget } from './fuzz.ts'
import { TARGETS } from './targets.ts'

for (const target of Object.keys(TARGETS)) {
  test(`${target}: mutated input causes no fault and no hang`, async () => {
    const isSession = ['smtp', 'imap', 'ldapSession'].includes(target)
    const { faults } = await fuzzTarget({ target, seed: 1, inputs: isSession ? 100 : 400, guided: false })
    assert.deepEqual(
      faults.map(({ why, input }) => `${why}\n${input.toString('base64')}`),
      [],
    )
  })
}
