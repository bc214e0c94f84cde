/**
 * The commands of POP3 (RFC 1939, 2449, 2595, 5034, 6856) by name.
 *
 * Invariants: a command runs only in its state; DELE marks messages, and only QUIT removes them.
 */
import { decodeResponse } from 'iems'
import type { Entry, Mailbox } from '../../mailbox/store/api.ts'
import { type Command, type CommandContext, counted, type Drop, GONE, IMPROPER } from './command.ts'
import { topOf } from './lines.ts'

/** RFC 1939 section 7: 1 to 70 printable characters that no other message in the mailbox ever has. */
const uniqueId = ({ uidValidity }: Mailbox, { uid }: Entry, format: string) =>
  format.replace(/%(?:0(\d))?(X)?([uv])/g, (_, width = '0', hex, name) =>
    (name === 'u' ? uid : uidValidity).toString(hex ? 16 : 10).padStart(Number(width), '0'),
  )

function capabilities(session: CommandContext): string[] {
  const { options, isSecure, hasTls } = session.parts
  const mayLogIn = session.obstacle === undefined
  return [
    'TOP',
    'UIDL',
    'PIPELINING',
    'RESP-CODES',
    'AUTH-RESP-CODE',
    ...(mayLogIn ? ['USER', `SASL ${session.parts.open.mechanisms().join(' ')}`] : []),
    ...(hasTls() && !isSecure() ? ['STLS'] : []),
    ...(options.loginDelay > 0 ? [`LOGIN-DELAY ${Math.ceil(options.loginDelay / 1000)}`] : []),
    options.expire === undefined ? 'EXPIRE NEVER' : `EXPIRE ${Math.floor(options.expire / 86_400_000)}`,
    'UTF8 USER',
    'IMPLEMENTATION IEMS',
  ]
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  CAPA: { state: 'any', run: (session) => ({ line: '+OK Capability list follows', content: capabilities(session) }) },
  // Addresses and names are always UTF-8 (RFC 6856).
  UTF8: { state: 'authorization', run: () => '+OK UTF8 enabled' },
  STLS: {
    state: 'authorization',
    async run({ parts }) {
      if (!parts.hasTls() || parts.isSecure()) return '-ERR TLS is not available'
      parts.output.line('+OK Begin TLS now')
      await parts.output.flush()
      await parts.startTls()
      return ''
    },
  },
  USER: {
    state: 'authorization',
    run(session, _, rest) {
      if (session.obstacle !== undefined) return session.obstacle
      if (rest === '') return '-ERR Syntax: USER name'
      session.setUser(rest)
      return '+OK Send PASS'
    },
  },
  PASS: {
    state: 'authorization',
    async run(session, _, rest) {
      const { user, parts } = session
      return user === undefined
        ? '-ERR Send USER first'
        : session.logIn(await parts.open.auth({ kind: 'password', username: user, password: rest }))
    },
  },
  AUTH: {
    state: 'authorization',
    async run(session, [name, response]) {
      const { open } = session.parts
      const offered = session.obstacle === undefined ? open.mechanisms() : []
      if (name === undefined) return { line: '+OK', content: offered }
      if (session.obstacle !== undefined) return session.obstacle
      const mechanism = offered.find((one) => one === name.toUpperCase())
      if (!mechanism) return '-ERR Unknown authentication mechanism'
      const initial = response === undefined ? undefined : decodeResponse(response)
      if (response !== undefined && !initial) return IMPROPER
      const answer = await open.authenticate({ mechanism, initial, ask: session.ask })
      return answer.kind === 'refuse' && answer.reply.code === 501 ? IMPROPER : session.logIn(answer)
    },
  },
  QUIT: {
    state: 'any',
    run(session) {
      session.end()
      return session.update()
    },
  },
  NOOP: { state: 'transaction', run: () => '+OK' },
  STAT: { state: 'transaction', run: ({ drop }) => `+OK ${counted(drop as Drop)}` },
  LIST: {
    state: 'transaction',
    run(session, [word]) {
      const sized = (number: number, { size }: Entry) => `${number} ${size}`
      if (word === undefined) return { line: '+OK', content: session.listing(sized) }
      const found = session.message(word)
      return found ? `+OK ${sized(found.number, found.entry)}` : GONE
    },
  },
  UIDL: {
    state: 'transaction',
    run(session, [word]) {
      const { mailbox } = session.drop as Drop
      const named = (number: number, entry: Entry) =>
        `${number} ${uniqueId(mailbox, entry, session.parts.options.uidl)}`
      if (word === undefined) return { line: '+OK', content: session.listing(named) }
      const found = session.message(word)
      return found ? `+OK ${named(found.number, found.entry)}` : GONE
    },
  },
  RETR: {
    state: 'transaction',
    run(session, [word]) {
      const found = session.message(word)
      return found ? session.retrieve(found.number, found.entry) : GONE
    },
  },
  TOP: {
    state: 'transaction',
    async run(session, [word, lines = '']) {
      if (!/^\d{1,9}$/.test(lines)) return '-ERR Syntax: TOP message lines'
      const found = session.message(word)
      const email = found && (await session.parts.mail.email(found.entry.email))
      return email ? { line: '+OK', content: topOf(email.open(), email.headerSize, Number(lines)) } : GONE
    },
  },
  DELE: {
    state: 'transaction',
    run(session, [word]) {
      const found = session.message(word)
      if (!found) return GONE
      session.drop?.deleted.add(found.number)
      return `+OK Message ${found.number} deleted`
    },
  },
  RSET: {
    state: 'transaction',
    run({ drop }) {
      drop?.deleted.clear()
      return `+OK ${counted(drop as Drop)}`
    },
  },
}
