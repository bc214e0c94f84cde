import assert from 'node:assert/strict'
import { test } from 'node:test'
import { below, type KeyPart, key, unkey } from '../../core/store/keys.ts'
import { fc } from '../support/property.ts'

/** Strings that share beginnings, with what the encoding treats specially among them. */
const word = fc.oneof(
  fc.string({ unit: fc.constantFrom('\0', '\x01', '\x02', 'a', 'b', '\xff', 'é', '\u{ffff}', '😀'), maxLength: 4 }),
  fc.string({ unit: 'binary' }),
)
const part = fc.oneof(word, fc.maxSafeInteger(), fc.integer({ min: -2, max: 2 }))
const tuple = fc.array(part, { maxLength: 4 })

/** The order that is promised: word by word, strings by code point and before numbers, a prefix before what it begins. */
function compare(a: readonly KeyPart[], b: readonly KeyPart[]): number {
  for (const [index, left] of a.entries()) {
    const right = b[index]
    if (right === undefined) return 1
    if (typeof left !== typeof right) return typeof left === 'string' ? -1 : 1
    if (typeof left === 'number' && left !== right) return left < (right as number) ? -1 : 1
    if (typeof left === 'string' && left !== right)
      return Buffer.compare(Buffer.from(left), Buffer.from(right as string))
  }
  return a.length - b.length
}

test('the order of the bytes is the order of the tuples', () => {
  fc.assert(
    fc.property(tuple, tuple, (a, b) => Math.sign(Buffer.compare(key(...a), key(...b))) === Math.sign(compare(a, b))),
    { numRuns: 3000 },
  )
})

test('a key is read back as the tuple it was made of', () => {
  // -0 is 0 to every reader of a key.
  fc.assert(
    fc.property(tuple, (parts) =>
      assert.deepEqual(
        unkey(key(...parts)),
        parts.map((one) => (one === 0 ? 0 : one)),
      ),
    ),
  )
})

test('below() holds exactly the tuples that start with its parts', () => {
  fc.assert(
    fc.property(tuple, tuple, (prefix, other) => {
      const { from, to } = below(...prefix)
      const within = (parts: readonly KeyPart[]) =>
        Buffer.compare(key(...parts), from) >= 0 && Buffer.compare(key(...parts), to) < 0
      assert.ok(within([...prefix, ...other]))
      const starts = prefix.every(
        (one, index) => other.length > index && (one === other[index] || (one === 0 && other[index] === 0)),
      )
      assert.equal(within(other), starts)
    }),
    { numRuns: 3000 },
  )
})

test('numbers that are not whole and strings that are not Unicode are no keys', () => {
  for (const bad of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 'a\ud800'])
    assert.throws(() => key('x', bad), RangeError)
})

test('bytes that are not a key are refused, and quickly', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
      try {
        unkey(bytes)
      } catch (error) {
        assert.ok(error instanceof RangeError)
      }
    }),
  )
  for (const bytes of [[1], [2, 97], [3, 0], [2, 97, 0, 255]])
    assert.throws(() => unkey(Uint8Array.from(bytes)), RangeError)
})
