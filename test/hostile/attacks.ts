/** What strangers and other accounts sent when they wanted to stop the server: one function an attack. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface Target {
  readonly smtp: number
  readonly imap: number
}

export interface Attack {
  readonly name: string
  run(target: Target): Promise<void>
}

/** Ms after which an attacker gives up waiting. */
const PATIENCE_MS = 120_000

/** Sends the pieces as fast as the server reads them, then waits until it has answered with `last` or hung up. */
async function send(port: number, pieces: Iterable<string | Buffer>, last: RegExp): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  let tail = ''
  const done = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, PATIENCE_MS)
    const end = () => {
      clearTimeout(timer)
      resolve()
    }
    socket.on('data', (chunk) => {
      tail = (tail + chunk.toString('latin1')).slice(-2000)
      if (last.test(tail)) end()
    })
    socket.on('close', end)
    socket.on('error', end)
  })
  await once(socket, 'connect')
  for (const piece of pieces) if (!(await write(socket, piece))) break
  await done
  socket.destroy()
}

async function write(socket: Socket, piece: string | Buffer): Promise<boolean> {
  if (socket.destroyed) return false
  if (!socket.write(piece)) await Promise.race([once(socket, 'drain'), once(socket, 'close')])
  return !socket.destroyed
}

const DELIVERED = /\r\n221 /

function* mail(header: string, ...body: readonly (string | Buffer | Iterable<string>)[]): Generator<string | Buffer> {
  yield 'EHLO attacker.test\r\nMAIL FROM:<x@attacker.test>\r\nRCPT TO:<ann@here.test>\r\nDATA\r\n'
  yield `From: x@attacker.test\r\n${header}\r\n`
  for (const part of body) {
    if (typeof part === 'string' || Buffer.isBuffer(part)) yield part
    else yield* part
  }
  yield '\r\n.\r\nQUIT\r\n'
}

function* times(count: number, text: string): Generator<string> {
  const block = 500
  for (let left = count; left > 0; left -= block) yield text.repeat(Math.min(block, left))
}

const byMail = (name: string, header: string, ...body: readonly (string | Iterable<string>)[]): Attack => ({
  name,
  run: ({ smtp }) => send(smtp, mail(header, ...body), DELIVERED),
})

const byImap = (name: string, ...commands: readonly string[]): Attack => ({
  name,
  run: ({ imap }) =>
    send(
      imap,
      ['a LOGIN eve secret\r\nb SELECT INBOX\r\n', ...commands.map((one) => `${one}\r\n`), 'z LOGOUT\r\n'],
      /\r\nz (OK|BAD|NO)/,
    ),
})

const nested = (depth: number) =>
  Array.from(
    { length: depth },
    (_, level) => `Content-Type: multipart/mixed; boundary="b${level}"\r\n\r\n--b${level}\r\n`,
  ).join('')

/** Mail for the account that attacks by IMAP; begins behind a message that is still open. */
function* filling(): Generator<string> {
  for (let at = 0; at < 400; at++) {
    const references = Array.from({ length: 200 }, (_, back) => `<${at * 7 + back}@x>`).join('\r\n ')
    yield '\r\n.\r\nMAIL FROM:<x@attacker.test>\r\nRCPT TO:<eve@here.test>\r\nDATA\r\n'
    yield `Message-ID: <${at}@x>\r\nSubject: Re: ${at % 9}\r\nReferences: ${references}\r\n\r\nx`
  }
}

export const ATTACKS: readonly Attack[] = [
  byMail(
    'empty base64 pieces (48 MB)',
    'Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n',
    times(620_000, `${'A='.repeat(38)}\r\n`),
  ),
  byMail(
    'spaces in quoted-printable',
    'Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n',
    ...Array.from({ length: 20 }, () => `${' '.repeat(64_000)}x\r\n`),
  ),
  byMail('99 open boundaries, 300,000 false ones', nested(99), times(300_000, '--b0x\r\n')),
  byMail('25,000 encoded words in an unknown charset', `Subject: ${'=?x-none?q?a?=\r\n '.repeat(2500)}\r\n`, 'x'),
  byMail('a subject of 45,000 (fwd)', `Subject: ${'(fwd)'.repeat(3000)} x\r\n`, 'x'),
  byMail('an author of open comments', `From: ${'(\\('.repeat(3000)} <x@y.test>\r\n`, 'x'),
  byMail('a group of 120,000 names', `To: ${'a:\r\n '.repeat(20_000)}\r\n`, 'x'),
  byMail('100 nested messages', 'Content-Type: message/rfc822\r\n\r\n'.repeat(100), 'x'),
  byMail('200,000 parts', 'Content-Type: multipart/mixed; boundary=b\r\n', times(200_000, '--b\r\n\r\nx\r\n')),
  byMail('HTML of 200,000 open tags', 'Content-Type: text/html\r\n', times(200_000, '<div><!--<a href="')),
  byMail('400 messages with 200 references each', '', filling()),
  byImap('LIST with 9 wildcards', `c CREATE ${'a'.repeat(60)}`, `d LIST "" "${'*a'.repeat(9)}b"`),
  byImap(
    'LIST with 30 wildcards',
    `c CREATE ${'a'.repeat(60)}`,
    `d LIST "" "${'*a'.repeat(30)}b"`,
    `e LIST "" "${'%a'.repeat(30)}b"`,
  ),
  byImap('5,000 LIST patterns', `c LIST "" (${'"*a*" '.repeat(4999)}"*b*")`),
  byImap(
    'SEARCH NOT of 15,000 numbers',
    `c UID SEARCH NOT ${Array.from({ length: 15_000 }, (_, at) => 1 + 2 * at).join(',')}`,
  ),
  byImap(
    'SORT and THREAD of everything',
    'c UID SORT (SUBJECT) UTF-8 ALL',
    'd UID THREAD REFERENCES UTF-8 ALL',
    'e FETCH 1:* (PREVIEW BODYSTRUCTURE ENVELOPE)',
    'f UID SEARCH BODY x TEXT y',
  ),
  byImap('70,000 keywords', `c STORE 1:* +FLAGS (${Array.from({ length: 7000 }, (_, at) => `k${at}`).join(' ')})`),
  {
    name: 'BDAT in 99,000 chunks of one octet',
    run: ({ smtp }) =>
      send(
        smtp,
        [
          'EHLO x\r\nMAIL FROM:<x@attacker.test>\r\nRCPT TO:<ann@here.test>\r\n',
          ...times(99_000, 'BDAT 1\r\nx'),
          'RSET\r\nQUIT\r\n',
        ],
        /\r\n(221|421) /,
      ),
  },
  {
    name: '100,000 pipelined commands',
    run: ({ smtp }) => send(smtp, ['EHLO x\r\n', ...times(100_000, 'NOOP\r\n'), 'QUIT\r\n'], /\r\n(221|421) /),
  },
  {
    name: '3,000 recipients',
    run: ({ smtp }) =>
      send(
        smtp,
        ['EHLO x\r\nMAIL FROM:<>\r\n', ...times(3000, 'RCPT TO:<ann@here.test>\r\n'), 'QUIT\r\n'],
        /\r\n(221|421) /,
      ),
  },
  { name: '400 clients that send nothing', run: silentClients },
  { name: '180 clients that guess a password', run: guesses },
]

async function silentClients({ imap, smtp }: Target): Promise<void> {
  const sockets = Array.from({ length: 400 }, (_, at) =>
    connect({ port: at % 2 ? imap : smtp, host: '127.0.0.1', localAddress: `127.1.${at % 250}.9` }),
  )
  for (const socket of sockets) socket.on('error', () => {})
  await new Promise((resolve) => setTimeout(resolve, 2000))
  for (const socket of sockets) socket.destroy()
}

async function guesses({ imap }: Target): Promise<void> {
  await Promise.all(
    Array.from({ length: 180 }, async (_, at) => {
      const socket = connect({ port: imap, host: '127.0.0.1', localAddress: `127.2.${at}.7` })
      socket.on('error', () => {})
      socket.resume()
      socket.write(`a LOGIN ann wrong${at}\r\nb LOGIN ann wrong\r\nc LOGOUT\r\n`)
      const timer = setTimeout(() => socket.destroy(), 10_000)
      await once(socket, 'close')
      clearTimeout(timer)
    }),
  )
}
