import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Body, type Edits, openWith, sizeWith } from '../../core/message/edits.ts'
import { createHeaders, headerField } from '../../core/message/headers.ts'
import { newId } from '../../core/message/ids.ts'
import { headerEnd } from '../../core/mime/header-end.ts'
import { textOf } from '../../core/testing/index.ts'
import { fc } from '../support/property.ts'

const RAW = 'Received: one\r\nSubject: a\r\n  folded\r\n\tsubject\r\nX-Spam: yes\r\nreceived: two\r\n\r\nBody\r\n'

function message(raw = RAW) {
  const bytes = Buffer.from(raw)
  const edits: Edits = { prefix: '', cuts: [] }
  const body: Body = {
    size: bytes.length,
    async *open(range) {
      yield range ? bytes.subarray(range.start, range.end) : bytes
    },
  }
  return {
    body,
    edits,
    headers: createHeaders(bytes.subarray(0, headerEnd(bytes)), edits),
    read: () => textOf(openWith(body, edits)),
  }
}

test('fields are found by name in any case, unfolded, first to last', () => {
  const { headers } = message()
  assert.deepEqual(headers.get('RECEIVED'), ['one', 'two'])
  assert.deepEqual(headers.get('subject'), ['a  folded\tsubject'])
  assert.deepEqual(headers.get('absent'), [])
})

test('edits change what is read and never the stored bytes', async () => {
  const { body, edits, headers, read } = message()
  headers.remove('x-spam')
  headers.remove('Received')
  headers.prepend('X-First', '1')
  headers.prepend('X-Second', '2')
  assert.equal(await read(), 'X-Second: 2\r\nX-First: 1\r\nSubject: a\r\n  folded\r\n\tsubject\r\n\r\nBody\r\n')
  assert.equal(sizeWith(body, edits), (await read()).length)
  headers.remove('X-First')
  assert.deepEqual(headers.get('x-first'), [])
  assert.deepEqual(headers.get('x-second'), ['2'])
})

test('a field can neither end its line nor bring another one', () => {
  for (const value of ['a\r\nBcc: x', 'a\nb', 'a\rb', 'a\0b'])
    assert.throws(() => headerField('X', value), { code: 'IEMS_HEADER_INVALID' })
  for (const name of ['', 'a:b', 'a b', 'a\r\nb', 'ä'])
    assert.throws(() => headerField(name, 'x'), { code: 'IEMS_HEADER_INVALID' })
})

test('long fields are folded at spaces and unfold to what they were', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[!-~]{1,30}$/), { minLength: 1, maxLength: 30 }), (words) => {
      const value = words.join(' ')
      const field = headerField('X-Test', value)
      assert.equal(createHeaders(Buffer.from(field), { prefix: '', cuts: [] }).get('x-test')[0], value)
      for (const line of field.split('\r\n'))
        assert.ok(line.length <= 78 || !line.trim().includes(' ') || line.startsWith('X-Test: '), line)
    }),
  )
})

test('reading through any edits gives prefix and what was not cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('A', 'B', 'C'), { maxLength: 12 }),
      fc.array(fc.constantFrom('A', 'B', 'C'), { maxLength: 3 }),
      async (names, removed) => {
        const raw = `${names.map((name, i) => `${name}: ${i}\r\n`).join('')}\r\nBody`
        const { headers, read } = message(raw)
        for (const name of removed) headers.remove(name)
        const kept = names.map((name, i) => [name, i] as const).filter(([name]) => !removed.includes(name))
        assert.equal(await read(), `${kept.map(([name, i]) => `${name}: ${i}\r\n`).join('')}\r\nBody`)
      },
    ),
  )
})

test('ids sort by time and are never the same', () => {
  const ids = Array.from({ length: 10_000 }, () => newId(1_700_000_000_000))
  assert.equal(new Set(ids).size, ids.length)
  assert.ok(newId(1_700_000_000_000) < newId(1_700_000_000_001))
  assert.match(newId(Date.UTC(2026, 0, 1)), /^[0-9A-HJKMNP-TV-Z]{26}$/)
})
