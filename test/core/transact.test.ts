/** Optimistic transactions: what concurrent changes of one record come to. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONFLICT, decodeRecord, encodeRecord, key, TransactionConflict, transact } from 'iems'
import { memoryStore } from 'iems/testing'

test('concurrent changes of one record are all made', async () => {
  const store = memoryStore()
  const at = key('counter')
  const increment = () =>
    transact({ what: 'the counter', tries: 100 }, async () => {
      const value = await store.get(at)
      const next = encodeRecord((value ? decodeRecord<number>(value) : 0) + 1)
      return (await store.commit([{ put: at, value: next }], [{ key: at, is: value ?? 'absent' }])) ? true : CONFLICT
    })
  await Promise.all(Array.from({ length: 12 }, increment))
  assert.equal(decodeRecord((await store.get(at)) as Uint8Array), 12)
})

test('a record that others change at every try is an error that names it', async () => {
  let tries = 0
  await assert.rejects(
    transact({ what: 'the account', tries: 3 }, async () => {
      tries++
      return CONFLICT
    }),
    (error) => error instanceof TransactionConflict && /the account .* 3 times/.test(error.message),
  )
  assert.equal(tries, 3)
})

test('an error of a try ends the transaction', async () => {
  await assert.rejects(
    transact({ what: 'the account' }, () => Promise.reject(new Error('the disk is full'))),
    /the disk is full/,
  )
})
