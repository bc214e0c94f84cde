/**
 * ManageSieve on the old server (RFC 5804): the login, and the scripts of an account.
 *
 * Invariants: scripts are only read; responses are bounded.
 */
import { splitLiteral } from 'iems'
import { credentials, type ImapLogin } from '../sources/imap.ts'
import { type Dialogue, dial, must, type OldAddress } from './dialogue.ts'

/** Lines of one response, and octets of a literal. */
const MAX_LINES = 1000
const MAX_LITERAL = 4 * 1024 * 1024

export interface Scripts {
  readonly scripts: ReadonlyMap<string, string>
  readonly active: string | undefined
}

/** A line of a response: its first string, and what follows it. */
interface Item {
  readonly value: string
  readonly rest: string
}

interface Response {
  /** The line with OK, NO or BYE. */
  readonly status: string
  readonly items: readonly Item[]
}

const QUOTED = /^"((?:[^"\\]|\\.)*)"/

async function response(talk: Dialogue): Promise<Response> {
  const items: Item[] = []
  while (items.length < MAX_LINES) {
    const line = await talk.line()
    const { text, literal } = splitLiteral(line)
    const content = literal && (await octets(talk, literal.size))
    const after = literal ? await talk.line() : ''
    if (/^(?:OK|NO|BYE)\b/i.test(line)) return { status: `${text}${content ?? ''}`, items }
    const [all = '', value = ''] = QUOTED.exec(text) ?? []
    if (all !== '') items.push({ value: decoded(value.replace(/\\(.)/g, '$1')), rest: text.slice(all.length) })
    else if (content !== undefined) items.push({ value: decoded(content), rest: after })
  }
  throw new Error('the old server does not come to an end')
}

const decoded = (octets: string) => Buffer.from(octets, 'latin1').toString('utf8')

async function octets(talk: Dialogue, size: number): Promise<string> {
  if (size > MAX_LITERAL) throw new Error('the old server sends a script that is too large')
  return Buffer.from(await talk.input.octets(size)).toString('latin1')
}

async function ask(talk: Dialogue, command: string): Promise<readonly Item[]> {
  talk.send(command)
  const { status, items } = await response(talk)
  must(/^OK/i.test(status), command.split(' ', 1)[0] ?? '', status)
  return items
}

export async function sieveLogin(talk: Dialogue, address: OldAddress, login: ImapLogin): Promise<void> {
  must(/^OK/i.test((await response(talk)).status), 'the connection', '')
  if (address.tls === 'starttls') {
    await ask(talk, 'STARTTLS')
    await talk.secure(address)
    await response(talk)
  }
  const { user, pass, authzid = '' } = { authzid: '', ...credentials(login) }
  talk.send(`AUTHENTICATE "PLAIN" "${Buffer.from(`${authzid}\0${user}\0${pass}`).toString('base64')}"`)
  const { status } = await response(talk)
  must(/^OK/i.test(status), 'the login', status)
}

const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`

/** The scripts of an account on the old server. */
export async function scriptsThere(address: OldAddress, login: ImapLogin): Promise<Scripts> {
  const talk = await dial(address)
  try {
    await sieveLogin(talk, address, login)
    const scripts = new Map<string, string>()
    let active: string | undefined
    for (const { value: name, rest } of await ask(talk, 'LISTSCRIPTS')) {
      if (/^ *ACTIVE *$/i.test(rest)) active = name
      const [script] = await ask(talk, `GETSCRIPT ${quoted(name)}`)
      scripts.set(name, script?.value ?? '')
    }
    talk.send('LOGOUT')
    return { scripts, active }
  } finally {
    talk.stream.destroy()
  }
}
