/*
 * Rules at delivery: this server's mailsort beside Dovecot's Sieve behind Postfix by LMTP, and the engine alone.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Scope } from 'iems/testing'
import { compileScript, createSieve, evaluate, type MessageSource } from '../../plugins/mailbox/mailsort/sieve/index.ts'
import { send } from './load.ts'
import { cpuOf, type MailServerName, openImap, type SeenMail, startMailServer } from './mail.ts'

const RULES = 50

/** All but the last look for something else, each in its own way. */
function rules(count: number): string {
  const tests = (at: number) =>
    [
      `header :contains "subject" "project-${at}"`,
      `address :is "from" "person${at}@example.org"`,
      `header :matches "list-id" "*<list-${at}.*"`,
      `header :contains ["to", "cc"] "team${at}@"`,
      `anyof (header :is "x-priority" "${at}", size :over ${at + 10}M)`,
    ][at % 5]
  const lines = Array.from(
    { length: count - 1 },
    (_, at) => `if ${tests(at)} { fileinto :create "Folder${at}"; stop; }`,
  )
  return `require ["fileinto", "mailbox"];\r\n${lines.join('\r\n')}\r\nfileinto :create "Filed";\r\n`
}

/** Stores a script for u0 by ManageSieve and makes it the active one. */
async function activate(port: number, script: string): Promise<void> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1')
  let text = ''
  socket.on('data', (chunk: string) => {
    text += chunk
  })
  const answered = async () => {
    while (!/^(?:OK|NO|BYE)\b.*\r\n$/m.test(text)) await once(socket, 'data')
    if (!/^OK/m.test(text)) throw new Error(text)
    text = ''
  }
  await answered()
  const response = Buffer.from('\0u0\0secret').toString('base64')
  for (const command of [
    `AUTHENTICATE "PLAIN" "${response}"`,
    `PUTSCRIPT "main" {${script.length}+}\r\n${script}`,
    'SETACTIVE "main"',
  ]) {
    socket.write(`${command}\r\n`)
    await answered()
  }
  socket.destroy()
}

/** From SMTP to readable in the mailbox that the last of 50 rules names, messages a second. */
export async function measureRules(scope: Scope, name: MailServerName, messages: number): Promise<SeenMail> {
  const script = rules(RULES)
  const server = await startMailServer(scope, name, 1, { script })
  if (server.sieve !== undefined) await activate(server.sieve, script)
  const client = await openImap(server.imap)
  await client.command('LOGIN u0 secret')
  const load = { clients: 20, bytes: 4096, connections: 'kept', to: 'u0@here.test' } as const
  let total = 0
  const filed = async () =>
    Number(/MESSAGES (\d+)/.exec(await client.command('STATUS Filed (MESSAGES)').catch(() => ''))?.[1] ?? 0)
  const flow = async (count: number) => {
    total += count
    await send(server.smtp, { ...load, messages: count })
    while ((await filed()) < total) await delay(20)
  }
  await flow(Math.min(500, messages))
  const before = cpuOf(server)
  const started = performance.now()
  await flow(messages)
  const seconds = (performance.now() - started) / 1000
  client.close()
  return { perSecond: messages / seconds, cpuMs: ((cpuOf(server) - before) * 1000) / messages }
}

const HEADER = Buffer.from(
  `Received: from a.example.net by b.example.net; Wed, 25 Nov 2026 09:29:58 +0000
From: Ann <ann@far.test>
To: u0@here.test
Subject: a message of the load
Date: Tue, 24 Nov 2026 10:00:00 +0000
Message-ID: <x@far.test>
List-ID: Acme Users <acme-users.example.net>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

`.replaceAll('\n', '\r\n'),
)

/** Ten rules over headers, the last of which fits; messages a second in one thread. */
export async function measureEngine(messages: number): Promise<number> {
  const program = compileScript(rules(10), createSieve())
  const environment = { envelope: { from: 'ann@far.test', to: 'u0@here.test' }, now: Date.UTC(2026, 10, 28) }
  const source: MessageSource = {
    size: HEADER.length + 4096,
    header: HEADER,
    async *open() {
      yield HEADER
    },
  }
  const run = async (count: number) => {
    for (let at = 0; at < count; at++) {
      const { actions } = await evaluate(program, source, environment)
      if (actions.length !== 1) throw new Error('the last rule files the message')
    }
  }
  await run(5000)
  const started = performance.now()
  await run(messages)
  return messages / ((performance.now() - started) / 1000)
}
