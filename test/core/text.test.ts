/** What strangers send is harmless on a terminal; counts and sizes read as people write them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  counted,
  escapeLine,
  escapeText,
  escapeValue,
  formatSize,
  jsonLine,
  withArticle,
} from '../../core/runtime/text.ts'
import { fc } from '../support/property.ts'

test('nothing that moves, hides or reorders characters is left', () => {
  assert.equal(
    escapeText('a\u001b[31mb\u202ec\u009b\u200b\u2066\ufeff\u007f\td\ne'),
    'a\\u{001b}[31mb\\u{202e}c\\u{009b}\\u{200b}\\u{2066}\\u{feff}\\u{007f}\td\ne',
  )
  assert.equal(escapeLine('a\nb'), 'a\\u{000a}b')
  assert.equal(escapeText('Zoë ü 日本 👍🏽'), 'Zoë ü 日本 👍🏽')
  assert.deepEqual(escapeValue({ a: ['\u001b', 1, null], b: { c: '\u202e' } }), {
    a: ['\\u{001b}', 1, null],
    b: { c: '\\u{202e}' },
  })
  const isUnsafe = /[\p{Cc}\p{Bidi_Control}\u200b-\u200d\u2060\ufeff\u{e0020}]/u
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.doesNotMatch(escapeLine(text), isUnsafe)
      assert.doesNotMatch(jsonLine({ text }), isUnsafe)
      assert.deepEqual(JSON.parse(jsonLine({ text })), { text })
    }),
  )
})

test('counts, articles and sizes', () => {
  assert.deepEqual(
    [counted(0, 'next hop'), counted(1, 'next hop'), counted(2, 'delivery'), counted(3, 'mailbox'), counted(2, 'day')],
    ['0 next hops', '1 next hop', '2 deliveries', '3 mailboxes', '2 days'],
  )
  assert.deepEqual(
    [withArticle('account'), withArticle('alias'), withArticle('unit')],
    ['an account', 'an alias', 'a unit'],
  )
  const sizes = [
    0,
    300,
    1000,
    1234,
    20_480,
    20_000,
    5e9,
    5 * 1024 ** 3,
    5_368_709_121,
    1.5e6,
    999_999,
    64_260_048 * 1024,
  ]
  assert.deepEqual(sizes.map(formatSize), [
    '0 B',
    '300 B',
    '1 kB',
    '1.2 kB',
    '20 KiB',
    '20 kB',
    '5 GB',
    '5 GiB',
    '5.4 GB',
    '1.5 MB',
    '1000 kB',
    '65.8 GB',
  ])
})
