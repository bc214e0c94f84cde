/**
 * Senders of alerts: mail, sent directly to a server, and a webhook.
 *
 * Invariants: neither uses the queue or the channels, which may themselves have failed; each ends within the timeout.
 */
import { createHmac } from 'node:crypto'
import type { Dns, Secret } from 'iems'
import { createTransport } from 'nodemailer'
import type { Options } from './options.ts'

export interface Alert {
  readonly subject: string
  readonly text: string
  /** Body of the request to a webhook, as JSON. */
  readonly value: Readonly<Record<string, unknown>>
}
export type Sender = (alert: Alert) => Promise<unknown>

/** Mail exchangers of a domain that are tried. */
const MAX_EXCHANGERS = 4

export interface SenderDeps {
  readonly options: Options
  readonly hostname: string
  readonly dns: Dns
}

export function createSenders(deps: SenderDeps): readonly { readonly name: string; readonly send: Sender }[] {
  const { email, webhook, timeout } = deps.options
  return [
    ...(email ? [{ name: 'mail', send: (alert: Alert) => sendMail(deps, email, alert) }] : []),
    ...(webhook ? [{ name: 'webhook', send: (alert: Alert) => post(webhook, alert, timeout) }] : []),
  ]
}

type Email = NonNullable<Options['email']>

async function sendMail(deps: SenderDeps, email: Email, alert: Alert): Promise<void> {
  if (email.server) return deliver(deps, email.server.reveal(), email, email.to, alert)
  const domains = Map.groupBy(email.to, (address) => address.slice(address.lastIndexOf('@') + 1).toLowerCase())
  for (const [domain, to] of domains) await deliverToDomain(deps, domain, email, to, alert)
}

async function deliverToDomain(
  deps: SenderDeps,
  domain: string,
  email: Email,
  to: readonly string[],
  alert: Alert,
): Promise<void> {
  const answer = await deps.dns.ask(domain, 'MX')
  const records = answer.kind === 'found' ? [...answer.records] : []
  const hosts = records.sort((a, b) => a.priority - b.priority).map(({ exchange }) => exchange)
  let failure: unknown
  for (const host of hosts.length > 0 ? hosts.slice(0, MAX_EXCHANGERS) : [domain]) {
    try {
      return await deliver(deps, `smtp://${host}:25`, email, to, alert)
    } catch (cause) {
      failure = cause
    }
  }
  throw failure
}

async function deliver(
  { options: { timeout }, hostname }: SenderDeps,
  server: string,
  { from = `alerts@${hostname}`, server: named }: Email,
  to: readonly string[],
  { subject, text }: Alert,
): Promise<void> {
  const transport = createTransport({
    url: server,
    name: hostname,
    connectionTimeout: timeout,
    greetingTimeout: timeout,
    socketTimeout: timeout,
    // TLS to a mail exchanger is opportunistic (RFC 7435); a server that is named must prove its name.
    ...(named ? {} : { tls: { rejectUnauthorized: false } }),
  })
  try {
    await transport.sendMail({
      from,
      to: [...to],
      subject,
      text,
      // RFC 3834 section 5: no automatic answers.
      headers: { 'Auto-Submitted': 'auto-generated' },
      disableUrlAccess: true,
      disableFileAccess: true,
    })
  } finally {
    transport.close()
  }
}

const signatureOf = (key: Secret, body: string) => createHmac('sha256', key.reveal()).update(body).digest('hex')

async function post({ url, key }: NonNullable<Options['webhook']>, { value }: Alert, timeout: number): Promise<void> {
  const body = JSON.stringify(value)
  const headers = { 'content-type': 'application/json', ...(key ? { 'x-iems-signature': signatureOf(key, body) } : {}) }
  const answer = await fetch(url, {
    method: 'POST',
    body,
    headers,
    redirect: 'error',
    signal: AbortSignal.timeout(timeout),
  })
  await answer.body?.cancel()
  if (!answer.ok) throw new Error(`the webhook answered ${answer.status}`)
}
