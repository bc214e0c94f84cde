/**
 * What FETCH answers: RFC 9051 section 7.5.2 and the extensions that the server announces.
 */
import type { Reader } from './imap-grammar-reader.ts'
import { DATE_TIME, flags, MAX_32, number } from './imap-grammar-reader.ts'

function addresses(r: Reader): void {
  if (r.takes('NIL')) return
  r.expect('(')
  do {
    r.expect('(')
    nstrings(r, 4)
    r.expect(')')
  } while (r.sees('('))
  r.expect(')')
}

function nstrings(r: Reader, count: number): void {
  for (let at = 0; at < count; at++) {
    if (at > 0) r.expect(' ')
    r.nstring()
  }
}

function envelope(r: Reader): void {
  r.expect('(')
  nstrings(r, 2)
  for (let times = 0; times < 6; times++) {
    r.expect(' ')
    addresses(r)
  }
  r.expect(' ')
  nstrings(r, 2)
  r.expect(')')
}

function parameters(r: Reader): void {
  if (r.takes('NIL')) return
  r.list(() => {
    r.string()
    r.expect(' ')
    r.string()
  }, 1)
}

function extension(r: Reader): void {
  r.expect(' ')
  if (!r.takes('NIL')) {
    r.expect('(')
    r.string()
    r.expect(' ')
    parameters(r)
    r.expect(')')
  }
  r.expect(' ')
  if (r.sees('(')) r.list(() => void r.string(), 1)
  else r.nstring()
  r.expect(' ')
  r.nstring()
}

function body(r: Reader, isExtended: boolean): void {
  r.expect('(')
  if (r.sees('(')) {
    do body(r, isExtended)
    while (r.sees('('))
    r.expect(' ')
    r.string()
    if (isExtended) {
      r.expect(' ')
      parameters(r)
      extension(r)
    }
  } else onePart(r, isExtended)
  r.expect(')')
}

function onePart(r: Reader, isExtended: boolean): void {
  const type = r.string().toUpperCase()
  r.expect(' ')
  const subtype = r.string().toUpperCase()
  if (type === 'MULTIPART') r.fail('parts of a multipart')
  r.expect(' ')
  parameters(r)
  r.expect(' ')
  nstrings(r, 2)
  r.expect(' ')
  r.string()
  number(r, 0)
  if (type === 'TEXT') number(r, 0)
  else if (type === 'MESSAGE' && (subtype === 'RFC822' || subtype === 'GLOBAL')) {
    r.expect(' ')
    envelope(r)
    r.expect(' ')
    body(r, isExtended)
    number(r, 0)
  }
  if (!isExtended) return
  r.expect(' ')
  r.nstring()
  extension(r)
}

function section(r: Reader): void {
  r.expect('[')
  if (r.takes(']')) return
  const part = r.match(/[1-9]\d*(?:\.[1-9]\d*)*/y)
  if (part === undefined || r.takes('.')) {
    const word = r.need(/HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME/iy, 'a section').toUpperCase()
    if (word === 'MIME' && part === undefined) r.fail('a part of which MIME is told')
    if (word.startsWith('HEADER.')) {
      r.expect(' ')
      r.list(() => void r.astring(), 1)
    }
  }
  r.expect(']')
}

const ITEMS: Readonly<Record<string, (r: Reader) => void>> = {
  FLAGS: (r) => flags(r),
  UID: (r) => void r.number(MAX_32, 1),
  ENVELOPE: (r) => envelope(r),
  INTERNALDATE: (r) => void r.need(DATE_TIME, 'a date and time'),
  SAVEDATE: (r) => void (r.takes('NIL') || r.need(DATE_TIME, 'a date and time')),
  'RFC822.SIZE': (r) => void r.number(Number.MAX_SAFE_INTEGER),
  RFC822: (r) => void r.nstring(),
  'RFC822.HEADER': (r) => void r.nstring(),
  'RFC822.TEXT': (r) => void r.nstring(),
  BODYSTRUCTURE: (r) => body(r, true),
  PREVIEW: (r) => void r.nstring(),
  MODSEQ: (r) => {
    r.expect('(')
    r.number(Number.MAX_SAFE_INTEGER, 1)
    r.expect(')')
  },
  EMAILID: (r) => id(r),
  THREADID: (r) => void (r.takes('NIL') || id(r)),
}

function id(r: Reader): void {
  r.expect('(')
  r.need(/[A-Za-z0-9_-]{1,255}/y, 'an object id')
  r.expect(')')
}

export function messageItem(r: Reader): void {
  const name = r.need(/[A-Z0-9.]+/iy, 'an item').toUpperCase()
  if (name === 'BODY' && r.sees('[')) {
    section(r)
    r.match(/<\d+>/y)
    r.expect(' ')
    r.nstring()
  } else if (name === 'BODY') {
    r.expect(' ')
    body(r, false)
  } else if (name === 'BINARY' || name === 'BINARY.SIZE') {
    r.need(/\[(?:[1-9]\d*(?:\.[1-9]\d*)*)?\]/y, 'a part')
    if (name === 'BINARY') r.match(/<\d+>/y)
    r.expect(' ')
    if (name === 'BINARY.SIZE') r.number()
    else if (r.literal8() === undefined) r.nstring()
  } else {
    r.expect(' ')
    const item = ITEMS[name] ?? r.fail(`a known item rather than ${name}`)
    item(r)
  }
}
