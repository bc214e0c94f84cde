/** Rights end when they end: open sessions of every protocol notice that an account is disabled, changed or gone. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { imap } from 'iems/plugins/imap'
import { ldap } from 'iems/plugins/ldap'
import { pop3 } from 'iems/plugins/pop3'
import { smtpIn } from 'iems/plugins/smtp-in'
import { codeAt } from '../../plugins/directory/store/totp.ts'
import { createDirectoryKernel } from '../support/directory.ts'
import { bind, talkLdap } from '../support/ldap-talk.ts'
import { type SharedStore, STORES } from '../support/several-kernels.ts'

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

async function start(t: TestContext, shared: Partial<SharedStore> = {}) {
  const here = await createDirectoryKernel(t, {
    ...shared,
    channels: {
      submission: smtpIn({ listen: ['127.0.0.1:0'], auth: 'required', authWithoutTls: true }),
      imap: imap({ listen: ['127.0.0.1:0'], authWithoutTls: true }),
      pop3: pop3({ listen: ['127.0.0.1:0'], authWithoutTls: true }),
      ldap: ldap({ listen: ['127.0.0.1:0'], suffix: 'dc=here,dc=test', authWithoutTls: true }),
    },
  })
  await here.make({ add: { kind: 'domain', name: 'here.test' } })
  for (const name of ['eve', 'bob'])
    await here.make({ add: { kind: 'account', name, addresses: [`${name}@here.test`], password: `${name}-secret` } })
  const port = (plugin: string) => here.kernel.listeners.find((listener) => listener.plugin === plugin)?.port as number
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
    const directory = await talkLdap(t, port('ldap'))
    directory.send(bind(1, name, secret))
    assert.equal((await directory.next())?.result, 0)
    return { smtp, idle, pop, directory }
  }
  return { ...here, port, open }
}

type Opened = Awaited<ReturnType<Awaited<ReturnType<typeof start>>['open']>>

async function allEnded({ smtp, idle, pop, directory }: Opened): Promise<void> {
  assert.match(await smtp.ended, /^421 4\.7\.0 /m)
  assert.match(await idle.ended, /^\* BYE The login is no longer valid/m)
  assert.match(await pop.ended, /^-ERR \[AUTH\]/m)
  // RFC 4511 section 4.4.1: a notice of disconnection has the message id 0.
  assert.equal((await directory.ended())?.id, 0)
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
    await allEnded(eve)
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

for (const [name, makeStore] of Object.entries(STORES))
  test(`${name}: a change by another kernel on the store ends the sessions of this one`, async (t) => {
    const shared = await makeStore(t)
    const here = await start(t, shared)
    const other = await createDirectoryKernel(t, shared)
    const eve = await here.open('eve')
    const bob = await here.open('bob')
    await other.iems('account set eve status=disabled')
    await allEnded(eve)
    await bob.idle.say('DONE\r\n', /^c OK/m)
  })

test('a second factor ends the sessions that showed the password alone, and its removal ends none', async (t) => {
  const here = await start(t)
  const eve = await here.open('eve')
  const { id = '' } = (await here.directory.byName('account', 'eve')) ?? {}
  const begun = await here.directory.startTotp(id, 'eve')
  assert.ok('secret' in begun)
  await eve.pop.say('NOOP\r\n', /^\+OK/m)
  assert.ok(await here.directory.confirmTotp(id, codeAt(begun.secret, Math.floor(here.clock.now() / 30_000)), 'eve'))
  await allEnded(eve)
  const web = here.openSession({ protocol: 'HTTP', remote: { address: '192.0.2.1' } })
  await web.auth({ kind: 'password', username: 'eve', password: 'eve-secret' })
  await here.iems('account totp eve --remove')
  assert.equal(await web.mail('eve@here.test', {}), undefined)
  assert.ok(!web.revoked.aborted)
})

test('a client that waits in a mailbox of others loses it with the group that could read it', async (t) => {
  const here = await start(t)
  await here.iems('group add staff member=bob')
  const eve = talk(t, here.port('imap'))
  await eve.say('', /^\* OK/m)
  await eve.say('a LOGIN eve eve-secret\r\nb CREATE Sh\r\nc SETACL Sh group:staff lr\r\n', /^c OK/m)
  const bob = talk(t, here.port('imap'))
  await bob.say('', /^\* OK/m)
  await bob.say('a LOGIN bob bob-secret\r\nb SELECT Users/eve/Sh\r\nc IDLE\r\n', /^\+ /m)
  await here.iems('account set eve display-name=Eve')
  await bob.say('DONE\r\nd IDLE\r\n', /^\+ /m)
  await here.iems('group set staff member=')
  assert.match(await bob.ended, /^\* BYE Mailbox access revoked/m)
})
