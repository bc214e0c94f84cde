/** Clients that others wrote, against smtp-in and the whole kernel. */
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { definePlugin } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { createTestKernel, deliveredTo } from 'iems/testing'
import { createTransport } from 'nodemailer'
import * as z from 'zod'

const run = promisify(execFile)
const tls = { cert: 'test/fixtures/tls/mx.pem', key: 'test/fixtures/tls/mx.key' }

const people = definePlugin({
  name: 'people',
  config: z.undefined(),
  setup: () => ({
    hooks: {
      auth: (attempt) =>
        attempt.kind === 'password' && attempt.username === 'ann' && /^pass w.rd$/.test(attempt.password)
          ? { kind: 'identity', user: 'ann', mayRelay: true }
          : undefined,
    },
  }),
})

async function serve(t: TestContext) {
  const channels = {
    submission: smtpIn({ listen: '127.0.0.1:0', auth: 'required', tls }),
    submissions: smtpIn({ listen: '127.0.0.1:0', auth: 'required', tls: { ...tls, mode: 'implicit' } }),
    lmtp: smtpIn({ listen: '127.0.0.1:0', protocol: 'lmtp' }),
  }
  const kernel = await createTestKernel(t, { channels, plugins: [people()], deliver: deliveredTo })
  const port = (channel: keyof typeof channels) => kernel.listener(channel).port
  return { kernel, port }
}

const missing = (command: string, ...args: string[]) => {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return false
  } catch {
    return `${command} is not installed`
  }
}

test('nodemailer submits over STARTTLS and over TLS, with many recipients on one connection', async (t) => {
  const { kernel, port } = await serve(t)
  for (const channel of ['submission', 'submissions'] as const) {
    const transport = createTransport({
      host: '127.0.0.1',
      port: port(channel),
      secure: channel === 'submissions',
      requireTLS: true,
      tls: { rejectUnauthorized: false },
      auth: { user: 'ann', pass: 'pass wörd' },
      pool: true,
      maxConnections: 1,
    })
    t.after(() => transport.close())
    for (let count = 1; count <= 3; count++) {
      const to = Array.from({ length: count }, (_, index) => `r${index}@example.org`)
      const { accepted } = await transport.sendMail({
        from: 'ann@example.org',
        to,
        subject: 'dots',
        text: `.\n..\n.${count}`,
        dsn: { id: 'x+y', return: 'headers', notify: ['failure'], recipient: 'ann@example.org' },
      })
      assert.equal(accepted.length, count)
    }
  }
  await kernel.deliver()
  assert.deepEqual(
    kernel.delivered.map(({ to }) => to.length),
    [1, 2, 3, 1, 2, 3],
  )
  assert.match(kernel.delivered[2]?.content ?? '', /\r\n\r\n\.\r\n\.\.\r\n\.3\r\n$/)
  assert.match(kernel.delivered[0]?.content ?? '', /with ESMTPSA id/)
})

test('swaks submits and delivers by LMTP', { skip: missing('swaks', '--version') }, async (t) => {
  const { kernel, port } = await serve(t)
  const common = ['--server', '127.0.0.1', '--from', 'ann@example.org', '--body', 'hello', '--helo', 'client.test']
  const login = ['--auth-user', 'ann', '--auth-password', 'pass wörd']
  for (const auth of ['PLAIN', 'LOGIN'])
    await run('swaks', [
      ...common,
      '--port',
      String(port('submission')),
      '--to',
      'a@example.org',
      '--tls',
      '--auth',
      auth,
      ...login,
    ])
  await run('swaks', [
    ...common,
    '--port',
    String(port('submissions')),
    '--to',
    'b@example.org',
    '--tls-on-connect',
    '--auth',
    'PLAIN',
    ...login,
  ])
  await run('swaks', [
    ...common,
    '--port',
    String(port('lmtp')),
    '--to',
    'c@example.org,d@example.org',
    '--protocol',
    'LMTP',
  ])
  await assert.rejects(
    run('swaks', [...common, '--port', String(port('submission')), '--to', 'x@example.org']),
    ({ stdout }) => stdout.includes('530 5.7.0'),
  )
  await kernel.deliver()
  assert.deepEqual(
    kernel.delivered.map(({ to }) => to.join()),
    ['a@example.org', 'a@example.org', 'b@example.org', 'c@example.org,d@example.org'],
  )
})

const SMTPLIB = `
import smtplib, ssl, sys
tls = ssl.create_default_context(); tls.check_hostname = False; tls.verify_mode = ssl.CERT_NONE
text = "Subject: x\\r\\n\\r\\n.\\r\\n..two\\r\\n" + "long " * 20000 + "\\r\\n"
with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as c:
    c.starttls(context=tls)
    c.login("ann", "pass word")
    c.sendmail("ann@example.org", ["a@example.org", "b@example.org"], text, mail_options=["BODY=8BITMIME", "RET=HDRS"], rcpt_options=["NOTIFY=NEVER"])
    c.sendmail("jörg@exämple.org", ["a@example.org"], text, mail_options=["SMTPUTF8"])
    assert c.verify("a@example.org")[0] == 252
with smtplib.SMTP_SSL("127.0.0.1", int(sys.argv[2]), context=tls) as c:
    try:
        c.login("ann", "wrong")
        raise SystemExit("logged in")
    except smtplib.SMTPAuthenticationError as error:
        assert error.smtp_code == 535, error
with smtplib.LMTP("127.0.0.1", int(sys.argv[3])) as c:
    c.sendmail("a@example.org", ["c@example.org"], text)
`

test('Python’s smtplib submits, is refused, and delivers by LMTP', {
  skip: missing('python3', '--version'),
}, async (t) => {
  const { kernel, port } = await serve(t)
  await run('python3', [
    '-c',
    SMTPLIB,
    ...(['submission', 'submissions', 'lmtp'] as const).map((channel) => String(port(channel))),
  ])
  await kernel.deliver()
  assert.deepEqual(
    kernel.delivered.map(({ from, to }) => `${from} ${to}`),
    ['ann@example.org a@example.org,b@example.org', 'jörg@exämple.org a@example.org', 'a@example.org c@example.org'],
  )
  for (const { content } of kernel.delivered) assert.match(content, /\r\n\r\n\.\r\n\.\.two\r\nlong /)
})
