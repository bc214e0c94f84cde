/** Dates of mail: one reader for all forms, and never the server's time zone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readDate } from '../../core/mime/dates.ts'

const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString().slice(0, 19))

test('dates are read in every form that mail has, and by UTC where no zone is named', () => {
  const zone = process.env.TZ
  process.env.TZ = 'America/New_York'
  try {
    for (const [text, at, day = at.slice(0, 10)] of [
      ['Tue, 24 Nov 2026 10:00:00 +0100', '2026-11-24T09:00:00'],
      ['24 Nov 2026 10:00 -0530', '2026-11-24T15:30:00'],
      ['Fri, 31 Dec 99 23:59:59 EST', '2000-01-01T04:59:59', '1999-12-31'],
      ['1 Jan 26 00:00 PDT', '2026-01-01T07:00:00'],
      ['1 Jan 049 00:00:00 GMT', '1949-01-01T00:00:00'],
      ['Fri (day), 21 (of) Nov (month) 1997 09(comment):   55  :  06 -0600', '1997-11-21T15:55:06'],
      ['Tue, 24 Nov 2026 10:00:00 Z', '2026-11-24T10:00:00'],
      ['Tue, 24 Nov 2026 10:00:00 K', '2026-11-24T10:00:00'],
      ['Tue, 24 Nov 2026 10:00:00 CEST?', '2026-11-24T10:00:00'],
      ['Tue, 24 Nov 2026 10:00:00', '2026-11-24T10:00:00'],
      ['Tue, 24 Nov 2026', '2026-11-24T00:00:00'],
      ['Tue, 24 Nov 2026 25:99', '2026-11-24T00:00:00'],
      ['Tue,24 November 2026 10:00:00 GMT+0200 (CEST)', '2026-11-24T08:00:00'],
      ['24-Nov-2026 10:00:00 +0000', '2026-11-24T10:00:00'],
      ['Tue Nov 24 10:00:00 2026', '2026-11-24T10:00:00'],
      ['Tue Nov 24 10:00:00 EST 2026', '2026-11-24T15:00:00'],
      ['Tue Nov 24 10:00:00 2026 +0100', '2026-11-24T09:00:00'],
      ['Tue Nov 24 2026 10:00:00 GMT+0100 (CET)', '2026-11-24T09:00:00'],
      ['24 Nov 2026 01:30 PM +0000', '2026-11-24T13:30:00'],
      ['Sat, 31 Dec 2016 23:59:60 +0000', '2017-01-01T00:00:00', '2016-12-31'],
    ] as const) {
      const date = readDate(text)
      assert.equal(iso(date?.at), at, text)
      assert.equal(iso(date?.day)?.slice(0, 10), day, text)
    }
  } finally {
    if (zone === undefined) delete process.env.TZ
    else process.env.TZ = zone
  }
})

test('what is no date is none', () => {
  for (const text of [
    undefined,
    '',
    'yesterday at noon',
    '2026-11-24T10:00:00Z',
    '31 Feb 2026 10:00',
    '32 Jan 2026',
    '24 Foo 2026',
    '1 Jan 1',
  ])
    assert.equal(readDate(text), undefined, text)
})
