/**
 * What is fuzzed: readers of what strangers send, and whole sessions over sockets. A target throws only when the code is
 * wrong: the errors that it documents for bad input are part of its contract.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { readClientFinal, readClientFirst } from '../../core/auth/sasl/scram.ts'
import { readProxyHeader } from '../../core/listener/proxy.ts'
import { splitContent } from '../../core/message/headers.ts'
import { readAddresses } from '../../core/mime/addresses.ts'
import { readParameters } from '../../core/mime/parameters.ts'
import { readStructure } from '../../core/mime/structure.ts'
import { fromHtml, preview, readText } from '../../core/mime/text.ts'
import { decodeWords } from '../../core/mime/words.ts'
import { Cursor, SyntaxFault } from '../../plugins/access/imap/grammar/cursor.ts'
import { readFetchItems } from '../../plugins/access/imap/grammar/fetch.ts'
import { readSearch } from '../../plugins/access/imap/grammar/search.ts'
import { BerError } from '../../plugins/directory/ldap/server/protocol/ber.ts'
import { parseDn } from '../../plugins/directory/ldap/server/protocol/dn.ts'
import { FilterTooLarge } from '../../plugins/directory/ldap/server/protocol/filter.ts'
import { readEnvelope, readRequest } from '../../plugins/directory/ldap/server/protocol/requests.ts'
import { readAddress } from '../../plugins/directory/static/addresses.ts'
import { readTable } from '../../plugins/directory/store/commands/csv.ts'
import { readLdif } from '../../plugins/directory/store/commands/ldif.ts'
import { captured } from '../../plugins/directory/store/wildcard.ts'
import { authorDomain } from '../../plugins/filter/dkim/author.ts'
import { readFeedback } from '../../plugins/filter/sender-auth/reports/feedback.ts'
import { baseSubject, messageIds } from '../../plugins/mailbox/store/query/subject.ts'
import { readPath } from '../../plugins/smtp/in/addresses.ts'
import { smtpIn } from '../../plugins/smtp/in/index.ts'
import { readMailParameters } from '../../plugins/smtp/in/parameters.ts'
import { parsePolicy } from '../../plugins/smtp/out/mta-sts.ts'
import { createImapKernel } from '../support/imap-talk.ts'
import { createLdapKernel } from '../support/ldap.ts'
import { CONTENT_TARGETS } from './content.ts'
import { all, type FuzzTarget, reader } from './reader.ts'

const MAIL = [
  'From: "A, B" <a@example.org>\r\nTo: b@example.org (c)\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\nDate: Thu, 1 Jan 26 10:00 EST\r\n\r\nHello\r\n',
  'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\npre\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9=\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename*=utf-8\'\'%e2%82%ac.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n--b--\r\n',
  'Content-Type: text/html\r\n\r\n<p style="x">Hi &amp; bye<script>1</script></p>',
]
const MAIL_WORDS = [
  '\r\n--b\r\n',
  '--b--',
  'Content-Type: multipart/mixed; boundary=b\r\n',
  'Content-Type: message/rfc822\r\n\r\n',
  'Content-Transfer-Encoding: base64\r\n',
  'Content-Transfer-Encoding: quoted-printable\r\n',
  '=?utf-8?b?',
  '?=',
  '=\r\n',
  '\r\n ',
  'charset=utf-7',
  "filename*0*=us-ascii''",
] // prettier-ignore

// --- sessions -------------------------------------------------------------------------------

/** Ms after which a session that does not end is cut by the client. */
const SESSION_MS = 200

/** Sends the octets on a connection of their own, half-closes it, and reads until the server has closed. */
async function converse(port: number, input: Buffer): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  socket.resume()
  socket.end(input)
  const timer = setTimeout(() => socket.destroy(), SESSION_MS)
  await closed
  clearTimeout(timer)
}

/** A target that is a listener of a kernel: started once, and asked after each input whether anything went wrong in it. */
function session(seeds: readonly string[], words: readonly string[], start: () => Promise<Started>): FuzzTarget {
  let started: Promise<Started> | undefined
  return {
    seeds,
    words,
    isSession: true,
    async run(input) {
      started ??= start()
      const { port, events } = await started
      await converse(port, input)
      const fault = events.find(({ name }) => name === 'plugin.fault' || name === 'kernel.fault')
      if (fault) throw new Error(JSON.stringify(fault, (_, value) => (value instanceof Error ? value.stack : value)))
    },
  }
}

interface Started {
  readonly port: number
  readonly events: readonly { readonly name: string }[]
}

/** Kernels live as long as the thread. */
const FOREVER = { after() {} }

const SMTP_IN =
  'EHLO x.test\r\nMAIL FROM:<a@x.test> SIZE=10\r\nRCPT TO:<ann@here.test>\r\nDATA\r\nSubject: x\r\n\r\nHi\r\n.\r\nQUIT\r\n'

export const TARGETS: Readonly<Record<string, FuzzTarget>> = {
  mime: {
    seeds: MAIL,
    words: MAIL_WORDS,
    async run(input) {
      const open = async function* (range?: { start: number; end: number }) {
        yield input.subarray(range?.start, range?.end)
      }
      const structure = await readStructure(open, input.length)
      await readText({ open }, structure)
      await preview({ open }, structure)
    },
  },
  header: reader(MAIL, MAIL_WORDS, (text) =>
    splitContent(
      (async function* () {
        yield Buffer.from(text, 'latin1')
      })(),
      65_536,
    ),
  ), // prettier-ignore
  addresses: reader(
    ['"A, B" <a@b>, g: c@d, e@f;, (x (y)) z@[1.2.3.4]'],
    ['<', '>', '"', '(', ')', '\\', ':;', '@'],
    readAddresses,
  ),
  parameters: reader(
    ["text/plain; charset=utf-8; name*0*=utf-8''a%20b; name*1=c"],
    ['*0', "''", '%', ';', '"', '\\'],
    readParameters,
  ),
  words: reader(['=?utf-8?q?a_b=20?= =?iso-2022-jp?b?GyRC?='], ['=?', '?=', '?q?', '?b?', 'utf-7'], decodeWords),
  html: reader(
    ['<p>a<b>c</b>&nbsp;<!-- x --><style>y</style>'],
    ['<!--', '-->', '<script>', '&#', '&amp;', '<'],
    fromHtml,
  ),
  subject: reader(['Re: [x] Fwd: (fwd) [fwd: a]'], ['re:', '[', ']', '(fwd)', 'fwd:'], baseSubject),
  messageIds: reader(['<a@b> <"c d"@e>'], ['<', '>', '"', '\\', '@'], messageIds),
  dkimAuthor: reader(['From: "a" <a@b.c>'], ['(', ')', '\\', '"', '<', '>', ','], (text) =>
    authorDomain([{ name: 'From', raw: text, value: text }] as never),
  ),
  imapFetch: reader(
    ['(FLAGS BODY.PEEK[1.2.HEADER.FIELDS (A B)]<0.10> BINARY[1])'],
    ['BODY[', ']', '<', '(', ')', '.MIME'],
    (text) => readFetchItems(new Cursor([text])),
    SyntaxFault,
  ),
  imapSearch: reader(
    ['OR (NOT SEEN) UID 1:*,4 HEADER X "y" SINCE 1-Jan-2026'],
    ['OR ', 'NOT ', '(', ')', '"', 'UID ', '1:*'],
    (text) => readSearch(new Cursor([text]), String),
    SyntaxFault,
  ),
  smtpPath: reader(['<a@b.c>', '<@r:"a b"@[IPv6:::1]>'], ['<', '>', '"', '\\', '@', '['], readPath),
  smtpParameters: reader(
    ['SIZE=10 BODY=8BITMIME RET=HDRS ENVID=+41'],
    ['SIZE=', 'BODY=', 'AUTH=<>', '+', ' '],
    (text) => readMailParameters(text, { maxSize: 1e6 } as never),
  ),
  proxy: reader(
    [
      'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n',
      '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\0\x01\0\x02',
    ],
    ['PROXY ', 'UNKNOWN', 'TCP6 ', '::1'],
    (text) => readProxyHeader(Buffer.from(text, 'latin1')),
  ),
  scram: reader(['n,,n=user,r=abc', 'p=tls-exporter,,n=a,r=b'], ['n=', 'r=', '=2C', ',', 'c=', 'p='], (text) => [
    readClientFirst(Buffer.from(text, 'latin1'), { mechanism: 'SCRAM-SHA-256' } as never),
    readClientFinal(Buffer.from(text, 'latin1')),
  ]),
  csv: reader(
    ['name,addresses\nann,"a@b|c@d"\n'],
    ['"', '""', '\n', ',', '|', '\r'],
    (text) => all(readTable([Buffer.from(text, 'latin1')] as never)),
    Error,
  ),
  ldif: reader(
    ['dn: cn=a,dc=b\nobjectClass: top\nmail:: YQ==\n x\n\n'],
    ['dn: ', ':: ', '\n ', 'changetype: ', '-\n'],
    (text) => all(readLdif([Buffer.from(text, 'latin1')] as never)),
    Error,
  ),
  dn: reader(['cn=a\\, b+sn=\\c3\\a9,dc=x', '#04'], ['\\', ',', '+', '=', '#', '"'], parseDn),
  ldap: {
    seeds: [
      '0\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0',
      '0%\x02\x01\x02c \x04\0\n\x01\x02\n\x01\0\x02\x01\0\x02\x01\0\x01\x01\0\x87\x0bobjectClass0\0',
    ],
    words: ['\x30\x80', '\x30\x84', '\xa0', '\xa1', '\xa2', '\x87'],
    run: (input) => {
      try {
        readRequest(readEnvelope(input), { filterDepth: 50, filterTerms: 1000 })
      } catch (fault) {
        if (!(fault instanceof BerError || fault instanceof FilterTooLarge)) throw fault
      }
    },
  }, // prettier-ignore
  dmarcReport: reader(
    [
      '<feedback><report_metadata><org_name>x</org_name></report_metadata><record><row><count>1</count></row></record></feedback>',
    ],
    ['<', '</', '/>', '&lt;', '<![CDATA[', ']]>', '<record>'],
    (text) => readFeedback(text, 100),
    Error,
  ),
  mtaSts: reader(
    ['version: STSv1\nmode: enforce\nmx: *.x.org\nmax_age: 86400\n'],
    ['mx: ', 'mode: ', '\r\n', ':'],
    parsePolicy,
  ),
  localAddress: reader(['ann+tag@example.org', '"a b"@xn--e1afmkfd.org'], ['"', '\\', '@', '+'], readAddress),
  wildcard: reader(['*a*b*@x'], ['*', '**'], (text) =>
    captured(text.slice(0, text.length / 2), text.slice(text.length / 2)),
  ),
  ...CONTENT_TARGETS,
  smtp: session(
    [SMTP_IN, 'EHLO [1.2.3.4]\r\nMAIL FROM:<>\r\nRCPT TO:<bob@here.test>\r\nBDAT 4 LAST\r\nabcdRSET\r\n'],
    ['MAIL FROM:', 'RCPT TO:', 'BDAT ', ' LAST', '\r\n.\r\n', 'AUTH PLAIN ', 'STARTTLS\r\n', 'RSET\r\n'],
    async () => {
      const kernel = await createImapKernel(FOREVER, { channels: { mx: smtpIn({ listen: '127.0.0.1:0' }) } })
      return { port: kernel.listener('mx').port, events: kernel.events }
    },
  ), // prettier-ignore
  imap: session(
    [
      'a LOGIN ann secret\r\nb SELECT INBOX\r\nc FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE)\r\nd LOGOUT\r\n',
      'a LOGIN ann secret\r\nb APPEND INBOX {4+}\r\nabcd\r\nc LIST "" "*"\r\nd LOGOUT\r\n',
    ],
    [
      'SEARCH ',
      'SORT (',
      'THREAD REFERENCES UTF-8 ',
      '{5+}\r\n',
      '~{3+}\r\n',
      'NOTIFY SET ',
      'COMPRESS DEFLATE\r\n',
      'STORE 1 +FLAGS (',
      'CREATE ',
      'GETMETADATA ',
      'IDLE\r\n',
    ],
    async () => {
      const kernel = await createImapKernel(FOREVER)
      await kernel.submit({ from: 'x@y.test', to: ['ann@here.test'], content: MAIL[1] as string })
      await kernel.deliver()
      return { port: kernel.port, events: kernel.events }
    },
  ), // prettier-ignore
  ldapSession: session(
    [
      '0\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\x000%\x02\x01\x02c \x04\0\n\x01\x02\n\x01\0\x02\x01\0\x02\x01\0\x01\x01\0\x87\x0bobjectClass0\0',
    ],
    ['\x30', '\xa3', '\x04\x10', '\x42\0'],
    async () => {
      const kernel = await createLdapKernel(FOREVER)
      return { port: kernel.port, events: kernel.events }
    },
  ), // prettier-ignore
}
