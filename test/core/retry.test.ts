import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextAttempt } from '../../core/delivery/retry.ts'

const MIN = 60_000
const settings = { first: 5 * MIN, factor: 1.5, max: 240 * MIN, for: 5 * 1440 * MIN }

test('waits grow by the factor up to the longest, and end when the time is over', () => {
  const waits: number[] = []
  let now = 0
  for (let attempt = 1; ; attempt++) {
    const wait = nextAttempt(settings, { attempt, since: 0, now, chance: 0.5 })
    if (wait === undefined) break
    waits.push(wait / MIN)
    now += wait
  }
  assert.deepEqual(waits.slice(0, 4), [5, 7.5, 11.25, 16.875])
  assert.equal(Math.max(...waits), 240)
  assert.equal(now, settings.for, 'the last attempt falls on the end itself')
})

test('chance spreads a wait by a tenth of it', () => {
  const at = (chance: number) => nextAttempt(settings, { attempt: 1, since: 0, now: 0, chance })
  assert.equal(at(0), 4.75 * MIN)
  assert.equal(at(1), 5.25 * MIN)
})
