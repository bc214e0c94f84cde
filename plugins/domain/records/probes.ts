/**
 * Examines the servers of a domain from outside: addresses and their names, ports, certificates, the MTA-STS policy.
 *
 * Invariants: every connection ends in time; a server that cannot be reached from here is not reported as wrong.
 */
import { X509Certificate } from 'node:crypto'
import { connect, createSecureContext, rootCertificates, type TLSSocket } from 'node:tls'
import { type Dns, escapeLine, hostNameOf, type SetupContext } from 'iems'
import { fetchPolicy, Handshake, parsePolicy, SmtpConnection, smtpOutOptions } from '../../smtp/out/api.ts'
import type { Finding } from './api.ts'
import type { Options } from './options.ts'

export interface ProbeDeps extends Pick<SetupContext, 'dns' | 'signal' | 'hostname' | 'clock'> {
  readonly options: Options
  /** PEM. */
  readonly ca: string | undefined
}

const CONNECT_MS = 10_000
const SOON_MS = 14 * 86_400_000

type Made = Omit<Finding, 'isGrave'> & { readonly isGrave?: boolean }
const finding = (made: Made): Finding => ({ isGrave: false, ...made })

export async function addressesOf(dns: Dns, host: string): Promise<readonly string[] | undefined> {
  const answers = await Promise.all([dns.ask(host, 'A'), dns.ask(host, 'AAAA')])
  if (answers.some(({ kind }) => kind === 'unavailable')) return undefined
  return answers.flatMap((one) => (one.kind === 'found' ? one.records : []))
}

/** The host's addresses, their names, its ports and their certificates. */
export async function* examineHost(host: string, deps: ProbeDeps): AsyncGenerator<Finding> {
  const addresses = await addressesOf(deps.dns, host)
  const subject = `${host} A`
  if (!addresses)
    return yield finding({
      topic: 'address',
      subject,
      state: 'unclear',
      text: `${host}: the name servers do not answer`,
      cure: 'Check the name servers.',
    })
  if (addresses.length === 0)
    return yield finding({
      topic: 'address',
      subject,
      state: 'missing',
      isGrave: true,
      text: `${host} has no address`,
      cure: `Publish: ${host}. IN A and the public address of the server`,
    })
  yield finding({ topic: 'address', subject, state: 'ok', text: `${host} has ${addresses.join(', ')}` })
  for (const address of addresses) yield await reverseOf(deps.dns, address, host)
  for (const { port, tls } of deps.options.ports) {
    const address = addresses[0] as string
    yield* tls === 'starttls' ? smtpPort(host, address, port, deps) : tlsPort(host, address, port, deps)
  }
}

async function reverseOf(dns: Dns, address: string, host: string): Promise<Finding> {
  const subject = address
  const cure = `Ask the provider of ${address} to set its reverse name to ${host}: many servers refuse mail without it.`
  const found = await hostNameOf(dns, address)
  if (found.kind === 'unavailable')
    return finding({
      topic: 'reverse',
      subject,
      state: 'unclear',
      text: `${address}: its name cannot be looked up`,
      cure,
    })
  if (found.kind !== 'confirmed') {
    const text =
      found.kind === 'absent' ? `${address} has no name` : `${address} has a name that does not lead back to it`
    return finding({
      topic: 'reverse',
      subject,
      state: found.kind === 'absent' ? 'missing' : 'wrong',
      text,
      cure,
      isGrave: true,
    })
  }
  return found.name === host
    ? finding({ topic: 'reverse', subject, state: 'ok', text: `${address} is ${host}` })
    : finding({
        topic: 'reverse',
        subject,
        state: 'wrong',
        text: `${address} is ${escapeLine(found.name)}, not ${host}`,
        cure,
      })
}

const secureContext = (ca: string | undefined) =>
  createSecureContext(ca === undefined ? {} : { ca: [...rootCertificates, ca] })

/** Port 25, as other servers use it, with a certificate that is checked. */
async function* smtpPort(host: string, address: string, port: number, deps: ProbeDeps): AsyncGenerator<Finding> {
  const { timeouts, ...usual } = smtpOutOptions.parse({})
  const handshake = new Handshake({
    ...usual,
    timeouts: { ...timeouts, connect: CONNECT_MS, greeting: CONNECT_MS, reply: CONNECT_MS },
    helo: deps.hostname,
    secureContext: secureContext(deps.ca),
    now: deps.clock.now,
    report() {},
  })
  const policy = { mode: 'verified', requireTls: false, dane: false, key: '' } as const
  const opened = await handshake.open({ host, address, port }, policy, deps.signal)
  const subject = `${host}:${port}`
  if (opened instanceof SmtpConnection) {
    opened.quit()
    yield finding({ topic: 'port', subject, state: 'ok', text: `${subject} answers` })
    yield finding({ topic: 'certificate', subject, state: 'ok', text: `${subject} has a valid certificate` })
  } else if (opened.reached) {
    yield finding({ topic: 'port', subject, state: 'ok', text: `${subject} answers` })
    yield finding({
      topic: 'certificate',
      subject,
      state: 'wrong',
      text: `${subject}: ${escapeLine(opened.reply.text)}`,
      cure: `Get a certificate for ${host}, for example with the plugin acme.`,
    })
  } else yield unreached(subject, escapeLine(opened.reply.text))
}

const unreached = (subject: string, why: string) =>
  finding({
    topic: 'port',
    subject,
    state: 'unclear',
    text: `${subject} cannot be reached from here: ${why}`,
    cure: 'Check the listener, the firewall and the router.',
  })

async function* tlsPort(
  host: string,
  address: string,
  port: number,
  { ca, signal, clock }: ProbeDeps,
): AsyncGenerator<Finding> {
  const subject = `${host}:${port}`
  const opened = await openTls({ host, address, port, ca, signal })
  if (typeof opened === 'string') return yield unreached(subject, opened)
  const { authorized, authorizationError } = opened
  const { raw } = opened.getPeerCertificate()
  opened.destroy()
  yield finding({ topic: 'port', subject, state: 'ok', text: `${subject} answers` })
  const cure = `Get a certificate for ${host}, for example with the plugin acme.`
  const topic = 'certificate'
  if (!authorized)
    return yield finding({
      topic,
      subject,
      state: 'wrong',
      text: `${subject}: the certificate is not valid for ${host} (${authorizationError})`,
      cure,
    })
  const until = Date.parse(new X509Certificate(raw).validTo)
  const text = `${subject} has a valid certificate until ${new Date(until).toISOString().slice(0, 10)}`
  yield until - clock.now() < SOON_MS
    ? finding({ topic, subject, state: 'wrong', text, cure: 'Renew it.' })
    : finding({ topic, subject, state: 'ok', text })
}

interface TlsTarget {
  readonly host: string
  readonly address: string
  readonly port: number
  readonly ca: string | undefined
  readonly signal: AbortSignal
}

function openTls({ host, address, port, ca, signal }: TlsTarget): Promise<TLSSocket | string> {
  return new Promise((resolve) => {
    const socket = connect({
      host: address,
      port,
      servername: host,
      rejectUnauthorized: false,
      secureContext: secureContext(ca),
    })
    const stop = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)])
    const end = () => socket.destroy(new Error('no answer in time'))
    stop.addEventListener('abort', end, { once: true })
    socket.once('secureConnect', () => {
      stop.removeEventListener('abort', end)
      resolve(socket)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
}

/** The MTA-STS policy as other servers fetch it. */
export async function examinePolicy(domain: string, wanted: string, deps: ProbeDeps): Promise<Finding> {
  const { dns, signal, options, ca } = deps
  const subject = `https://mta-sts.${domain}/.well-known/mta-sts.txt`
  const topic = 'policy'
  const fetched = await fetchPolicy(domain, {
    dns,
    signal,
    isOwn: () => false,
    port: options.policyPort,
    ca: ca === undefined ? undefined : [...rootCertificates, ca],
  })
  const cure = `Serve it with the http plugin at mta-sts.${domain}, with a certificate for that name.`
  if (fetched.kind === 'failure')
    return finding({
      topic,
      subject,
      state: 'missing',
      text: `the MTA-STS policy cannot be fetched: ${escapeLine(fetched.why)}`,
      cure,
    })
  const isSame = JSON.stringify(parsePolicy(fetched.body)) === JSON.stringify(parsePolicy(wanted))
  return isSame
    ? finding({ topic, subject, state: 'ok', text: 'the MTA-STS policy is right' })
    : finding({ topic, subject, state: 'wrong', text: 'the MTA-STS policy is another than the one configured', cure })
}
