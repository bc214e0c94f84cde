/** Stored octets seen through edits: every range of the result equals the same range of the result as a whole. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Body, type Edits, openWith, sizeWith } from '../../core/message/edits.ts'

const TEXT = 'From: a\r\nX-Gone: 1\r\nTo: b\r\nX-Gone: 2\r\n\r\nbody'

function bodyOf(text: string, chunk: number, stored = text): Body {
  const octets = Buffer.from(stored)
  return {
    size: Buffer.byteLength(text),
    async *open({ start, end } = { start: 0, end: octets.length }) {
      for (let at = start; at < Math.min(end, octets.length); at += chunk)
        yield octets.subarray(at, Math.min(at + chunk, end, octets.length))
    },
  }
}
const read = async (body: Body, edits: Edits, range?: { start: number; end: number }) =>
  Buffer.concat(await Array.fromAsync(openWith(body, edits, range))).toString()

const first = TEXT.indexOf('X-Gone: 1')
const second = TEXT.indexOf('X-Gone: 2')
const EDITS: readonly (readonly [what: string, edits: Edits, result: string])[] = [
  ['nothing', { prefix: '', cuts: [] }, TEXT],
  ['added fields', { prefix: 'Received: x\r\n', cuts: [] }, `Received: x\r\n${TEXT}`],
  ['a removed field', { prefix: '', cuts: [[first, first + 11]] }, TEXT.replace('X-Gone: 1\r\n', '')],
  [
    'both removed, and one added',
    {
      prefix: 'A: 1\r\n',
      cuts: [
        [first, first + 11],
        [second, second + 11],
      ],
    },
    `A: 1\r\n${TEXT.replace('X-Gone: 1\r\n', '').replace('X-Gone: 2\r\n', '')}`,
  ],
  ['the first field removed', { prefix: '', cuts: [[0, 9]] }, TEXT.slice(9)],
  ['all removed', { prefix: 'x', cuts: [[0, TEXT.length]] }, 'x'],
]

for (const [what, edits, result] of EDITS)
  test(`content with edits: ${what}`, async () => {
    for (const chunk of [1, 5, 1000]) {
      const body = bodyOf(TEXT, chunk)
      assert.equal(sizeWith(body, edits), result.length)
      assert.equal(await read(body, edits), result)
      assert.equal(await read({ ...body, bytes: Buffer.from(TEXT) }, edits), result)
    }
    for (let start = 0; start <= result.length; start++)
      for (const end of [start, start + 1, start + 7, result.length, result.length + 9])
        assert.equal(
          await read(bodyOf(TEXT, 1000), edits, { start, end }),
          result.slice(start, end),
          `from ${start} to ${end}`,
        )
  })

test('stored content of another size is never taken for the whole', async () => {
  const none: Edits = { prefix: '', cuts: [] }
  for (const stored of [TEXT.slice(0, -1), `${TEXT}x`, ''])
    await assert.rejects(read(bodyOf(TEXT, 5, stored), none), { code: 'IEMS_BLOB_DAMAGED' }, JSON.stringify(stored))
})
