/**
 * The store contract: hints.
 */
import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { HINT_MAX_OCTETS } from '../../../store/store.ts'
import { bytes, type Promised, text } from './promise.ts'

/** Waits for a condition, for a limited number of event loop turns. */
async function eventually(isSo: () => boolean): Promise<void> {
  for (let turns = 0; !isSo() && turns < 10_000; turns++) await turn()
  assert.ok(isSo())
}

export const HINTS: readonly Promised[] = [
  [
    'a hint reaches the subscribers of its topic in a later turn, and no former subscriber',
    async ({ store }) => {
      const heard: string[] = []
      const hear = (who: string) => (hint: Uint8Array | undefined) => heard.push(`${who} ${text(hint)}`)
      store.subscribe('a', hear('one'))
      store.subscribe('a', hear('two'))
      store.subscribe('b', hear('other'))
      const end = store.subscribe('a', hear('gone'))
      end()
      end()
      store.publish('a', bytes('x'))
      assert.deepEqual(heard, [])
      await eventually(() => heard.length === 2)
      store.publish('ab', bytes('no subscriber'))
      store.publish('b', undefined)
      await eventually(() => heard.length === 3)
      assert.deepEqual(heard.sort(), ['one x', 'other undefined', 'two x'])
    },
  ],
  [
    'a hint that is too large is refused, and a flood of them becomes “look for yourself”',
    async ({ store }) => {
      const heard: (string | undefined)[] = []
      store.subscribe('a', (hint) => heard.push(text(hint)))
      assert.throws(() => store.publish('a', Buffer.alloc(HINT_MAX_OCTETS + 1)), RangeError)
      const largest = 'x'.repeat(HINT_MAX_OCTETS)
      store.publish('a', bytes(largest))
      await eventually(() => heard.length === 1)
      assert.equal(heard[0], largest)
      for (let index = 0; index < 100_000; index++) store.publish('a', bytes(String(index)))
      store.publish('a', bytes('last'))
      await eventually(() => heard.includes(undefined) || heard.includes('last'))
      assert.ok(heard.length < 100_000, 'a store merges hints that subscribers could not follow')
    },
  ],
  [
    'a listener that throws keeps no other from hearing',
    async ({ store }) => {
      const warned: Error[] = []
      const onWarning = (warning: Error) => warned.push(warning)
      process.on('warning', onWarning)
      const heard: string[] = []
      store.subscribe('a', () => {
        throw new Error('a listener threw')
      })
      store.subscribe('a', (hint) => heard.push(String(text(hint))))
      store.publish('a', bytes('x'))
      await eventually(() => heard.length === 1 && warned.length === 1)
      process.off('warning', onWarning)
      assert.match(String(warned[0]), /a listener threw/)
    },
  ],
]
