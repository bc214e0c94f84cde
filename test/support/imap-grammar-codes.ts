/**
 * State responses and their codes: RFC 9051 section 7.1 and the extensions that the server announces.
 */
import type { Reader } from './imap-grammar-reader.ts'
import { ATOM, capabilities, flag, MAX_32, number, objectId, set, TEXT } from './imap-grammar-reader.ts'

/** RFC 9051, 5530, 7162, 8474, 9208, 9394, 9585, 9738 and others: codes without arguments. */
const BARE = [
  ...['ALERT', 'PARSE', 'READ-ONLY', 'READ-WRITE', 'TRYCREATE', 'UIDNOTSTICKY', 'UNAVAILABLE', 'AUTHENTICATIONFAILED'],
  ...['AUTHORIZATIONFAILED', 'EXPIRED', 'PRIVACYREQUIRED', 'CONTACTADMIN', 'NOPERM', 'INUSE', 'EXPUNGEISSUED'],
  ...['CORRUPTION', 'SERVERBUG', 'CLIENTBUG', 'CANNOT', 'LIMIT', 'OVERQUOTA', 'ALREADYEXISTS', 'NONEXISTENT'],
  ...['NOTSAVED', 'HASCHILDREN', 'CLOSED', 'UNKNOWN-CTE', 'NOMODSEQ', 'COMPRESSIONACTIVE', 'USEATTR', 'TOOBIG'],
  ...['UIDREQUIRED', 'NOTIFICATIONOVERFLOW'],
]

const CODES: Readonly<Record<string, (r: Reader) => void>> = {
  BADCHARSET: (r) => {
    if (!r.takes(' ')) return
    r.list(() => void (r.match(ATOM) ?? r.string()), 1)
  },
  CAPABILITY: (r) => capabilities(r),
  PERMANENTFLAGS: (r) => {
    r.expect(' ')
    r.list(() => void (r.takes('\\*') || flag(r)))
  },
  UIDNEXT: (r) => number(r, 1),
  UIDVALIDITY: (r) => number(r, 1),
  UNSEEN: (r) => number(r, 1),
  HIGHESTMODSEQ: (r) => number(r, 1, Number.MAX_SAFE_INTEGER),
  MAILBOXID: (r) => objectId(r),
  APPENDUID: (r) => {
    number(r, 1)
    set(r)
  },
  COPYUID: (r) => {
    number(r, 1)
    set(r)
    set(r)
  },
  MODIFIED: (r) => set(r),
  BADEVENT: (r) => {
    r.expect(' ')
    r.list(() => void r.need(ATOM, 'an event'))
  },
  BADURL: (r) => {
    r.expect(' ')
    r.need(/(?:[^\]\0\r\n\x80-\xff"\\{]|\\.)+|"(?:[^"\\\]\0\r\n\x80-\xff]|\\["\\])*"/y, 'a URL without ]')
  },
  MESSAGELIMIT: (r) => {
    number(r, 1)
    if (r.takes(' ')) r.number(MAX_32, 1)
  },
  INPROGRESS: (r) => {
    if (!r.takes(' (')) return
    r.nstring()
    for (let times = 0; times < 2; times++) {
      r.expect(' ')
      if (!r.takes('NIL')) r.number()
    }
    r.expect(')')
  },
  METADATA: (r) => {
    r.expect(' ')
    if (r.takes('LONGENTRIES ') || r.takes('MAXSIZE ')) r.number()
    else if (!r.takes('TOOMANY')) r.expect('NOPRIVATE')
  },
}

export function respText(r: Reader): void {
  if (r.takes('[')) {
    const name = r.need(ATOM, 'a code').toUpperCase()
    const code = CODES[name]
    if (code) code(r)
    else if (!BARE.includes(name)) r.fail(`a known code rather than ${name}`)
    r.expect('] ')
  }
  r.need(TEXT, 'text')
  r.end()
}
