/*
 * The attachments and disclaimer plugins against a server without them: messages a second for mail that they leave and
 * for mail that they change, and the memory for one message of 100 MB.
 */
import type { Scope } from 'iems/testing'
import { freePort } from '../support/running-server.ts'
import { configured } from './configured.ts'
import { startSink } from './load.ts'
import { CLIENTS, sendAll } from './protection.ts'
import { forgetPeak, usageOf } from './usage.ts'

const ATTACHMENTS =
  "attachments({ rules: [{ name: 'programs', extensions: ['exe'], content: ['exe'], action: 'rename' }] })"
const DISCLAIMER =
  "disclaimer({ rules: [{ name: 'legal', senders: ['bench.test'], text: 'All of this is confidential.' }] })"

const SETTINGS = {
  none: [],
  attachments: [ATTACHMENTS],
  disclaimer: [DISCLAIMER],
  both: [ATTACHMENTS, DISCLAIMER],
} as const
export type ContentPlugins = keyof typeof SETTINGS
export const CONTENT_PLUGINS = Object.keys(SETTINGS) as readonly ContentPlugins[]

export interface SeenContent {
  readonly perSecond: number
  /** Processor time of the server for each message, in µs. */
  readonly cpu: number
}

const WARM_UP = 500

function configuration(plugins: ContentPlugins, port: number, sink: number): string {
  return `import { defineConfig } from 'iems'
import { attachments } from 'iems/plugins/attachments'
import { disclaimer } from 'iems/plugins/disclaimer'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
export default defineConfig({
  hostname: 'iems.test',
  store: { path: 'data' },
  limits: { messageSize: '200 MB' },
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${port}', maxSize: '200 MB' }, { trusts: ['127.0.0.0/8'] }),
    out: smtpOut({ nexthop: '127.0.0.1:${sink}' }, { accepts: 'anyone' }),
  },
  plugins: [${SETTINGS[plugins].join(', ')}],
})
`
}

const header = (sender: string, type: string) =>
  `From: Ann <ann@${sender}>\r\nTo: bob@example.org\r\nSubject: Figures\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\nMessage-ID: <1@${sender}>\r\nMIME-Version: 1.0\r\nContent-Type: ${type}\r\n\r\n`
const base64 = (octets: Buffer) => `${(octets.toString('base64').match(/.{1,76}/g) ?? []).join('\r\n')}\r\n`

/** A letter with a file, from a sender that the rule of the disclaimer names or not. */
function letter(sender: string, name: string, octets: Buffer): string {
  const text = '--b\r\nContent-Type: text/plain\r\n\r\nPlease find the figures below.\r\n'
  const file = `--b\r\nContent-Type: application/octet-stream; name=${name}\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64(octets)}`
  return `${header(sender, 'multipart/mixed; boundary=b')}${text}${file}--b--\r\n`
}

/** 4 KiB each. */
export const LETTERS = {
  untouched: letter('other.test', 'figures.bin', Buffer.alloc(2600, 'figures')),
  touched: letter('bench.test', 'figures.exe', Buffer.alloc(2600, 'figures')),
} as const

async function begin(scope: Scope, plugins: ContentPlugins) {
  const sink = await startSink(scope)
  const port = await freePort()
  const { start } = await configured(scope, configuration(plugins, port, sink.port))
  return { sink, port, pid: await start(port) }
}

export async function measureContent(
  scope: Scope,
  plugins: ContentPlugins,
  content: string,
  messages: number,
): Promise<SeenContent> {
  const { sink, port, pid } = await begin(scope, plugins)
  const sender = content === LETTERS.untouched ? 'ann@other.test' : 'ann@bench.test'
  await sendAll(port, WARM_UP, content, CLIENTS, sender)
  await sink.received(WARM_UP)
  const before = usageOf(pid).cpuSeconds
  const started = performance.now()
  await sendAll(port, messages, content, CLIENTS, sender)
  await sink.received(WARM_UP + messages)
  const seconds = (performance.now() - started) / 1000
  const cpu = ((usageOf(pid).cpuSeconds - before) * 1e6) / messages
  return { perSecond: messages / seconds, cpu }
}

/** Memory beside that before, in MB, and seconds, for one message of 100 MB that both plugins change. */
export async function measureLargeContent(
  scope: Scope,
): Promise<{ readonly megabytes: number; readonly seconds: number }> {
  const { sink, port, pid } = await begin(scope, 'both')
  await sendAll(port, 20, LETTERS.touched, CLIENTS, 'ann@bench.test')
  await sink.received(20)
  forgetPeak(pid)
  const before = usageOf(pid).peakBytes
  const large = letter('bench.test', 'figures.exe', Buffer.alloc(73_000_000, 'figures'))
  const started = performance.now()
  await sendAll(port, 1, large, 1, 'ann@bench.test')
  await sink.received(21)
  return { megabytes: (usageOf(pid).peakBytes - before) / 1e6, seconds: (performance.now() - started) / 1000 }
}
