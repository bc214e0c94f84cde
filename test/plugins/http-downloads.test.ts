/** Downloads over HTTP: ranges, validators and file names as RFC 9110 and RFC 6266 have them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dispositionOf, isKnown, rangeOf } from '../../plugins/web/http/downloads.ts'

test('a range is read as RFC 9110 section 14.1.2 has it, and anything else asks for the whole', () => {
  const cases: readonly (readonly [header: string | undefined, range: ReturnType<typeof rangeOf> | 'whole'])[] = [
    [undefined, 'whole'],
    ['', 'whole'],
    ['bytes=0-0', { start: 0, end: 1 }],
    ['bytes=0-9', { start: 0, end: 10 }],
    ['bytes=0-99', { start: 0, end: 10 }],
    ['bytes=4-', { start: 4, end: 10 }],
    ['bytes=9-', { start: 9, end: 10 }],
    ['bytes=-3', { start: 7, end: 10 }],
    ['bytes=-99', { start: 0, end: 10 }],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=10-20', 'unsatisfiable'],
    ['bytes=999999999999999-', 'unsatisfiable'],
    ['bytes=5-3', 'whole'],
    ['bytes=-', 'whole'],
    ['bytes=0-1,4-5', 'whole'],
    ['bytes=a-b', 'whole'],
    ['bytes=0x1-2', 'whole'],
    ['bytes=1-2 ', 'whole'],
    ['bytes=9999999999999999-', 'whole'],
    ['items=0-1', 'whole'],
  ]
  for (const [header, range] of cases)
    assert.deepEqual(rangeOf(header, 10), range === 'whole' ? undefined : range, header)
  assert.equal(rangeOf('bytes=0-', 0), 'unsatisfiable')
  assert.equal(rangeOf('bytes=-1', 0), 'unsatisfiable')
})

test('content that the client has is known by any of its validators, weak ones included', () => {
  for (const [header, isThere] of [
    ['"x1"', true],
    ['W/"x1"', true],
    ['"a", "x1"', true],
    ['"a",W/"x1" , "b"', true],
    ['*', true],
    [undefined, false],
    ['', false],
    ['"x2"', false],
    ['x1', false],
    ['w/"x1"', false],
    ['"W/"x1""', false],
  ] as const)
    assert.equal(isKnown(header, 'x1'), isThere, header)
})

test('a file name ends neither its parameter nor its field, and is there in full for browsers', () => {
  const cases: readonly (readonly [name: string, plain: string])[] = [
    ['a.txt', 'a.txt'],
    ['two words.txt', 'two words.txt'],
    ['"quoted".txt', '_quoted_.txt'],
    ['back\\slash', 'back_slash'],
    ['100%.txt', '100_.txt'],
    ['a\r\nSet-Cookie: x=1', 'a__Set-Cookie: x=1'],
    ['Übersicht.pdf', '_bersicht.pdf'],
    ["it's (1)*.txt", "it's (1)*.txt"],
    ['\ud83d\ude00.png', '__.png'],
    ['\ud83d.png', '_.png'],
    ['', ''],
  ]
  for (const [name, plain] of cases) {
    const field = dispositionOf(name)
    const [, ascii, encoded = ''] =
      /^attachment; filename="([^"\\]*)"; filename\*=UTF-8''([\w.!~%-]*)$/.exec(field) ?? []
    assert.equal(ascii, plain, field)
    assert.equal(decodeURIComponent(encoded), name.toWellFormed(), field)
  }
})
