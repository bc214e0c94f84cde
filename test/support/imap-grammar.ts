/**
 * The ABNF of what an IMAP server sends: RFC 9051 section 9, RFC 3501, and the extensions that the server announces.
 *
 * `checkResponse` throws for a line (with its literals) that the grammar does not have. It is stricter than clients need
 * to be: no value may be in a form that some client, somewhere, could not read.
 */

import { respText } from './imap-grammar-codes.ts'
import { messageItem } from './imap-grammar-messages.ts'
import {
  ATOM,
  BASE64,
  capabilities,
  flags,
  GrammarFault,
  MAX_32,
  number,
  objectId,
  Reader,
  SET,
  set,
  TAG,
  TEXT,
} from './imap-grammar-reader.ts'

/** Names are modified UTF-7 for clients that have not asked for UTF-8 (RFC 3501 section 5.1.3). */
function mailbox(r: Reader): void {
  r.astring()
}

const LISTED = ['HasChildren', 'HasNoChildren', 'Subscribed', 'Remote', 'Noinferiors', 'NonExistent', 'Noselect']
const USES = ['All', 'Archive', 'Drafts', 'Flagged', 'Junk', 'Sent', 'Trash', 'Important', 'Marked', 'Unmarked']

function mailboxList(r: Reader): void {
  r.list(() => {
    const name = r.need(/\\[A-Za-z]+/y, 'an attribute').slice(1)
    if (![...LISTED, ...USES].includes(name)) r.fail(`a known attribute rather than ${name}`)
  })
  r.expect(' ')
  if (!r.takes('NIL')) r.need(/"(?:[^"\\\r\n\0\x80-\xff]|\\["\\])"/y, 'a separator')
  r.expect(' ')
  mailbox(r)
  if (!r.takes(' ')) return
  r.list(() => {
    r.expect('CHILDINFO ')
    r.list(() => r.expect('"SUBSCRIBED"'), 1)
  })
}

const STATUS: Readonly<Record<string, (r: Reader) => void>> = {
  MESSAGES: (r) => number(r, 0),
  RECENT: (r) => number(r, 0),
  UIDNEXT: (r) => number(r, 1),
  UIDVALIDITY: (r) => number(r, 1),
  UNSEEN: (r) => number(r, 0),
  DELETED: (r) => number(r, 0),
  SIZE: (r) => number(r, 0, Number.MAX_SAFE_INTEGER),
  HIGHESTMODSEQ: (r) => number(r, 0, Number.MAX_SAFE_INTEGER),
  MAILBOXID: (r) => objectId(r),
  APPENDLIMIT: (r) => {
    if (!r.takes(' NIL')) number(r, 0, Number.MAX_SAFE_INTEGER)
  },
}

function namespaces(r: Reader): void {
  if (r.takes('NIL')) return
  r.expect('(')
  do {
    r.expect('(')
    r.string()
    r.expect(' ')
    if (!r.takes('NIL')) r.need(/"(?:[^"\\\r\n\0\x80-\xff]|\\["\\])"/y, 'a separator')
    r.expect(')')
  } while (r.sees('('))
  r.expect(')')
}

function modseq(r: Reader): void {
  r.expect('(MODSEQ ')
  r.number(Number.MAX_SAFE_INTEGER, 1)
  r.expect(')')
}

function numbers(r: Reader): void {
  while (r.takes(' ')) {
    if (r.sees('(')) modseq(r)
    else r.number(MAX_32, 1)
  }
}

function esearch(r: Reader): void {
  if (r.takes(' (TAG ')) {
    r.string()
    r.expect(')')
  }
  if (r.takes(' UID') && !(r.atEnd || r.sees(' '))) r.fail('a space')
  while (r.takes(' ')) {
    const name = r.need(ATOM, 'a result').toUpperCase()
    if (name === 'MIN' || name === 'MAX') number(r, 1)
    else if (name === 'COUNT') number(r, 0)
    else if (name === 'MODSEQ') number(r, 1, Number.MAX_SAFE_INTEGER)
    else if (name === 'ALL') set(r)
    else if (name === 'PARTIAL') {
      r.expect(' (')
      r.need(/(?:[1-9]\d*:[1-9]\d*|-[1-9]\d*:-[1-9]\d*) /y, 'a range')
      if (!r.takes('NIL')) r.need(SET, 'a set')
      r.expect(')')
    } else r.fail(`a known result rather than ${name}`)
  }
}

function threads(r: Reader): void {
  if (!r.takes(' ')) return
  let depth = 0
  do {
    r.need(/\((?:[1-9]\d*(?: [1-9]\d*)*)?(?: (?=\())?/y, 'a thread')
    depth++
    while (depth > 0 && r.takes(')')) depth--
  } while (!r.atEnd)
  if (depth > 0) r.fail('the end of a thread')
}

const DATA: Readonly<Record<string, (r: Reader) => void>> = {
  CAPABILITY: capabilities,
  ENABLED: (r) => {
    while (r.takes(' ')) r.need(ATOM, 'a capability')
  },
  FLAGS: (r) => {
    r.expect(' ')
    flags(r)
  },
  LIST: (r) => {
    r.expect(' ')
    mailboxList(r)
  },
  LSUB: (r) => {
    r.expect(' ')
    mailboxList(r)
  },
  SEARCH: numbers,
  SORT: numbers,
  THREAD: threads,
  ESEARCH: esearch,
  STATUS: (r) => {
    r.expect(' ')
    mailbox(r)
    r.expect(' ')
    r.list(() => {
      const name = r.need(ATOM, 'an item').toUpperCase()
      const item = STATUS[name] ?? r.fail(`a known item rather than ${name}`)
      item(r)
    })
  },
  NAMESPACE: (r) => {
    for (let times = 0; times < 3; times++) {
      r.expect(' ')
      namespaces(r)
    }
  },
  VANISHED: (r) => {
    r.takes(' (EARLIER)')
    set(r)
  },
  ID: (r) => {
    r.expect(' ')
    if (!r.takes('NIL')) {
      r.list(() => void r.nstring())
    }
  },
  QUOTA: (r) => {
    r.expect(' ')
    r.astring()
    r.expect(' ')
    // A list without resources is allowed (RFC 9208), and more than some clients can read.
    r.list(() => {
      r.need(ATOM, 'a resource')
      number(r, 0, Number.MAX_SAFE_INTEGER)
      number(r, 0, Number.MAX_SAFE_INTEGER)
    }, 1)
  },
  // RFC 9698: the URL is a quoted string.
  JMAPACCESS: (r) => {
    r.expect(' ')
    r.astring()
  },
  QUOTAROOT: (r) => {
    r.expect(' ')
    mailbox(r)
    while (r.takes(' ')) r.astring()
  },
  ACL: (r) => {
    r.expect(' ')
    mailbox(r)
    while (r.takes(' ')) {
      r.astring()
      r.expect(' ')
      r.astring()
    }
  },
  LISTRIGHTS: (r) => {
    r.expect(' ')
    mailbox(r)
    r.expect(' ')
    r.astring()
    while (r.takes(' ')) r.astring()
  },
  MYRIGHTS: (r) => {
    r.expect(' ')
    mailbox(r)
    r.expect(' ')
    r.astring()
  },
  METADATA: (r) => {
    r.expect(' ')
    mailbox(r)
    r.expect(' ')
    if (!r.sees('(')) {
      do r.astring()
      while (r.takes(' '))
      return
    }
    r.list(() => {
      r.astring()
      r.expect(' ')
      if (r.literal8() === undefined) r.nstring()
    }, 1)
  },
}

export interface Heard {
  /** Names and strings may be UTF-8: IMAP4rev2 or UTF8=ACCEPT has been enabled. */
  readonly isUtf8: boolean
}

/** One line of the server without its CRLF, its literals in it, one character an octet. Throws GrammarFault. */
export function checkResponse(line: string, { isUtf8 }: Heard): void {
  const r = new Reader(line, isUtf8)
  try {
    response(r)
  } catch (cause) {
    if (!(cause instanceof GrammarFault)) throw cause
    throw new GrammarFault(`${cause.message}, in ${JSON.stringify(line.slice(0, 500))}`)
  }
}

function response(r: Reader): void {
  if (r.takes('+')) goOn(r)
  else if (r.takes('* ')) untagged(r)
  else {
    r.need(TAG, 'a tag')
    r.expect(' ')
    r.need(/(?:OK|NO|BAD) /y, 'OK, NO or BAD')
    respText(r)
  }
  r.end()
}

function goOn(r: Reader): void {
  r.expect(' ')
  if (r.sees('[')) respText(r)
  r.match(BASE64)
  r.match(TEXT)
}

function untagged(r: Reader): void {
  const count = r.match(/(?:0|[1-9]\d*) /y)
  const name = r.need(ATOM, 'a response').toUpperCase()
  if (count !== undefined) counted(r, Number(count), name)
  else if (['OK', 'NO', 'BAD', 'BYE', 'PREAUTH'].includes(name)) {
    r.expect(' ')
    respText(r)
  } else {
    const data = DATA[name] ?? r.fail(`a known response rather than ${name}`)
    data(r)
  }
}

function counted(r: Reader, count: number, name: string): void {
  if (count > MAX_32) r.fail('a number of 32 bits')
  if (name === 'EXISTS' || name === 'RECENT') return
  if (count === 0) r.fail('a message number')
  if (name === 'EXPUNGE') return
  if (name !== 'FETCH' && name !== 'UIDFETCH') r.fail(`a known response rather than ${name}`)
  r.expect(' ')
  r.list(() => messageItem(r), 1)
}
