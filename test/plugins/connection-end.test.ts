/** How connections end: with everything that was answered, over every transport and protocol. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestKernel } from '../../core/testing/index.ts'
import { imap } from '../../plugins/access/imap/index.ts'
import { pop3 } from '../../plugins/access/pop3/index.ts'
import { ldap } from '../../plugins/directory/ldap/server/index.ts'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { smtpIn } from '../../plugins/smtp/in/index.ts'
import { createImapKernel } from '../support/imap-talk.ts'
import { createLdapKernel, SUFFIX } from '../support/ldap.ts'
import { extended } from '../support/ldap-talk.ts'
import { allowed, contentOf, createMailKernel } from '../support/mailstore.ts'
import { hear, TLS_FILES, type Transport, type Wish } from '../support/transports.ts'

const IMAP: readonly Transport[] = ['plain', 'tls', 'starttls', 'compressed', 'compressed over tls']
const OTHERS: readonly Transport[] = ['plain', 'tls', 'starttls']
const STARTTLS = { say: 's STARTTLS\r\n', until: 's OK Begin TLS negotiation now\r\n' }
const LOGIN = ['l LOGIN ann secret', '\r\n'] as const
const MESSAGE = `Subject: large\r\n\r\n${'A line of a message that is large enough to fill buffers.\r\n'.repeat(12_000)}`

async function imapServer(t: Parameters<typeof createImapKernel>[0], settings = {}) {
  const options = { listen: '127.0.0.1:0', authWithoutTls: true, ...settings }
  const kernel = await createImapKernel(t, {
    imap: { tls: TLS_FILES, ...settings },
    channels: { imaps: imap({ ...options, tls: { ...TLS_FILES, mode: 'implicit' } }) },
  })
  const inbox = await kernel.mailbox('ann')
  allowed(
    await kernel.mail.append(
      inbox,
      [1, 2, 3, 4].map(() => ({ content: contentOf(MESSAGE) })),
    ),
  )
  const ports = { imap: kernel.port, imaps: kernel.listener('imaps').port }
  const over = (transport: Transport, wish: Pick<Wish, 'say'> & Partial<Wish>) =>
    hear(t, {
      port: transport.endsWith('tls') && transport !== 'starttls' ? ports.imaps : ports.imap,
      transport,
      starttls: STARTTLS,
      before: [LOGIN],
      ...wish,
    })
  return { ...kernel, over }
}

for (const transport of IMAP) {
  test(`IMAP, ${transport}: FETCH and LOGOUT in one packet are answered to the last octet`, async (t) => {
    const { over } = await imapServer(t)
    const say = 'a SELECT INBOX\r\nb FETCH 1:* (BODY.PEEK[])\r\nc LOGOUT\r\nd NOOP\r\n'
    const plain = await over('plain', { say })
    assert.ok(plain.text.length > 4 * MESSAGE.length)
    const { text, error, closeNotify } = await over(transport, { say })
    assert.equal(text.length, plain.text.length)
    assert.equal(text === plain.text, true)
    assert.match(text.slice(-200), /b OK .*\r\n\* BYE .*\r\nc OK LOGOUT completed\r\n$/)
    assert.deepEqual({ error, closeNotify }, { error: undefined, closeNotify: transport.includes('tls') || undefined })
  })

  test(`IMAP, ${transport}: LOGOUT alone, and a client that closes its side first`, async (t) => {
    const { over } = await imapServer(t)
    const alone = await over(transport, { say: 'a LOGOUT\r\n' })
    assert.match(alone.text, /^\* BYE .*\r\na OK LOGOUT completed\r\n$/)
    const closed = await over(transport, { say: 'a SELECT INBOX\r\nb FETCH 1:* (BODY.PEEK[])\r\n', closesFirst: true })
    assert.match(closed.text.slice(-40), /b OK .*\r\n$/)
    assert.equal(closed.error, undefined)
  })

  test(`IMAP, ${transport}: BYE after too many errors, behind which the client has sent more`, async (t) => {
    const { over } = await imapServer(t)
    const { text, error, closeNotify } = await over(transport, { say: 'a NONSENSE\r\n'.repeat(20_000) })
    assert.match(text, /\* BYE Too many .*\r\na BAD .*\r\n$/)
    assert.deepEqual({ error, closeNotify }, { error: undefined, closeNotify: transport.includes('tls') || undefined })
  })

  test(`IMAP, ${transport}: BYE at autologout, when the server stops, and in the midst of IDLE`, async (t) => {
    const silent = await imapServer(t, { timeouts: { idle: '50 ms' } })
    const late = await silent.over(transport, { say: 'a NOOP\r\n' })
    assert.match(late.text, /^a OK .*\r\n\* BYE .*\r\n$/)
    assert.equal(late.error, undefined)
    const { over, close } = await imapServer(t)
    const { text, error } = await over(transport, {
      say: 'a IDLE\r\n',
      meanwhile: { after: '+ idling\r\n', do: () => close() },
    })
    assert.match(text, /\* BYE Server shutting down\r\n(?:a OK .*\r\n)?$/)
    assert.equal(error, undefined)
  })
}

for (const transport of OTHERS) {
  test(`LDAP, ${transport}: everything is answered up to the notice of disconnection`, async (t) => {
    const limits = { errors: 30 }
    const kernel = await createLdapKernel(
      t,
      { tls: TLS_FILES, limits },
      {
        channels: {
          ldaps: ldap({
            listen: '127.0.0.1:0',
            suffix: SUFFIX,
            limits,
            tls: { ...TLS_FILES, mode: 'implicit' },
          } as never),
        },
      },
    )
    const requests = Array.from({ length: 20_000 }, (_, at) => extended(at + 2, '1.2.3.4'))
    const { text, error, closeNotify } = await hear(t, {
      port: kernel.listener(transport === 'tls' ? 'ldaps' : 'ldap').port,
      transport,
      greets: false,
      starttls: { say: extended(1, '1.3.6.1.4.1.1466.20037'), until: '1466.20037' },
      say: Buffer.concat(requests),
    })
    assert.match(text, /1\.3\.6\.1\.4\.1\.1466\.20036$/)
    assert.deepEqual({ error, closeNotify }, { error: undefined, closeNotify: transport.includes('tls') || undefined })
  })

  test(`SMTP, ${transport}: QUIT is answered behind everything else, whatever is sent behind it`, async (t) => {
    const settings = { listen: '127.0.0.1:0', limits: { errors: 100, emptyCommands: 10_000 } }
    const kernel = await createTestKernel(t, {
      channels: {
        smtp: smtpIn({ ...settings, tls: TLS_FILES }),
        smtps: smtpIn({ ...settings, tls: { ...TLS_FILES, mode: 'implicit' } }),
      },
    })
    const over = (say: string) =>
      hear(t, {
        port: kernel.listener(transport === 'tls' ? 'smtps' : 'smtp').port,
        transport,
        starttls: { say: 'EHLO me.test\r\nSTARTTLS\r\n', until: '220 2.0.0 Ready to start TLS\r\n' },
        say,
      })
    const quits = await over(`${'NOOP\r\n'.repeat(5000)}QUIT\r\n${'NOOP\r\n'.repeat(5000)}`)
    assert.equal(quits.text.match(/^250 /gm)?.length, 5000)
    assert.match(quits.text, /\r\n221 .*\r\n$/)
    const errs = await over('NONSENSE\r\n'.repeat(20_000))
    assert.match(errs.text, /\r\n421 .*\r\n$/)
    for (const { error, closeNotify } of [quits, errs])
      assert.deepEqual(
        { error, closeNotify },
        { error: undefined, closeNotify: transport.includes('tls') || undefined },
      )
  })

  test(`POP3, ${transport}: RETR and QUIT in one packet are answered to the last octet`, async (t) => {
    const settings = { listen: '127.0.0.1:0', authWithoutTls: true }
    const kernel = await createMailKernel(t, {
      people: [{ name: 'ann', addresses: ['ann@here.test'], password: await hashPassword('secret') }],
      channels: {
        pop: pop3({ ...settings, tls: TLS_FILES }),
        pops: pop3({ ...settings, tls: { ...TLS_FILES, mode: 'implicit' } }),
      },
    })
    allowed(await kernel.mail.append(await kernel.mailbox('ann'), [{ content: contentOf(MESSAGE) }]))
    const { text, error, closeNotify } = await hear(t, {
      port: kernel.listener(transport === 'tls' ? 'pops' : 'pop').port,
      transport,
      starttls: { say: 'STLS\r\n', until: '+OK Begin TLS now\r\n' },
      say: 'USER ann\r\nPASS secret\r\nRETR 1\r\nRETR 1\r\nQUIT\r\nNOOP\r\n',
    })
    assert.match(text.slice(-60), /\r\n\.\r\n\+OK POP3 server signing off\r\n$/)
    assert.ok(text.length > 2 * MESSAGE.length)
    assert.deepEqual({ error, closeNotify }, { error: undefined, closeNotify: transport.includes('tls') || undefined })
  })
}
