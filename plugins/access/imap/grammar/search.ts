/**
 * The criteria of SEARCH, SORT and THREAD (RFC 9051 section 6.4.4 and the extensions), as a tree.
 */
import { type Cursor, SyntaxFault } from './cursor.ts'
import { readSet, type SequenceSet } from './sets.ts'

export type SearchKey =
  | { readonly kind: 'all' }
  | { readonly kind: 'and'; readonly keys: readonly SearchKey[] }
  | { readonly kind: 'or'; readonly keys: readonly [SearchKey, SearchKey] }
  | { readonly kind: 'not'; readonly key: SearchKey }
  | { readonly kind: 'fuzzy'; readonly key: SearchKey }
  | { readonly kind: 'flag'; readonly flag: string; readonly isSet: boolean }
  | { readonly kind: 'sequence' | 'uid'; readonly set: SequenceSet }
  | { readonly kind: 'size'; readonly than: 'larger' | 'smaller'; readonly octets: number }
  /** Days in the date's own time zone; `within` counts seconds back from now (RFC 5032). */
  | {
      readonly kind: 'date'
      readonly of: 'received' | 'sent' | 'saved'
      readonly is: 'before' | 'on' | 'since'
      readonly at: number
    }
  | { readonly kind: 'within'; readonly is: 'older' | 'younger'; readonly seconds: number }
  | { readonly kind: 'header'; readonly name: string; readonly text: string }
  | { readonly kind: 'text'; readonly in: 'body' | 'text'; readonly text: string }
  | { readonly kind: 'modseq'; readonly least: number }
  | { readonly kind: 'email' | 'thread'; readonly id: string }
  | { readonly kind: 'saveDateSupported' }

const FLAGS: Readonly<Record<string, readonly [flag: string, isSet: boolean]>> = {
  ANSWERED: ['\\Answered', true],
  DELETED: ['\\Deleted', true],
  DRAFT: ['\\Draft', true],
  FLAGGED: ['\\Flagged', true],
  SEEN: ['\\Seen', true],
  UNANSWERED: ['\\Answered', false],
  UNDELETED: ['\\Deleted', false],
  UNDRAFT: ['\\Draft', false],
  UNFLAGGED: ['\\Flagged', false],
  UNSEEN: ['\\Seen', false],
  RECENT: ['\\Recent', true],
  OLD: ['\\Recent', false],
}
const DATES: Readonly<Record<string, readonly ['received' | 'sent' | 'saved', 'before' | 'on' | 'since']>> = {
  BEFORE: ['received', 'before'],
  ON: ['received', 'on'],
  SINCE: ['received', 'since'],
  SENTBEFORE: ['sent', 'before'],
  SENTON: ['sent', 'on'],
  SENTSINCE: ['sent', 'since'],
  SAVEDBEFORE: ['saved', 'before'],
  SAVEDON: ['saved', 'on'],
  SAVEDSINCE: ['saved', 'since'],
}
const HEADERS = ['BCC', 'CC', 'FROM', 'SUBJECT', 'TO']
/** No message has this UID. */
const MAX_UID = 4_294_967_295
/** Maximum keys of one search. */
const MOST = 1000

/** Reads keys to the end of the command; `decode` is the decoder of the CHARSET. */
export function readSearch(cursor: Cursor, decode: (octets: Buffer) => string): SearchKey {
  let count = 0
  const key = (): SearchKey => {
    if (++count > MOST) throw new SyntaxFault('too many search keys')
    return readKey(cursor, decode, key)
  }
  const keys = [key()]
  while (cursor.takes(' ')) keys.push(key())
  return keys.length === 1 ? (keys[0] as SearchKey) : { kind: 'and', keys }
}

function readKey(cursor: Cursor, decode: (octets: Buffer) => string, key: () => SearchKey): SearchKey {
  if (cursor.peek() === '(') {
    const keys = cursor.list(key)
    return keys.length === 1 ? (keys[0] as SearchKey) : { kind: 'and', keys }
  }
  if (/[\d*$]/.test(cursor.peek())) return { kind: 'sequence', set: readSet(cursor) }
  const word = cursor.atom('a search key').toUpperCase()
  const text = () => {
    cursor.space()
    return decode(cursor.astringOctets())
  }
  const flag = FLAGS[word]
  if (flag) return { kind: 'flag', flag: flag[0], isSet: flag[1] }
  const date = DATES[word]
  if (date) {
    cursor.space()
    return { kind: 'date', of: date[0], is: date[1], at: cursor.date() }
  }
  if (HEADERS.includes(word)) return { kind: 'header', name: word.toLowerCase(), text: text() }
  switch (word) {
    case 'HEADER': {
      cursor.space()
      const name = cursor.astring().toLowerCase()
      return { kind: 'header', name, text: text() }
    }
    case 'BODY':
    case 'TEXT':
      return { kind: 'text', in: word === 'BODY' ? 'body' : 'text', text: text() }
    case 'NOT':
      cursor.space()
      return { kind: 'not', key: cursor.nested(key) }
    case 'OR': {
      cursor.space()
      const first = cursor.nested(key)
      cursor.space()
      return { kind: 'or', keys: [first, cursor.nested(key)] }
    }
    case 'FUZZY':
      cursor.space()
      return { kind: 'fuzzy', key: cursor.nested(key) }
    default:
      return readFact(cursor, word)
  }
}

/** A key without text and nested keys. */
function readFact(cursor: Cursor, word: string): SearchKey {
  switch (word) {
    case 'ALL':
      return { kind: 'all' }
    case 'NEW':
      return {
        kind: 'and',
        keys: [
          { kind: 'flag', flag: '\\Recent', isSet: true },
          { kind: 'flag', flag: '\\Seen', isSet: false },
        ],
      }
    case 'KEYWORD':
    case 'UNKEYWORD':
      cursor.space()
      return { kind: 'flag', flag: cursor.flag(), isSet: word === 'KEYWORD' }
    case 'LARGER':
    case 'SMALLER':
      cursor.space()
      return { kind: 'size', than: word === 'LARGER' ? 'larger' : 'smaller', octets: cursor.number64() }
    case 'OLDER':
    case 'YOUNGER':
      cursor.space()
      return { kind: 'within', is: word === 'OLDER' ? 'older' : 'younger', seconds: cursor.number() }
    case 'UID':
      cursor.space()
      return { kind: 'uid', set: readSet(cursor) }
    // RFC 9738 section 3.3.
    case 'UIDAFTER':
      cursor.space()
      return { kind: 'uid', set: [[Math.min(MAX_UID, cursor.number() + 1), MAX_UID]] }
    case 'UIDBEFORE': {
      cursor.space()
      const before = cursor.number()
      return { kind: 'uid', set: before > 1 ? [[1, before - 1]] : [] }
    }
    case 'MODSEQ': {
      cursor.space()
      // RFC 7162 section 3.1.5: an entry name and type may precede it; mod-sequences here are those of whole messages.
      if (cursor.peek() === '"') {
        cursor.string()
        cursor.space()
        cursor.atom()
        cursor.space()
      }
      return { kind: 'modseq', least: cursor.number64() }
    }
    case 'EMAILID':
    case 'THREADID':
      cursor.space()
      return { kind: word === 'EMAILID' ? 'email' : 'thread', id: cursor.astring() }
    case 'SAVEDATESUPPORTED':
      return { kind: 'saveDateSupported' }
    default:
      return cursor.fail('a known search key')
  }
}
