/** TLS in smtp-in: certificates, facts, injection, and handshakes that come to nothing. */
import assert from 'node:assert/strict'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { smtpIn } from 'iems/plugins/smtp-in'
import { openDoor } from '../support/smtp-listener.ts'
import { talk } from '../support/smtp-talk.ts'

const at = (name: string) => `test/fixtures/tls/${name}`
const mx = { cert: at('mx.pem'), key: at('mx.key') }
const other = { cert: at('other.pem'), key: at('other.key') }
const nameOf = (socket: unknown) => (socket as TLSSocket).getPeerCertificate().subject.CN

test('implicit TLS speaks TLS from the first octet, and the kernel knows', async (t) => {
  const listener = await openDoor(t, { tls: { ...mx, mode: 'implicit' } })
  const client = await talk(t, listener.port, { servername: 'mx.test' })
  assert.match(await client.reply(), /^220/)
  const extensions = await client.ask('EHLO c')
  assert.ok(!extensions.includes('STARTTLS'))
  client.send('MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n')
  await client.rest()
  const { protocol, tls } = listener.arrived[0]?.facts ?? assert.fail('nothing arrived')
  assert.equal(protocol, 'ESMTPS')
  assert.equal(tls?.version, 'TLSv1.3')
  assert.equal(tls?.servername, 'mx.test')
  assert.match(tls?.cipher ?? '', /^TLS_/)
})

test('after STARTTLS the kernel has a new client: another protocol, no identity, no name', async (t) => {
  const listener = await openDoor(
    t,
    { tls: mx, auth: 'optional', authWithoutTls: true },
    { auth: () => ({ kind: 'identity', user: 'ann', mayRelay: true }) },
  )
  const client = await talk(t, listener.port)
  await client.reply()
  await client.ask('EHLO before')
  assert.match(await client.ask('AUTH PLAIN AGFubgBzZWNyZXQ='), /^235/)
  assert.match(await client.ask('STARTTLS'), /^220/)
  await client.startTls()
  await client.ask('EHLO after')
  client.send('MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n')
  await client.rest()
  const { protocol, helo, identity } = listener.arrived[0]?.facts ?? assert.fail('nothing arrived')
  assert.deepEqual({ protocol, helo, identity }, { protocol: 'ESMTPS', helo: 'after', identity: undefined })
})

test('the certificate is the one that names the host the client asks for', async (t) => {
  for (const mode of ['starttls', 'implicit'] as const) {
    const listener = await openDoor(t, { tls: { ...mx, others: [other], mode } })
    for (const [servername, name] of [
      ['mx.test', 'mx.test'],
      ['other.test', 'other.test'],
      ['deep.wild.test', 'other.test'],
      ['unknown.test', 'mx.test'],
      [undefined, 'mx.test'],
    ] as const) {
      if (mode === 'implicit') {
        const client = await talk(t, listener.port, servername ? { servername } : {})
        assert.equal(nameOf(client.socket), name)
      } else {
        const client = await talk(t, listener.port)
        await client.reply()
        await client.ask('EHLO c')
        await client.ask('STARTTLS')
        assert.equal(nameOf(await client.startTls(servername)), name)
      }
    }
  }
})

test('certificates are read when the plugin is set up, so a reload takes new ones', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'iems-tls-'))
  t.after(() => rm(folder, { recursive: true }))
  const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), mode: 'implicit' } as const
  for (const [from, name] of [
    ['mx', 'mx.test'],
    ['other', 'other.test'],
  ] as const) {
    await copyFile(at(`${from}.pem`), tls.cert)
    await copyFile(at(`${from}.key`), tls.key)
    const listener = await openDoor(t, { tls })
    assert.equal(nameOf((await talk(t, listener.port, {})).socket), name)
  }
})

test('commands smuggled in before the handshake are never obeyed, in the same segment or the next', async (t) => {
  const senders: string[] = []
  const listener = await openDoor(t, { tls: mx }, { mail: (from) => void senders.push(from) })
  const same = await talk(t, listener.port)
  await same.reply()
  await same.ask('EHLO c')
  same.send('STARTTLS\r\nRSET\r\nMAIL FROM:<evil@b.test>\r\n')
  assert.match(await same.reply(), /^220/)
  await same.startTls()
  await same.ask('EHLO c')
  assert.match(await same.ask('RCPT TO:<c@d.test>'), /^503/)
  const next = await talk(t, listener.port)
  await next.reply()
  await next.ask('EHLO c')
  assert.match(await next.ask('STARTTLS'), /^220/)
  next.send('MAIL FROM:<evil@b.test>\r\n')
  // In place of an answer there is at most a TLS alert.
  assert.doesNotMatch(await next.rest(), /^\d{3}/m)
  assert.deepEqual(senders, [])
})

for (const mode of ['starttls', 'implicit'] as const)
  for (const [how, end] of [
    ['garbage', (send: (text: string) => void) => send('GET / HTTP/1.1\r\n\r\n')],
    ['nothing more', (_send: unknown, close: () => void) => close()],
  ] as const)
    test(`a handshake (${mode}) that gets ${how} leaves nothing, and the next client is served`, async (t) => {
      const listener = await openDoor(t, { tls: { ...mx, mode }, timeouts: { handshake: '300 ms', command: '300 ms' } })
      const client = await talk(t, listener.port)
      if (mode === 'starttls') {
        await client.reply()
        await client.ask('STARTTLS')
      }
      end(client.send, client.end)
      const isLeft = async () => listener.sessions > 0 || (await listener.connections()) > 0
      for (const until = Date.now() + 3000; await isLeft(); await turn()) assert.ok(Date.now() < until)
      const good = mode === 'implicit' ? await talk(t, listener.port, {}) : await talk(t, listener.port)
      assert.match(await good.reply(), /^220/)
    })

test('a client that dawdles over the handshake is cut off', async (t) => {
  for (const mode of ['starttls', 'implicit'] as const) {
    const listener = await openDoor(t, { tls: { ...mx, mode }, timeouts: { handshake: '200 ms', command: '200 ms' } })
    const client = await talk(t, listener.port)
    if (mode === 'starttls') {
      await client.reply()
      await client.ask('STARTTLS')
    }
    client.send(Buffer.from([0x16, 0x03, 0x01]))
    await client.rest()
    for (const until = Date.now() + 3000; (await listener.connections()) > 0; await turn())
      assert.ok(Date.now() < until)
  }
})

test('passwords in the clear must be asked for by name', () => {
  const verdict = (given: Partial<Parameters<typeof smtpIn>[0]>) =>
    smtpIn({ listen: ':0' }).definition.config.safeParse({ listen: ':0', ...given }).success
  assert.equal(verdict({ auth: 'required' }), false)
  assert.equal(verdict({ auth: 'required', tls: mx }), true)
  assert.equal(verdict({ auth: 'optional', authWithoutTls: true }), true)
})
