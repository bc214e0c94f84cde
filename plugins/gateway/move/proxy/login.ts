/**
 * Opens a session of an account on the old server: the login of the master user in each protocol.
 *
 * Invariants: the password is never sent without TLS unless the administrator allows it; a connection that fails is
 * closed.
 */
import type { OldProtocol, OldSession } from '../api.ts'
import { credentials, type ImapLogin } from '../sources/imap.ts'
import { type Dialogue, dial, must, type OldAddress } from './dialogue.ts'
import { sieveLogin } from './sieve.ts'

/** Untagged lines before the response to a command. */
const MAX_LINES = 200

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
  protocol: OldProtocol,
  address: OldAddress,
  login: ImapLogin,
): Promise<OldSession> {
  const talk = await dial(address)
  try {
    const capabilities = protocol === 'IMAP' ? await imapLogin(talk, address, login) : undefined
    if (protocol === 'POP3') await pop3Login(talk, address, login)
    if (protocol === 'ManageSieve') await sieveLogin(talk, address, login)
    return { stream: talk.stream, rest: talk.input.release(), ...(capabilities === undefined ? {} : { capabilities }) }
  } catch (cause) {
    talk.stream.destroy()
    throw cause
  }
}
