/** Rights end when they end: open sessions of every protocol notice that an account is disabled, changed or gone. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { imap } from 'iems/plugins/imap'
import { pop3 } from 'iems/plugins/pop3'
import { smtpIn } from 'iems/plugins/smtp-in'
import { createDirectoryKernel } from '../support/directory.ts'

/** A client that shows all that it has received when the server ends the connection. */
function talk(t: TestContext, port: number) {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8')
  t.after(() => socket.destroy())
  let received = ''
  let wake = () => {}
  socket.on('data', (text) => {
    received += text
    wake()
  })
  const ended = new Promise<string>((resolve) => socket.once('close', () => resolve(received)))
  return {
    ended,
    async say(text: string, answer: RegExp) {
      const from = text === '' ? 0 : received.length
      socket.write(text)
      while (!answer.test(received.slice(from)))
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    },
  }
}

async function start(t: TestContext) {
  const here = await createDirectoryKernel(t, {
    channels: {
      submission: smtpIn({ listen: ['127.0.0.1:0'], auth: 'required', authWithoutTls: true }),
      imap: imap({ listen: ['127.0.0.1:0'], authWithoutTls: true }),
      pop3: pop3({ listen: ['127.0.0.1:0'], authWithoutTls: true }),
    },
  })
  await here.make({ add: { kind: 'domain', name: 'here.test' } })
  for (const name of ['eve', 'bob'])
    await here.make({ add: { kind: 'account', name, addresses: [`${name}@here.test`], password: `${name}-secret` } })
  const port = (plugin: string) => here.kernel.doors.find((door) => door.plugin === plugin)?.port as number
  async function open(name: string, secret = `${name}-secret`) {
    const plain = Buffer.from(`\0${name}\0${secret}`).toString('base64')
    const [smtp, idle, pop] = ['submission', 'imap', 'pop3'].map((plugin) => talk(t, port(plugin))) as [
      Talk,
      Talk,
      Talk,
    ]
    await smtp.say('', /^220/m)
    await smtp.say('EHLO client.test\r\n', /^250 /m)
    await smtp.say(`AUTH PLAIN ${plain}\r\n`, /^235/m)
    await idle.say('', /^\* OK/m)
    await idle.say(`a LOGIN ${name} ${secret}\r\nb SELECT INBOX\r\nc IDLE\r\n`, /^\+ /m)
    await pop.say('', /^\+OK/m)
    await pop.say(`USER ${name}\r\nPASS ${secret}\r\n`, /^\+OK[\s\S]*^\+OK/m)
    return { smtp, idle, pop }
  }
  return { ...here, open }
}
type Talk = ReturnType<typeof talk>

for (const [what, change] of [
  ['disabled', 'account set eve status=disabled'],
  ['given a new password', 'account password eve'],
  ['removed', 'account remove eve'],
] as const)
  test(`an account that is ${what} loses its open sessions, and no other does`, async (t) => {
    const here = await start(t)
    const eve = await here.open('eve')
    const bob = await here.open('bob')
    await here.iems(change, 'another secret\n')
    assert.match(await eve.smtp.ended, /^421 4\.7\.0 /m)
    assert.match(await eve.idle.ended, /^\* BYE The login is no longer valid/m)
    assert.match(await eve.pop.ended, /^-ERR \[AUTH\]/m)
    await bob.smtp.say('MAIL FROM:<bob@here.test>\r\n', /^250/m)
    await bob.pop.say('NOOP\r\n', /^\+OK/m)
    await bob.idle.say('DONE\r\n', /^c OK/m)
  })

test('the kernel asks again at MAIL, and a session loses what its account lost', async (t) => {
  const here = await start(t)
  const session = here.openSession({ protocol: 'ESMTPSA', remote: { address: '192.0.2.1' } })
  const credentials = { kind: 'password', username: 'eve', password: 'eve-secret' } as const
  assert.equal((await session.auth(credentials)).kind, 'identity')
  assert.equal(await session.mail('eve@here.test', {}), undefined)
  await here.iems('account set eve may-relay=no address=new@here.test')
  assert.equal((await session.mail('eve@here.test', {}))?.reply.code, 553)
  assert.equal(await session.mail('new@here.test', {}), undefined)
  assert.equal(session.session.identity?.mayRelay, false)
  await here.iems('account set eve status=suspended')
  assert.equal((await session.mail('new@here.test', {}))?.reply.code, 421)
  assert.equal((await session.rcpt({ address: 'bob@here.test' }))?.reply.code, 421)
  assert.ok(session.revoked.aborted)
})
