/** Readers of messages' content and of what other servers answer. */

import { parseMessage } from '../../core/message/parse.ts'
import { readDate } from '../../core/mime/dates.ts'
import { gather } from '../../core/mime/gather.ts'
import { readFields } from '../../core/mime/header.ts'
import { withBlankLine } from '../../core/mime/header-end.ts'
import { createCharsets } from '../../core/mime/parameters.ts'
import { rewriteMime } from '../../core/mime/rewrite/rewrite.ts'
import { readStructure } from '../../core/mime/structure.ts'
import { partBody } from '../../core/mime/transfer.ts'
import { chooseFields } from '../../plugins/access/imap/sections.ts'
import { fromUtf7 } from '../../plugins/access/imap/text.ts'
import { toTest } from '../../plugins/access/imap/wildcards.ts'
import { compileFilter, FilterError } from '../../plugins/directory/ldap/client/filter.ts'
import { tokensOf } from '../../plugins/filter/antispam/classifier/tokens.ts'
import { readLetter } from '../../plugins/filter/antispam/content/message-text.ts'
import { urisOf } from '../../plugins/filter/antispam/content/uris.ts'
import { missedParts, Unscannable } from '../../plugins/filter/antivirus/extraction/missed.ts'
import { relaxedField } from '../../plugins/filter/dkim/canonical.ts'
import { destinationsOf } from '../../plugins/filter/sender-auth/reports/destinations.ts'
import { limitSignatures } from '../../plugins/filter/sender-auth/signature-limit.ts'
import { tokenize } from '../../plugins/mailbox/store/search/text.ts'
import { readFeatures } from '../../plugins/smtp/out/features.ts'
import { idIn } from '../../plugins/smtp/out/mta-sts.ts'
import { all, type FuzzTarget, inPieces, reader } from './reader.ts'

/** A body in a transfer encoding, decoded. */
function decoder(encoding: string, words: readonly string[], seed: string): FuzzTarget {
  return {
    seeds: [seed],
    words,
    run(input) {
      const open = (range?: { start: number; end: number }) => inPieces(input.subarray(range?.start, range?.end))
      return gather(partBody({ open }, { encoding, body: 0, end: input.length }) ?? [], input.length)
    },
  }
}

/** Octets of UTF-8, one character each. */
const octets = (text: string) => Buffer.from(text).toString('latin1')

const FIELDS = ['a:', '\r\n', '\r\n ', '\n', ' ', ';', 'a']
const FIELD_SEED = 'From: a@b\r\nDKIM-Signature: v=1; a=rsa-sha256;\r\n b=abc\r\n\r\n'
const REWRITTEN =
  'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=41=\r\n'
const HTML = ['http://a.b/', '<a href="', '>', '<', '&amp;', '<!--', 'a.']

function letter(type: string): FuzzTarget {
  return {
    seeds: [`Content-Type: ${type}\r\n\r\n<a href="http://a.b">x</a>\r\n`],
    starts: [`Content-Type: ${type}\r\n\r\n`],
    words: HTML,
    async run(input) {
      const { raw, ...rest } = await readLetter(input, { size: 1e6, text: 1e6 })
      tokensOf({ raw, ...rest }, urisOf(raw, 100))
    },
  }
}

/** A message in which as many multiparts are open as may be. */
const NESTED = Array.from({ length: 99 }, (_, at) => 'b'.repeat(at + 1))
  .map((boundary) => `Content-Type: multipart/mixed; boundary=${boundary}\r\n\r\n--${boundary}\r\n`)
  .join('')

export const CONTENT_TARGETS: Readonly<Record<string, FuzzTarget>> = {
  base64: decoder('base64', ['A', '=', 'AA', '\r\n', '-', ' '], 'SGVsbG8=\r\n'),
  quotedPrintable: decoder('quoted-printable', [' ', '\t', '=', '=\r\n', '\r\n', '=3D', 'x'], 'caf=E9 =\r\n \r\n'),
  uuencode: decoder(
    'uuencode',
    ['M', '`', ' ', '\r\n', '#0V%T\r\n', 'end\r\n'],
    'begin 644 x\r\n#0V%T\r\n`\r\nend\r\n',
  ),
  fields: { seeds: [FIELD_SEED], words: FIELDS, run: readFields },
  parsed: {
    seeds: [`Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n${FIELD_SEED}x\r\n--b--\r\n`],
    starts: ['', 'From: '],
    words: ['a:', '\r\n--b\r\n', '<a@b>, '],
    run: (input) => parseMessage(inPieces(input)),
  },
  rewritten: {
    seeds: [REWRITTEN],
    words: ['--b\r\n', '=\r\n', '=41', '--'],
    starts: [REWRITTEN],
    async run(input) {
      const message = {
        size: input.length,
        open: (range?: { start: number; end: number }) => inPieces(input.subarray(range?.start, range?.end)),
      }
      const { content } = await rewriteMime(message, ({ part, path }) => {
        if (path.length > 0 && path.at(-1) === 2) return { remove: true }
        if (part.type === 'text') return { text: (text) => text, after: [{ type: 'text/plain', content: 'x' }] }
        return { octets: (octets) => octets }
      })
      if (content) await all(content())
    },
  },
  blankLine: { seeds: [FIELD_SEED], words: FIELDS, run: (input) => all(withBlankLine(inPieces(input))) },
  chosenFields: reader([FIELD_SEED], FIELDS, (header) => chooseFields(header, ['from', 'a'], false)),
  canonicalField: reader([' a  b\r\n\tc'], [' ', '\t', '\r\n', '\r', 'a'], (value) =>
    relaxedField({ name: 'a', value }),
  ),
  signatures: {
    seeds: [FIELD_SEED],
    words: ['DKIM-Signature: ', 'ARC-Seal: ', 'From: ', ...FIELDS.slice(0, 4)],
    run: (input) => all(limitSignatures(inPieces(input), { signatures: 10, fieldSize: 16_384 })),
  },
  antispamText: letter('text/plain'),
  antispamHtml: letter('text/html'),
  antivirus: {
    seeds: ['Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nbegin 644 x\r\n#0V%T\r\n'],
    words: ['--b\r\n', '--', '\r\n', 'begin 644 x\r\n', 'Content-Type: message/rfc822\r\n\r\n', 'M', '='],
    async run(input) {
      try {
        await all(missedParts(inPieces(input), { limits: { levels: 50, parts: 1000 }, odd: new Set() }))
      } catch (error) {
        if (!(error instanceof Unscannable)) throw error
      }
    },
  },
  boundaries: {
    seeds: [NESTED],
    starts: [NESTED],
    words: ['--b', 'bb', 'x', '--', '\r\n'],
    run: (input) => readStructure((range) => inPieces(input.subarray(range?.start, range?.end)), input.length),
  },
  charsets: reader(['utf-8 x iso-8859-1'], ['utf-8', 'x', ' ', '-'], (text) => {
    const charsets = createCharsets()
    for (const name of text.split(' ')) charsets(name)
  }),
  date: reader(['Fri (day), 21 (of) Nov 1997 09:55 : 06 -0600'], ['(', ')', '\\', ':', ' ', ',', '1'], readDate),
  indexWords: {
    seeds: [octets('a ß é 漢字 👍')],
    words: ['a', ' ', ...['ß', '漢', '\u0301', '\u200d', '👍'].map(octets)],
    run: (input) => tokenize(`${input}`, () => {}),
  },
  mailboxName: reader(['&Jjo-/a&-b'], ['&', '-', 'AOk', '/', 'a'], fromUtf7),
  listPattern: reader(['*a%/b*'], ['*', '%', 'a', '/', '*a'], (text) => toTest(text.slice(0, 100))(text.slice(100))),
  ldapFilter: reader(['(&(a=b)(!(c=*d\\2a*)))'], ['(', ')', '&', '!', 'a=b', '*', '\\'], compileFilter, FilterError),
  dmarcRecord: reader(['v=DMARC1; rua=mailto:a@b!10m'], ['rua=', 'mailto:', 'a@b', ',', '!', ';', ' '], (text) =>
    destinationsOf(text, 5),
  ),
  mtaStsRecord: reader(['v=STSv1; id=1'], ['v=STSv1;', ' ', 'id=', ';', 'a'], (text) => idIn([text])),
  features: reader(['EHLO\nSIZE 10\nAUTH PLAIN\n'], ['A', '-', ' ', '=', '\n', 'SIZE '], readFeatures),
}
