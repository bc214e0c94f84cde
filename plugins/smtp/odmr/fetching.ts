/**
 * The customer's side: this server connects to its provider on a schedule and asks for its mail, with ATRN (RFC 2645)
 * over the same connection, or with ETRN (RFC 1985).
 *
 * Invariants: mail that comes over a reversed connection has the rights of an unauthenticated client; a provider that
 * does not answer is asked again at the next scheduled time; at most one session with a provider is open.
 */
import { createSecureContext, rootCertificates } from 'node:tls'
import type { SetupContext } from 'iems'
import type { SmtpListener } from '../in/api.ts'
import { createFindServers, Handshake, parseNexthop, SmtpConnection, smtpOutOptions } from '../out/api.ts'
import type { Source } from './options.ts'

export interface FetchingDeps {
  readonly ctx: Pick<SetupContext, 'clock' | 'dns' | 'hostname' | 'log' | 'signal'>
  readonly listener: SmtpListener
}

const CHOSEN = smtpOutOptions.parse({})
/** Ms for the provider to find the mail and answer. */
const ANSWER_MS = 600_000

/** Fetches once; returns the provider's reply. Throws when the provider cannot be reached. */
export async function fetchMail(deps: FetchingDeps, source: Source, signal: AbortSignal): Promise<string> {
  const connection = await connect(deps, source, signal)
  const { method, domains } = source
  if (method === 'etrn') {
    const said: string[] = []
    for (const domain of domains) {
      const reply = await connection.ask(`ETRN ${domain}`, ANSWER_MS)
      said.push(`${domain}: ${reply.code} ${reply.text}`)
    }
    connection.quit()
    return said.join('; ')
  }
  const reply = await connection.ask(`ATRN${domains.length > 0 ? ` ${domains.join(',')}` : ''}`, ANSWER_MS)
  if (reply.code !== 250) {
    connection.quit()
    // 453: there is no mail.
    if (reply.code === 453) return `${reply.code} ${reply.text}`
    throw new Error(`the provider refused ATRN: ${reply.code} ${reply.text}`)
  }
  const socket = connection.release()
  const over = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  deps.listener.server.connect(socket, {})
  await over
  return 'mail was fetched'
}

async function connect(
  { ctx: { hostname, dns, clock } }: FetchingDeps,
  { server, user, password, tls }: Source,
  signal: AbortSignal,
): Promise<SmtpConnection> {
  const nexthop = parseNexthop(server)
  if (!nexthop) throw new Error('the provider has no usable name')
  const policy = { mode: tls, requireTls: false, dane: false, key: tls }
  const find = createFindServers({
    ...CHOSEN,
    dns,
    hostname,
    port: 366,
    isOwn: () => false,
    isChosen: true,
    chance: Math.random,
  })
  const handshake = new Handshake({
    ...CHOSEN,
    helo: hostname,
    now: clock.now,
    report() {},
    secureContext: createSecureContext({ ca: [...rootCertificates] }),
    auth: user && password ? { user, password, withoutTls: tls === 'off' } : undefined,
  })
  const servers = await find(nexthop, policy)
  if ('status' in servers) throw new Error(`the provider was not found: ${servers.reply.text}`)
  let failure = 'no address'
  for (const one of servers) {
    const opened = await handshake.open(one, policy, signal)
    if (opened instanceof SmtpConnection) return opened
    failure = opened.reply.text
  }
  throw new Error(`the provider cannot be asked: ${failure}`)
}
