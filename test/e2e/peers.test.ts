/**
 * The running server among real peers: clients that others wrote hand mail in, Postfix takes it over, refuses it, or
 * sends it to us. What must stay true: content arrives octet for octet, and every message that was taken arrives.
 * What is not installed is skipped with a reason.
 */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createTransport } from 'nodemailer'
import { type Postfix, startPostfix, whyNoPostfix } from '../support/postfix.ts'
import { freePort, startProcess, tempFolder } from '../support/running-server.ts'
import { startSink } from '../support/smtp-sink.ts'

const run = promisify(execFile)
const noPostfix = whyNoPostfix() ?? false

/** Dots where they hurt, an empty line at the end, and octets that are not ASCII. */
const BODY = 'One\r\n.\r\n..two\r\n.three.\r\nGrüße\r\n\r\n'

async function startServer(t: TestContext, nexthop: number) {
  const folder = await tempFolder(t)
  const server = await startProcess(
    t,
    folder,
    `import { defineConfig } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
export default defineConfig({
  hostname: 'mx.test',
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:0' }, { trusts: ['127.0.0.0/8'] }),
    relay: smtpOut({ nexthop: '127.0.0.1:${nexthop}', tls: 'off' }),
  },
})
`,
  )
  const port = Number(/SMTP 127\.0\.0\.1:(\d+)/.exec(await server.line(/server\.started/))?.[1])
  return { ...server, port }
}

/** Polls until what Postfix has kept satisfies. */
async function keptBy(postfix: Postfix, count: number): Promise<readonly string[]> {
  for (const end = Date.now() + 20_000; Date.now() < end; await delay(20)) {
    const kept = await postfix.kept()
    if (kept.length >= count) return kept
  }
  throw new Error(`Postfix kept ${(await postfix.kept()).length} of ${count}:\n${(await postfix.log()).slice(-3000)}`)
}

const text = (subject: string) =>
  `From: a@here.example\r\nTo: b@far.example\r\nSubject: ${subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${BODY}`

interface Client {
  readonly name: string
  readonly missing?: string | false
  send(port: number, folder: string): Promise<unknown>
}

const SMTPLIB = `import smtplib, sys
with smtplib.SMTP('127.0.0.1', int(sys.argv[1])) as smtp:
    smtp.sendmail('a@here.example', ['b@far.example'], open(sys.argv[2], 'rb').read(), ['BODY=8BITMIME'])`

const CLIENTS: readonly Client[] = [
  {
    name: 'nodemailer',
    async send(port) {
      const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true })
      const envelope = { from: 'a@here.example', to: 'b@far.example', use8BitMime: true }
      await transport.sendMail({ envelope, raw: text('nodemailer') })
      transport.close()
    },
  },
  {
    name: 'swaks',
    missing: missing('swaks', '--version'),
    async send(port, folder) {
      const file = join(folder, 'swaks.eml')
      await writeFile(file, text('swaks').replaceAll('\r\n', '\n'))
      const envelope = ['--from', 'a@here.example', '--to', 'b@far.example']
      await run('swaks', ['--server', `127.0.0.1:${port}`, ...envelope, '--data', `@${file}`])
    },
  },
  {
    name: 'Python’s smtplib',
    missing: missing('python3', '--version'),
    async send(port, folder) {
      const file = join(folder, 'smtplib.eml')
      await writeFile(file, text('smtplib'))
      await run('python3', ['-c', SMTPLIB, String(port), file])
    },
  },
]

function missing(command: string, ...args: readonly string[]): string | false {
  return spawnSync(command, args).status === 0 ? false : `${command} is not installed`
}

test('what nodemailer, swaks and smtplib hand in reaches Postfix octet for octet', { skip: noPostfix }, async (t) => {
  const postfix = await startPostfix(t, { fate: { keepFor: ['far.example'] } })
  const server = await startServer(t, postfix.port)
  const present = CLIENTS.filter(({ name, missing }) => {
    if (missing) t.diagnostic(`without ${name}: ${missing}`)
    return !missing
  })
  for (const client of present) await client.send(server.port, server.folder)

  const kept = await keptBy(postfix, present.length)
  assert.equal(kept.length, present.length)
  for (const message of kept) {
    const [header = '', body] = split(message)
    assert.match(header, /^Delivered-To: b@far\.example$/m)
    assert.match(header, /^Received: from .*\n(?:\s.*\n)*?\s+by mx\.test /m)
    // A maildir has the line ends of its machine.
    assert.equal(Buffer.from(body, 'latin1').toString().trimEnd(), BODY.replaceAll('\r\n', '\n').trimEnd())
  }
})

test('a recipient whom Postfix refuses is reported to the sender, the other one gets the message', {
  skip: noPostfix,
}, async (t) => {
  const postfix = await startPostfix(t, {
    fate: { keepFor: ['far.example', 'here.example'] },
    settings: { virtual_mailbox_maps: 'inline:{ good@far.example=all/ a@here.example=all/ }' },
  })
  const server = await startServer(t, postfix.port)
  const transport = createTransport({ host: '127.0.0.1', port: server.port, ignoreTLS: true })
  const envelope = { from: 'a@here.example', to: ['good@far.example', 'nobody@far.example'] }
  await transport.sendMail({ envelope, raw: text('to two') })
  transport.close()

  const kept = await keptBy(postfix, 2)
  const report = kept.find((message) => /^Delivered-To: a@here\.example$/m.test(message))
  assert.match(report ?? '', /^Return-Path: <>$/m)
  assert.match(report ?? '', /multipart\/report/)
  assert.match(report ?? '', /^Final-Recipient: rfc822; ?nobody@far\.example$/im)
  assert.match(report ?? '', /^Status: 5\.1\.1$/m)
  assert.doesNotMatch(report ?? '', /^Final-Recipient: rfc822; ?good@/im)
  assert.ok(kept.some((message) => /^Delivered-To: good@far\.example$/m.test(message)))
})

test('Postfix sends us its mail over a few connections and nothing of it is lost', { skip: noPostfix }, async (t) => {
  const count = 100
  const sink = await startSink(t)
  const server = await startServer(t, sink.port)
  const postfix = await startPostfix(t, { fate: { relayTo: server.port } })
  await smtpSource(postfix.port, count, '-d')
  for (const end = Date.now() + 20_000; sink.messages.length < count && Date.now() < end; ) await delay(20)
  const recipients = sink.messages.map(({ to }) => /<(.*)>/.exec(to.join())?.[1])
  assert.equal(new Set(recipients).size, count)
  assert.equal(recipients.length, count)
  assert.ok(sink.messages.every(({ raw }) => /^Received: from postfix\.test /m.test(raw)))
  // It goes only once our 250 has come.
  for (const end = Date.now() + 5000; (await postfix.queued()) > 0 && Date.now() < end; ) await delay(20)
  assert.equal(await postfix.queued(), 0)
})

test('all that smtp-source sends reaches smtp-sink, with connections kept open or not', {
  skip: noPostfix,
}, async (t) => {
  const count = 200
  const port = await freePort()
  const sink = run('smtp-sink', ['-u', 'postfix', '-M', String(2 * count), `127.0.0.1:${port}`, '100'], {
    timeout: 30_000,
  })
  t.after(() => sink.child.kill())
  const server = await startServer(t, port)
  await smtpSource(server.port, count, '-d')
  await smtpSource(server.port, count)
  await sink // ends when it has them all
})

/** Sends messages from ten clients to numbered recipients; fails at the first reply that is not as it should be. */
async function smtpSource(port: number, count: number, ...flags: readonly string[]): Promise<void> {
  const envelope = ['-f', 'a@here.example', '-t', 'b@far.example', '-N']
  const amount = ['-s', '10', '-m', String(count), '-l', '4096']
  await run('smtp-source', [...flags, ...amount, ...envelope, `127.0.0.1:${port}`], { timeout: 30_000 })
}

function split(message: string): [header: string, body: string] {
  const end = message.indexOf('\n\n')
  return [message.slice(0, end + 1), message.slice(end + 2)]
}
