/** The bounded cache that everything remembered in memory is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cache } from 'iems'

test('the least recently used entry is evicted', () => {
  const evicted: string[] = []
  const cache = new Cache<number>({ max: 2, evicted: (value, key) => evicted.push(`${key}=${value}`) })
  cache.set('a', 1)
  cache.set('b', 2)
  assert.equal(cache.get('a'), 1)
  cache.set('c', 3)
  assert.deepEqual([cache.get('a'), cache.get('b'), cache.get('c')], [1, undefined, 3])
  assert.deepEqual(evicted, ['b=2'])
  cache.delete('a')
  cache.set('d', 4)
  assert.deepEqual(evicted, ['b=2'], 'a removed entry makes room')
})

test('a smaller maximum evicts at once', () => {
  const cache = new Cache<number>({ max: 10 })
  for (let at = 0; at < 10; at++) cache.set(String(at), at)
  cache.max = 3
  assert.deepEqual([...cache.keys()], ['7', '8', '9'])
})

test('an entry lives for its time, counted from when it was set', () => {
  let now = 0
  const cache = new Cache<string>({ max: 10, ttl: 100, now: () => now })
  cache.set('a', 'x')
  cache.set('b', 'y', 500)
  now = 99
  assert.equal(cache.get('a'), 'x')
  now = 100
  assert.equal(cache.get('a'), undefined)
  assert.equal(cache.has('a'), false)
  assert.equal(cache.get('b'), 'y')
  assert.equal(
    cache.getOrMake('a', () => 'z'),
    'z',
  )
  assert.equal(
    cache.getOrMake('a', () => assert.fail('it is there')),
    'z',
  )
})

test('entries are weighed when they are set; one that weighs nothing stays', () => {
  const cache = new Cache<string>({ max: 10, weigh: (text) => text.length })
  cache.set('fixed', '')
  cache.set('a', '12345')
  cache.set('b', '12345')
  assert.equal(cache.size, 3)
  cache.set('a', '123456')
  assert.deepEqual(
    [...cache.entries()],
    [
      ['fixed', ''],
      ['a', '123456'],
    ],
  )
  cache.set('huge', 'more than ten')
  assert.deepEqual([...cache.keys()], ['fixed'], 'what is larger than the maximum is not kept')
})

test('undefined is a value', () => {
  const cache = new Cache<string | undefined>({ max: 2 })
  cache.set('a', undefined)
  assert.equal(cache.has('a'), true)
  assert.equal(cache.get('a'), undefined)
})

test('entries may be removed while they are listed', () => {
  const cache = new Cache<number>({ max: 5 })
  for (let at = 0; at < 5; at++) cache.set(String(at), at)
  const listed: string[] = []
  for (const key of cache.keys()) {
    listed.push(key)
    cache.delete(key)
    if (key === '1') cache.delete('2')
  }
  assert.deepEqual(listed, ['0', '1', '3', '4'])
  assert.equal(cache.size, 0)
  cache.set('5', 5)
  assert.deepEqual([...cache.entries()], [['5', 5]])
})
