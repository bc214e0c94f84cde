/**
 * Hosts that fetch their mail (RFC 2645, RFC 1985): our provider with fetchmail and with a customer as the RFC writes it,
 * our customer with our provider and with one as the RFC writes it.
 */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { odmr } from 'iems/plugins/odmr'
import { connectLineClient, createTestKernel, missing, runProgram, testClock } from 'iems/testing'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { type RunningServer, startProcess, tempFolder } from '../support/running-server.ts'
import { startSink } from '../support/smtp-sink.ts'
import { talk } from '../support/smtp-talk.ts'

const CERTIFICATE = new URL('../fixtures/tls/mx', import.meta.url).pathname

type Provider = RunningServer & { readonly port: number; readonly mx: number }

/** `tls`: STARTTLS, before which no password is taken. */
async function startProvider(t: TestContext, tls = false): Promise<Provider> {
  const folder = await tempFolder(t)
  const password = await hashPassword('secret')
  const server = await startProcess(
    t,
    folder,
    `
import { defineConfig, secret } from 'iems'
import { accounts } from 'iems/plugins/accounts'
import { odmr } from 'iems/plugins/odmr'
import { smtpIn } from 'iems/plugins/smtp-in'
export default defineConfig({
  hostname: 'provider.test',
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:0' }),
    odmr: odmr({
      listen: '127.0.0.1:0',
      ${tls ? `tls: { cert: '${CERTIFICATE}.pem', key: '${CERTIFICATE}.key' }` : 'authWithoutTls: true'},
      customers: [{ users: ['branch'], password: secret.value('secret'), domains: ['branch.test', 'shop.test'] }, { users: ['other'], domains: ['other.test'] }],
    }),
  },
  plugins: [accounts({ domains: ['provider.test'], accounts: [
    { name: 'branch', addresses: ['branch@provider.test'], password: '${password}' },
    { name: 'other', addresses: ['other@provider.test'], password: '${password}' },
  ] }, { as: 'people' })],
})
`,
  )
  const { out } = await server.iems('status')
  return Object.assign(server, { port: portOf(out, 'odmr'), mx: portOf(out, 'mx') })
}

function portOf(status: string, channel: string): number {
  const [, port] = new RegExp(`127\\.0\\.0\\.1:(\\d+) +${channel}`).exec(status) ?? []
  assert.ok(port, status)
  return Number(port)
}

async function queueMail(t: TestContext, server: Provider, ...to: string[]): Promise<void> {
  const client = await talk(t, server.mx)
  await client.reply()
  await client.ask('EHLO far.test')
  for (const one of to) {
    await client.ask('MAIL FROM:<ann@far.test>')
    assert.match(await client.ask(`RCPT TO:<${one}>`), /^250 /)
    await client.ask('DATA')
    assert.match(await client.ask(`Subject: for ${one}\r\n\r\n..dot\r\nHello\r\n.`), /^250 /)
  }
  client.destroy()
}

/** The events of deliveries so far. */
const events = ({ lines }: RunningServer, name: string) => lines.filter((line) => line.includes(`"event":"${name}"`))

/** Waits until so many recipients have been delivered. */
async function delivered(server: RunningServer, count: number): Promise<void> {
  const end = Date.now() + 20_000
  while (events(server, 'delivery.delivered').length < count) {
    assert.ok(Date.now() < end, server.lines.slice(-20).join('\n'))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const plain = Buffer.from('\0branch\0secret').toString('base64')

/** A customer that has greeted. Its lines are not checked as replies: after ATRN they are commands. */
async function customer(t: TestContext, port: number) {
  const client = await connectLineClient(t, port, { timeout: 20_000 })
  const ask = async (line: string): Promise<string> => {
    if (line !== '') client.send(`${line}\r\n`)
    let reply = ''
    do reply = `${reply}${await client.line()}\n`
    while (/^\d{3}-/.test(reply.split('\n').at(-2) ?? ''))
    return reply
  }
  assert.match(await ask(''), /^220 /)
  assert.match(await ask('EHLO branch.test'), /^250[- ]ATRN$/m)
  return Object.assign(client, { ask })
}

test('the dialogue of RFC 2645, with what it must refuse', async (t) => {
  const server = await startProvider(t)
  await queueMail(t, server, 'one@branch.test', 'two@shop.test', 'three@other.test')
  const client = await customer(t, server.port)
  assert.match(await client.ask('ATRN branch.test'), /^530 /)
  assert.match(await client.ask(`AUTH PLAIN ${plain}`), /^235 /)
  assert.match(await client.ask('ATRN other.test'), /^450 /)
  assert.match(await client.ask('ATRN branch.test,other.test'), /^450 /)
  assert.match(await client.ask('ATRN branch.test;'), /^501 /)
  assert.match(await client.ask('ATRN branch.test,shop.test'), /^250 .*now reversing the connection/)
  client.send('220 branch.test ready to receive email\r\n')
  const told: string[] = []
  const contents: string[] = []
  for (let line = await client.line(); line !== undefined; line = await client.line()) {
    const [verb = ''] = line.split(' ')
    if (verb === 'EHLO') client.send('250-branch.test\r\n250 SIZE\r\n')
    else if (verb === 'DATA') {
      client.send('354 go ahead\r\n')
      let content = ''
      for (let part = await client.line(); part !== '.'; part = await client.line()) content += `${part}\n`
      contents.push(content)
      client.send('250 message accepted\r\n')
    } else if (verb === 'QUIT') client.send('221 branch.test closing connection\r\n')
    else client.send('250 OK\r\n')
    told.push(line.replace(/ SIZE=\d+/, ''))
    if (verb === 'QUIT') break
  }
  assert.equal(told[0], 'EHLO provider.test')
  assert.deepEqual(told.filter((line) => line.startsWith('RCPT')).sort(), [
    'RCPT TO:<one@branch.test>',
    'RCPT TO:<two@shop.test>',
  ])
  assert.match(contents[0] ?? '', /\n\.\.dot\n/)
  await delivered(server, 2)
  const again = await customer(t, server.port)
  assert.match(await again.ask(`AUTH PLAIN ${plain}`), /^235 /)
  assert.match(await again.ask('ATRN'), /^453 /)
  assert.match(await again.ask('MAIL FROM:<branch@provider.test>'), /^502 /)
})

test('a customer that hangs up in the middle loses nothing and gets nothing twice', async (t) => {
  const server = await startProvider(t)
  await queueMail(t, server, 'one@branch.test', 'two@branch.test')
  const client = await customer(t, server.port)
  await client.ask(`AUTH PLAIN ${plain}`)
  assert.match(await client.ask('ATRN'), /^250 /)
  client.send('220 branch.test\r\n')
  const cut = async () => {
    for (let line = await client.line(); line !== undefined; line = await client.line()) {
      if (line.startsWith('EHLO')) client.send('250-branch.test\r\n250 SIZE\r\n')
      else if (line.startsWith('DATA')) {
        client.send('354 go ahead\r\n')
        await client.line()
        return client.destroy()
      } else client.send('250 OK\r\n')
    }
  }
  await cut()
  const sink = await startSink(t)
  // A customer fetches when it starts.
  const second = await startCustomer(t, server.port, sink.port)
  await delivered(server, 2)
  await delivered(second, 2)
  assert.equal(sink.messages.length, 2)
})

test('fetchmail fetches by ODMR', { skip: missing('/usr/bin/fetchmail') }, async (t) => {
  const server = await startProvider(t)
  await queueMail(t, server, 'one@branch.test', 'two@branch.test')
  const sink = await startSink(t)
  const folder = await tempFolder(t)
  const rc = join(folder, 'fetchmailrc')
  await writeFile(
    rc,
    `poll 127.0.0.1 protocol ODMR port ${server.port} user "branch" password "secret" fetchdomains branch.test smtphost 127.0.0.1/${sink.port}\n`,
    { mode: 0o600 },
  )
  const ran = await runProgram('fetchmail', ['-v', '-f', rc, '--pidfile', join(folder, 'pid')], {
    env: { ...process.env, HOME: folder, FETCHMAILHOME: folder },
  })
  const fetched = sink.messages.map(({ to }) => to[0]).sort()
  assert.deepEqual(fetched, ['RCPT TO:<one@branch.test>', 'RCPT TO:<two@branch.test>'], ran.out + ran.err)
  await delivered(server, 2)
})

function startCustomer(
  t: TestContext,
  provider: number,
  sink: number,
  asked = "user: 'branch', password: secret.value('secret'), tls: 'off'",
): Promise<RunningServer> {
  return tempFolder(t).then((folder) =>
    startProcess(
      t,
      folder,
      `
import { defineConfig, secret } from 'iems'
import { odmr } from 'iems/plugins/odmr'
import { smtpOut } from 'iems/plugins/smtp-out'
export default defineConfig({
  hostname: 'branch.test',
  channels: {
    local: smtpOut({ domains: ['branch.test', 'shop.test'], nexthop: '127.0.0.1:${sink}', tls: 'off' }, { accepts: 'anyone' }),
    odmr: odmr({ fetch: [{ server: '127.0.0.1:${provider}', ${asked}, every: '1 d' }] }),
  },
})
`,
    ),
  )
}

test('our customer fetches from our provider, and what it may not take stays there', async (t) => {
  const server = await startProvider(t)
  await queueMail(t, server, 'one@branch.test', 'two@shop.test', 'three@other.test')
  const sink = await startSink(t)
  const client = await startCustomer(t, server.port, sink.port)
  await client.line(/mail was fetched/)
  await delivered(server, 2)
  await delivered(client, 2)
  assert.deepEqual(sink.messages.map(({ to }) => to[0]).sort(), [
    'RCPT TO:<one@branch.test>',
    'RCPT TO:<two@shop.test>',
  ])
  assert.match((await client.iems('odmr', 'fetch')).out, /453 /)
})

test('ATRN over TLS: the roles are reversed under it, and a provider that cannot be verified gets no password', async (t) => {
  const server = await startProvider(t, true)
  await queueMail(t, server, 'one@branch.test')
  const sink = await startSink(t)
  const login = "user: 'branch', password: secret.value('secret')"
  const wary = await startCustomer(t, server.port, sink.port, `${login}, tls: 'verified'`)
  assert.match((await wary.iems('odmr', 'fetch')).out, /certificate|TLS/i)
  assert.equal(sink.messages.length, 0)
  const plain = await startCustomer(t, server.port, sink.port, `${login}, tls: 'off'`)
  assert.doesNotMatch((await plain.iems('odmr', 'fetch')).out, /was fetched/)
  const client = await startCustomer(t, server.port, sink.port, `${login}, tls: 'required'`)
  await client.line(/mail was fetched/)
  await delivered(client, 1)
  assert.deepEqual(
    sink.messages.map(({ to }) => to[0]),
    ['RCPT TO:<one@branch.test>'],
  )
})

test('mail is fetched at times of day', async (t) => {
  const asked: string[] = []
  const provider = createServer((socket: Socket) => {
    socket.write('220 provider.test ESMTP\r\n')
    socket.on('data', (chunk) => {
      asked.push(`${chunk}`.trim())
      socket.write(/^EHLO/.test(`${chunk}`) ? '250-provider.test\r\n250 ETRN\r\n' : '250 OK\r\n')
    })
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
  t.after(() => provider.close())
  const clock = testClock()
  const { port } = provider.address() as AddressInfo
  const source = { server: `127.0.0.1:${port}`, tls: 'off' as const, method: 'etrn' as const, domains: ['branch.test'] }
  await createTestKernel(t, { clock, channels: { odmr: odmr({ fetch: [{ ...source, at: ['06:00', '18:00'] }] }) } })
  const fetched = () => asked.filter((line) => line === 'ETRN branch.test').length
  const at = new Date(clock.now())
  at.setHours(at.getHours() >= 5 ? 29 : 5, 50, 0, 0)
  // Minute by minute, as the kernel looks; each fetch is over when the provider has been asked.
  const pass = async (minutes: number, expected: number) => {
    for (let minute = 0; minute < minutes; minute++) await clock.advance(60_000)
    for (const end = Date.now() + 10_000; fetched() < expected && Date.now() < end; )
      await new Promise((resolve) => setImmediate(resolve))
    assert.equal(fetched(), expected)
  }
  for (const step = 600_000; clock.now() + step < at.getTime(); ) await clock.advance(step)
  const before = fetched()
  await pass(30, before + 1)
  await pass(60, before + 1)
})

test('our customer sends ETRN', async (t) => {
  const heard: string[] = []
  const provider = createServer((socket: Socket) => {
    socket.write('220 provider.test ESMTP\r\n')
    socket.on('data', (chunk) => {
      heard.push(chunk.toString().trim())
      socket.write(
        /^EHLO/.test(`${chunk}`) ? '250-provider.test\r\n250 ETRN\r\n' : '250 OK, queuing for node started\r\n',
      )
    })
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
  t.after(() => provider.close())
  const sink = await startSink(t)
  const { port } = provider.address() as AddressInfo
  const client = await startCustomer(t, port, sink.port, "method: 'etrn', domains: ['branch.test'], tls: 'off'")
  const { out } = await client.iems('odmr', 'fetch')
  assert.match(out, /branch\.test: 250/)
  assert.ok(heard.includes('ETRN branch.test'), heard.join('\n'))
})
