import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Scope } from 'iems/testing'
import { missing } from '../../core/testing/index.ts'
import { hashContent, signatureOf } from '../../plugins/filter/dkim/signature.ts'
import { serveZone } from '../support/dns-zone.ts'
import { freePort } from '../support/running-server.ts'
import { RSPAMD, startRspamd } from '../support/spam-filters.ts'
import { configured } from './configured.ts'
import { startSink } from './load.ts'
import { usageOf, watchMachine } from './usage.ts'

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const record = createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).toString('base64')

/** What each run adds to a bare server; `lists` and all other names do not exist. */
const SETTINGS = {
  none: '',
  'sender-auth': 'senderAuth()',
  antispam:
    "antispam({ lists: [{ zone: 'ip.list.test' }, { zone: 'uri.list.test', of: ['uri', 'sender'] }], greylist: { for: 'suspects' } })",
  srs: "srs({ domain: 'srs.iems.test', secrets: [secret.value('known to nobody else')] })",
  dkim: "dkim({ keys: [{ domain: 'bench.test', selector: 'ours', key: secret.value(pem) }] })",
} as const
export type Protection = keyof typeof SETTINGS | 'all' | typeof TWO_WORKERS
/** Everything, as in `all`, in two threads. */
export const TWO_WORKERS = 'all, two workers'
export const PROTECTIONS: readonly Protection[] = ['none', 'sender-auth', 'antispam', 'srs', 'dkim', 'all', TWO_WORKERS]

export interface SeenProtection {
  readonly perSecond: number
  /** Processor time of the server for each message, in µs. */
  readonly cpu: number
  /** The share of the machine's processors that was busy, with client, DNS and sink. */
  readonly busy: number
}

export const CLIENTS = 20
const WARM_UP = 2000

const ZONE = {
  'TXT bench.test': ['v=spf1 ip4:127.0.0.1 -all'],
  'MX bench.test': [{ exchange: 'mail.bench.test', priority: 0 }],
  'A mail.bench.test': ['127.0.0.1'],
  'TXT _dmarc.bench.test': ['v=DMARC1; p=reject'],
  'TXT theirs._domainkey.bench.test': [`v=DKIM1; k=rsa; p=${record}`],
}

function configuration(protection: Protection, port: number, sink: number, servers: readonly string[]): string {
  const isAll = protection === 'all' || protection === TWO_WORKERS
  const plugins = isAll ? Object.values(SETTINGS) : [SETTINGS[protection]]
  // What is signed is ours: the one run in which the client is trusted.
  const trusts = protection === 'dkim' ? "{ trusts: ['127.0.0.0/8'] }" : '{}'
  return `import { defineConfig, secret } from 'iems'
import { antispam } from 'iems/plugins/antispam'
import { dkim } from 'iems/plugins/dkim'
import { senderAuth } from 'iems/plugins/sender-auth'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
import { srs } from 'iems/plugins/srs'
const pem = ${JSON.stringify(pem)}
export default defineConfig({
  hostname: 'iems.test',
  workers: ${protection === TWO_WORKERS ? 2 : 1},
  store: { path: 'data' },
  dns: { servers: ${JSON.stringify(servers)} },
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${port}' }, ${trusts}),
    out: smtpOut({ nexthop: '127.0.0.1:${sink}' }, { accepts: 'anyone' }),
  },
  plugins: [${plugins.filter((text) => text !== '').join(', ')}],
})
`
}

/** 4 KiB of somebody else's mail, signed by him. */
async function letter(): Promise<string> {
  const text = `From: Ann <ann@bench.test>\r\nTo: bob@example.org\r\nSubject: The figures of last week\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\nMessage-ID: <1@bench.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${'Please find below what was asked for at http://www.bench.test/figures, and more of it.\r\n'.repeat(42)}`
  const hashed = await hashContent(
    (async function* () {
      yield Buffer.from(text)
    })(),
    100_000,
  )
  if (!hashed) throw new Error('the header is too long')
  const fields = { oversign: ['from', 'to', 'subject', 'date', 'message-id'], sign: [] }
  const key = { domain: 'bench.test', selector: 'theirs', algorithm: 'rsa', privateKey } as const
  return `DKIM-Signature: ${await signatureOf(hashed, key, fields, { at: 1_767_600_000 })}\r\n${text}`
}

export async function measureProtection(
  scope: Scope,
  protection: Protection,
  messages: number,
): Promise<SeenProtection> {
  const sink = await startSink(scope)
  const port = await freePort()
  const { dns } = await serveZone(scope, ZONE)
  const { start } = await configured(scope, configuration(protection, port, sink.port, dns.servers))
  const pid = await start(port)
  const content = await letter()
  await sendAll(port, WARM_UP, content)
  await sink.received(WARM_UP)
  const before = usageOf(pid).cpuSeconds
  const busy = watchMachine()
  const started = performance.now()
  await sendAll(port, messages, content)
  await sink.received(WARM_UP + messages)
  const seconds = (performance.now() - started) / 1000
  const cpu = ((usageOf(pid).cpuSeconds - before) * 1e6) / messages
  return { perSecond: messages / seconds, cpu, busy: busy() }
}

/** The default envelope sender. */
const SENDER = 'ann@bench.test'

export async function sendAll(
  port: number,
  messages: number,
  content: string,
  clients = CLIENTS,
  sender = SENDER,
): Promise<void> {
  const count = Math.ceil(messages / clients)
  await Promise.all(Array.from({ length: clients }, () => sendSome(port, count, content, sender)))
}

/** One client on one connection. */
async function sendSome(port: number, count: number, content: string, sender: string): Promise<void> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1').setNoDelay()
  await once(socket, 'connect')
  let heard = ''
  let wake = () => {}
  socket.on('data', (text: string) => {
    heard += text
    wake()
  })
  async function reply(): Promise<void> {
    const whole = /^(?:\d{3}-[^\n]*\n)*(\d{3}) [^\n]*\n/
    while (!whole.test(heard))
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    const [all = '', code = ''] = whole.exec(heard) ?? []
    heard = heard.slice(all.length)
    if (!/^[23]/.test(code)) throw new Error(all)
  }
  async function say(text: string): Promise<void> {
    socket.write(text)
    await reply()
  }
  await reply()
  await say('EHLO mail.bench.test\r\n')
  for (let sent = 0; sent < count; sent++) {
    for (const line of [`MAIL FROM:<${sender}>`, 'RCPT TO:<bob@example.org>', 'DATA']) await say(`${line}\r\n`)
    await say(`${content}.\r\n`)
  }
  socket.end('QUIT\r\n')
}

/** Milliseconds for an answer of Rspamd, with next to no rules, to the same message; undefined without it. */
export async function measureRspamd(scope: Scope, messages: number): Promise<number | undefined> {
  if (missing(RSPAMD)) return undefined
  const { server } = await startRspamd(scope)
  const body = await letter()
  const ask = async () => {
    const answer = await fetch(`http://${server}/checkv2`, { method: 'POST', body })
    await answer.arrayBuffer()
  }
  for (let sent = 0; sent < 100; sent++) await ask()
  const started = performance.now()
  for (let sent = 0; sent < messages; sent++) await ask()
  return (performance.now() - started) / messages
}
