/**
 * Twice the input costs about twice as much, whatever reader of strangers' content it is given to.
 *
 * The inputs are made of each reader's own words: one repeated, each pair of them repeated, with a last octet that fits
 * nothing. They grow until there is enough to measure; then the processor time of n octets is compared with that of
 * 2n, and of 4n where that is in doubt. Other processes make no difference, and only a ratio that stays counts.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { FuzzTarget } from './fuzz/reader.ts'
import { TARGETS } from './fuzz/targets.ts'

/** Octets of the smallest and of the largest input that is measured. */
const [LEAST, MOST] = [500, 32_000]
/** Ms below which a cost says nothing. */
const TOO_SMALL_MS = 8
/** Ms that make a cost precise. */
const ENOUGH_MS = 40
/** The cost of twice the input: 2 by linear time, 4 by the square. */
const MAX_RATIO = 3
const TRIES = 4
/** The cost of four times the input, which decides: 4 by linear time, 16 by the square. */
const DECISIVE_RATIO = 8
/** Ms of four times the input from which a larger one is not tried. */
const DEAR_MS = 500
/** Words of a reader that are combined. */
const WORDS = 7

type Make = (size: number) => Buffer

const inputsOf =
  (start: string, unit: string): Make =>
  (size) =>
    Buffer.from(`${start}${unit.repeat(Math.ceil(size / unit.length))}\0`, 'latin1')

/** Ms of processor time of one run: the mean of as many as take `enough` ms, because the clock ticks every few ms. */
async function costOf({ run }: FuzzTarget, input: Buffer, enough = 0): Promise<number> {
  const before = process.threadCpuUsage()
  for (let runs = 1; ; runs++) {
    await run(input)
    const { user, system } = process.threadCpuUsage(before)
    const ms = (user + system) / 1000
    if (ms >= enough) return ms / runs
  }
}

async function least(target: FuzzTarget, input: Buffer, tries: number): Promise<number> {
  let found = Number.POSITIVE_INFINITY
  for (let count = 0; count < tries; count++) found = Math.min(found, await costOf(target, input, ENOUGH_MS))
  return found
}

async function isLinear(target: FuzzTarget, make: Make): Promise<boolean> {
  let size = LEAST
  let cost = await costOf(target, make(size))
  while (cost < TOO_SMALL_MS) {
    size *= 4
    if (size > MOST) return true
    cost = await costOf(target, make(size))
  }
  for (let tries = 1; tries <= TRIES; tries++) {
    const large = await least(target, make(size * 2), tries)
    if (large < TOO_SMALL_MS || large < MAX_RATIO * (await least(target, make(size), tries))) return true
  }
  const four = await least(target, make(size * 4), 3)
  if (four < DECISIVE_RATIO * (await least(target, make(size), 3))) return true
  // Pieces that are put together in a buffer of bounded size cost their square only up to that size.
  return four < DEAR_MS && (await least(target, make(size * 16), 3)) < DECISIVE_RATIO * four
}

async function* slowUnits(target: FuzzTarget): AsyncGenerator<string> {
  const { words = [], seeds, starts = ['', seeds[0]?.slice(0, seeds[0].length >> 1) ?? ''] } = target
  const own = [...new Set(words)].slice(0, WORDS)
  const units = [...own.flatMap((one) => own.map((other) => (one === other ? one : one + other))), 'a', ' ', '\r\n']
  for (const start of starts)
    for (const unit of units) {
      // Readers that never wait would keep the test runner from printing and from its timeouts.
      await turn()
      if (!(await isLinear(target, inputsOf(start, unit)))) yield `${JSON.stringify(unit)} behind ${start.slice(0, 40)}`
    }
}

for (const [name, target] of Object.entries(TARGETS).filter(([, { isSession }]) => !isSession))
  test(`${name}: twice the input costs about twice as much`, { timeout: 120_000 }, async () => {
    assert.deepEqual(await Array.fromAsync(slowUnits(target)), [])
  })

test('what costs more than its length is found', async () => {
  const cubic: FuzzTarget = {
    seeds: ['x'],
    // The ratio is 8 where 3 is allowed: no noise makes that look linear. Dear already at the least size.
    run({ length }) {
      let sum = 0
      for (let one = 0; one < length; one++)
        for (let two = 0; two < one; two++) for (let three = 0; three < two; three++) sum = (sum + three) | 0
      return sum
    },
  }
  assert.equal((await slowUnits(cubic).next()).done, false)
})
