/**
 * Opens a session of an account on the old server: connection, TLS, login of the master user.
 *
 * Invariants: the password is never sent without TLS unless the administrator allows it; every wait has a timeout; a
 * connection that fails is closed.
 */
import { connect, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { LineReader } from 'iems'
import type { OldSession } from '../api.ts'
import type { Server } from '../options.ts'
import { credentials, type ImapLogin } from '../sources/imap.ts'

const WAIT_MS = 20_000
const MAX_LINE = 65_536
/** Untagged lines before the response to a command. */
const MAX_LINES = 200

export type OldAddress = Pick<Server, 'host' | 'port' | 'tls' | 'verify'>

/** A conversation of lines before the session is handed over. */
class Dialogue {
  readonly input = new LineReader(WAIT_MS)
  stream: Duplex

  constructor(stream: Duplex) {
    this.stream = stream
    this.input.attach(stream)
  }

  async line(): Promise<string> {
    return (await this.input.line(MAX_LINE)).toString('latin1')
  }

  send(text: string): void {
    this.stream.write(Buffer.from(`${text}\r\n`))
  }

  async secure({ host, verify }: OldAddress): Promise<void> {
    this.input.detach()
    this.stream = await secured({ host, verify, socket: this.stream as Socket })
    this.input.attach(this.stream)
  }
}

function secured(how: { host: string; verify: boolean; socket?: Socket; port?: number }): Promise<Duplex> {
  const { host, verify, ...rest } = how
  const socket = connectTls({ ...rest, host, ...(isIP(host) ? {} : { servername: host }), rejectUnauthorized: verify })
  return opened(socket, 'secureConnect')
}

async function opened<S extends Socket>(socket: S, event: string): Promise<S> {
  const late = setTimeout(() => socket.destroy(new Error('the old server does not answer')), WAIT_MS)
  try {
    await new Promise<void>((resolve, reject) => socket.once(event, resolve).once('error', reject))
    return socket
  } finally {
    clearTimeout(late)
  }
}

async function dial(address: OldAddress): Promise<Dialogue> {
  const { host, port, tls, verify } = address
  const stream =
    tls === 'implicit' ? await secured({ host, port, verify }) : await opened(connect({ host, port }), 'connect')
  stream.on('error', () => {})
  return new Dialogue(stream)
}

/** The tagged response, and the untagged lines before it. */
async function imapCommand(talk: Dialogue, command: string): Promise<{ text: string; before: readonly string[] }> {
  talk.send(`p ${command}`)
  const before: string[] = []
  for (let count = 0; count < MAX_LINES; count++) {
    const line = await talk.line()
    if (line.startsWith('p ') || line.startsWith('+')) return { text: line.replace(/^p /, ''), before }
    before.push(line)
  }
  throw new Error('the old server does not come to an end')
}

const must = (isGood: boolean, what: string, text: string) => {
  if (!isGood) throw new Error(`the old server refuses ${what}: ${text.slice(0, 200)}`)
}

async function imapLogin(talk: Dialogue, address: OldAddress, login: ImapLogin): Promise<string> {
  must((await talk.line()).startsWith('* OK'), 'the connection', '')
  if (address.tls === 'starttls') {
    const { text } = await imapCommand(talk, 'STARTTLS')
    must(/^OK/i.test(text), 'STARTTLS', text)
    await talk.secure(address)
  }
  const { user, pass, authzid = '' } = { authzid: '', ...credentials(login) }
  const asked = await imapCommand(talk, 'AUTHENTICATE PLAIN')
  must(asked.text.startsWith('+'), 'AUTHENTICATE PLAIN', asked.text)
  talk.send(Buffer.from(`${authzid}\0${user}\0${pass}`).toString('base64'))
  let capabilities: string | undefined
  for (let count = 0; count < MAX_LINES; count++) {
    const line = await talk.line()
    capabilities = /^(?:\* CAPABILITY |p OK \[CAPABILITY )([^\]]*)/i.exec(line)?.[1] ?? capabilities
    if (!line.startsWith('p ')) continue
    must(/^p OK/i.test(line), 'the login', line)
    break
  }
  if (capabilities !== undefined) return capabilities
  const { before } = await imapCommand(talk, 'CAPABILITY')
  return before.find((line) => /^\* CAPABILITY /i.test(line))?.slice(13) ?? 'IMAP4rev1'
}

async function pop3Login(talk: Dialogue, address: OldAddress, login: ImapLogin): Promise<void> {
  const ask = async (command: string, what: string) => {
    talk.send(command)
    const line = await talk.line()
    must(line.startsWith('+'), what, line)
  }
  must((await talk.line()).startsWith('+OK'), 'the connection', '')
  if (address.tls === 'starttls') {
    await ask('STLS', 'STLS')
    await talk.secure(address)
  }
  const { user, pass, authzid = '' } = { authzid: '', ...credentials(login) }
  await ask('AUTH PLAIN', 'AUTH PLAIN')
  await ask(Buffer.from(`${authzid}\0${user}\0${pass}`).toString('base64'), 'the login')
}

export async function openOldSession(
  protocol: 'IMAP' | 'POP3',
  address: OldAddress,
  login: ImapLogin,
): Promise<OldSession> {
  const talk = await dial(address)
  try {
    const capabilities = protocol === 'IMAP' ? await imapLogin(talk, address, login) : undefined
    if (protocol === 'POP3') await pop3Login(talk, address, login)
    return { stream: talk.stream, rest: talk.input.release(), ...(capabilities === undefined ? {} : { capabilities }) }
  } catch (cause) {
    talk.stream.destroy()
    throw cause
  }
}
