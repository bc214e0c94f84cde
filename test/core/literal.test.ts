/** The literal that a line of IMAP or ManageSieve announces. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { splitLiteral } from 'iems'

for (const [line, text, literal] of [
  [' INBOX {12}', ' INBOX ', { size: 12, isImmediate: false, isBinary: false }],
  ['PUTSCRIPT "x" {0+}', 'PUTSCRIPT "x" ', { size: 0, isImmediate: true, isBinary: false }],
  [' {4096-}', ' ', { size: 4096, isImmediate: true, isBinary: false }],
  [' ~{5}', ' ', { size: 5, isImmediate: false, isBinary: true }],
  [' {1}{2}', ' {1}', { size: 2, isImmediate: false, isBinary: false }],
  [' INBOX  ', ' INBOX', undefined],
  [' {12} ', ' {12}', undefined],
  [' {}', ' {}', undefined],
  [' {-1}', ' {-1}', undefined],
  [' {12345678901}', ' {12345678901}', undefined],
] as const) {
  test(`${JSON.stringify(line)} announces ${literal ? `${literal.size} octets` : 'nothing'}`, () => {
    assert.deepEqual(splitLiteral(line), { text, literal })
  })
}
