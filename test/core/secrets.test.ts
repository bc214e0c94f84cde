/** Comparison of secrets, whatever their form. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSameSecret } from 'iems'

test('secrets are the same only if every octet is', () => {
  const same: readonly (readonly [string | Uint8Array, string | Uint8Array])[] = [
    ['', ''],
    ['größe', 'größe'],
    ['größe', Buffer.from('größe')],
    [new Uint8Array([0, 255]), Buffer.from([0, 255])],
  ]
  const different: readonly (readonly [string | Uint8Array, string | Uint8Array])[] = [
    ['', 'a'],
    ['a', 'A'],
    ['abc', 'ab'],
    ['abc', 'abd'],
    ['é', 'e\u0301'],
    [new Uint8Array([0]), new Uint8Array([0, 0])],
  ]
  for (const [one, other] of same) assert.equal(isSameSecret(one, other), true)
  for (const [one, other] of different) {
    assert.equal(isSameSecret(one, other), false)
    assert.equal(isSameSecret(other, one), false)
  }
})
