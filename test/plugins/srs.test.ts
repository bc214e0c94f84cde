/** Forwarded mail leaves under a sender of ours, reports come back, and nobody else gets anything through. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defer, refuse, secret } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
import { srs } from 'iems/plugins/srs'
import { createTestKernel, deliveredTo, testClock } from 'iems/testing'
import { fc } from '../support/property.ts'
import { startSink } from '../support/smtp-sink.ts'
import { talk } from '../support/smtp-talk.ts'
import { DAY, forwarding, SECRET, startForwarder } from '../support/srs.ts'

const REFUSED = (text: string) => ({ code: 550, enhanced: '5.7.1', text })
const FORGED = REFUSED('This address was not given out here')

test('what is forwarded leaves under a sender of ours, and a report to that goes to the sender', async (t) => {
  const { send } = await startForwarder(t)
  const [forwarded] = (await send('Eve.Smith@else.test', 'ann@ours.test')).sent
  assert.match(forwarded?.from ?? '', /^SRS0=[A-Za-z0-9+/]{6}=[A-Z2-7]{2}=else\.test=Eve\.Smith@srs\.ours\.test$/)
  assert.deepEqual(forwarded?.to, ['ann@far.test'])
  const back = await send('', forwarded?.from ?? '')
  assert.equal(back.reply.code, 250)
  assert.deepEqual(
    back.sent.map(({ from, to, channel }) => ({ from, to, channel })),
    [{ from: '', to: ['Eve.Smith@else.test'], channel: 'out' }],
  )
})

test('senders of ours, the null sender, and what stays here are left alone', async (t) => {
  const { send } = await startForwarder(t, { options: { domains: ['ours.test', '.ours.test'] } })
  for (const from of ['bob@ours.test', 'bob@OURS.test', 'x@deep.sub.ours.test', ''])
    assert.deepEqual(
      (await send(from, 'ann@ours.test')).sent.map((one) => one.from),
      [from],
    )
  assert.deepEqual(
    (await send('eve@else.test', 'inner@ours.test')).sent.map((one) => one.from),
    ['eve@else.test'],
  )
  const both = (await send('eve@else.test', 'both@ours.test')).sent
  assert.deepEqual(both.map(({ from, channel }) => `${channel} ${from.slice(0, 5)}`).sort(), [
    'local eve@e',
    'out SRS0=',
  ])
  const relayed = await send('eve@else.test', 'x@far.test', '10.0.0.1')
  assert.deepEqual(
    relayed.sent.map((one) => one.from),
    ['eve@else.test'],
  )
})

test('our own report about a forward goes to the sender himself, and each attempt has a fresh address', async (t) => {
  const clock = testClock()
  const start = clock.now()
  const tried: string[] = []
  const { send, sent, advance } = await startForwarder(t, {
    kernel: {
      clock,
      deliver(delivery) {
        if (delivery.message.from === '') return deliveredTo(delivery)
        tried.push(delivery.from)
        const late = clock.now() >= start + DAY
        const reply = late ? refuse(550, '5.1.1', 'Nobody').reply : defer(451, '4.2.0', 'Later').reply
        return delivery.recipients.map((recipient) => ({ recipient, status: late ? 'failed' : 'deferred', reply }))
      },
    },
  })
  await send('eve@else.test', 'ann@ours.test')
  await advance(2 * DAY)
  assert.notEqual(tried[0], tried.at(-1))
  assert.deepEqual([sent.at(-1)?.from, sent.at(-1)?.to], ['', ['eve@else.test']])
})

test('an address is good for its days, and for a server whose clock is a day behind', async (t) => {
  const clock = testClock()
  const { send } = await startForwarder(t, { kernel: { clock }, options: { days: 3 } })
  const address = (await send('eve@else.test', 'ann@ours.test')).sent[0]?.from ?? ''
  await clock.advance(3 * DAY)
  assert.equal((await send('', address)).reply.code, 250)
  await clock.advance(DAY)
  assert.deepEqual((await send('', address)).reply, REFUSED('This address is no longer valid'))
  const behind = await startForwarder(t, { kernel: { clock: testClock(Date.UTC(2025, 11, 31, 23)) } })
  assert.equal((await behind.send('', address)).reply.code, 250)
  const far = await startForwarder(t, { kernel: { clock: testClock(Date.UTC(2025, 11, 30)) } })
  assert.equal((await far.send('', address)).reply.code, 550)
})

test('a new secret makes addresses and the old one still reads its own', async (t) => {
  const old = await startForwarder(t)
  const address = (await old.send('eve@else.test', 'ann@ours.test')).sent[0]?.from ?? ''
  const secrets = [secret.value('a newer secret than that'), secret.value(SECRET)]
  const both = await startForwarder(t, { options: { secrets } })
  assert.equal((await both.send('', address)).reply.code, 250)
  const fresh = (await both.send('eve@else.test', 'ann@ours.test')).sent[0]?.from ?? ''
  assert.deepEqual((await old.send('', fresh)).reply, FORGED)
  const only = await startForwarder(t, { options: { secrets: secrets.slice(0, 1) } })
  assert.deepEqual((await only.send('', address)).reply, FORGED)
})

test('only reports are taken, unless the admin takes mail of anyone', async (t) => {
  const { send } = await startForwarder(t)
  const address = (await send('eve@else.test', 'ann@ours.test')).sent[0]?.from ?? ''
  assert.deepEqual((await send('x@far.test', address)).reply, REFUSED('This address takes nothing but reports'))
  const open = await startForwarder(t, { options: { accept: 'anyone' } })
  const { reply, sent } = await open.send('x@far.test', address)
  assert.equal(reply.code, 250)
  assert.deepEqual(sent[0]?.to, ['eve@else.test'])
  assert.match(sent[0]?.from ?? '', /^SRS0=.*=far\.test=x@srs\.ours\.test$/)
})

test('a change to any letter is refused for everybody, but not one of case', async (t) => {
  const { send } = await startForwarder(t)
  const address = (await send('eve@else.test', 'ann@ours.test')).sent[0]?.from ?? ''
  const local = address.slice(0, address.indexOf('@'))
  for (const changed of [local.toLowerCase(), local.toUpperCase()])
    assert.equal((await send('', `${changed}@SRS.ours.test`)).reply.code, 250, changed)
  for (let at = 4; at < local.length; at++) {
    const other = local[at] === 'q' || local[at] === 'Q' ? 'z' : 'q'
    const changed = `${local.slice(0, at)}${other}${local.slice(at + 1)}@srs.ours.test`
    for (const client of ['192.0.2.1', '10.0.0.1'])
      assert.equal((await send('', changed, client)).reply.code, at === 4 && client === '10.0.0.1' ? 250 : 550, changed)
  }
})

test('a hash that is shorter than ours is refused, however right it is; a longer one is read whole', async (t) => {
  const short = await startForwarder(t, { options: { hashLength: 4 } })
  const long = await startForwarder(t, { options: { hashLength: 27 } })
  const given = async ({ send }: typeof short) => (await send('eve@else.test', 'ann@ours.test')).sent[0]?.from ?? ''
  assert.deepEqual((await long.send('', await given(short))).reply, FORGED)
  const address = await given(long)
  assert.equal((await short.send('', address)).reply.code, 250)
  const last = address[31] === 'x' ? 'y' : 'x'
  assert.deepEqual((await short.send('', `${address.slice(0, 31)}${last}${address.slice(32)}`)).reply, FORGED)
})

test('a chain of forwarders: SRS1 after SRS0, no longer after that, and each finds the one before', async (t) => {
  const names = ['one', 'two', 'three'] as const
  const servers = await Promise.all(
    names.map((name) =>
      startForwarder(t, { options: { domain: `srs.${name}.test`, secrets: [secret.value(`${SECRET} ${name}`)] } }),
    ),
  )
  const senders = ['eve@else.test']
  for (const { send } of servers) senders.push((await send(senders.at(-1) ?? '', 'ann@ours.test')).sent[0]?.from ?? '')
  assert.match(senders[2] ?? '', /^SRS1=[^=]{6}=srs\.one\.test==[^=]{6}=..=else\.test=eve@srs\.two\.test$/)
  assert.match(senders[3] ?? '', /^SRS1=[^=]{6}=srs\.one\.test==[^=]{6}=..=else\.test=eve@srs\.three\.test$/)
  const [one, two, three] = servers as [(typeof servers)[0], (typeof servers)[0], (typeof servers)[0]]
  for (const [server, address] of [
    [three, senders[3]],
    [two, senders[2]],
  ] as const)
    assert.deepEqual((await server.send('', address ?? '')).sent[0]?.to, [senders[1]])
  assert.deepEqual((await one.send('', senders[1] ?? '')).sent[0]?.to, ['eve@else.test'])
  assert.deepEqual((await two.send('', senders[3]?.replace('three', 'two') ?? '')).reply, FORGED)
})

test('any sender comes back as he was; one too long to be rewritten stays', async (t) => {
  const { send } = await startForwarder(t)
  const letters = fc.constantFrom(...'aZ09=-+/._"\\ @é!#$%&*\'?^`{|}~')
  const local = fc.array(letters, { minLength: 1, maxLength: 30 }).map((parts) => parts.join(''))
  const sender = fc
    .tuple(fc.constantFrom('', 'SRS0=', 'SRS0+x', 'SRS1=a=b=', 'srs1-a=b.test=='), local)
    .map(([start, rest]) => {
      const text = start + rest
      return /["\\ @]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"@else.test` : `${text}@else.test`
    })
  await fc.assert(
    fc.asyncProperty(sender, async (from) => {
      const rewritten = (await send(from, 'ann@ours.test')).sent[0]?.from ?? ''
      assert.match(rewritten, /@srs\.ours\.test$/)
      const [back] = (await send('', rewritten)).sent
      // What has been rewritten before goes to the first of the forwarders.
      const first = /^"?SRS1[-+=][^=]+=([^=]+)=[-+=](?!"?@else\.test$)/i.exec(from)?.[1]
      if (first === undefined) assert.deepEqual(back?.to, [from.replace(/^srs0/i, 'SRS0')])
      else assert.ok(back?.to[0]?.endsWith(`@${first}`), back?.to[0])
    }),
    { numRuns: 200 },
  )
  const long = `${'x'.repeat(200)}@else.test`
  assert.equal((await send(`${'y'.repeat(30)}${long}`, 'ann@ours.test')).sent[0]?.from, `${'y'.repeat(30)}${long}`)
})

test('what a stranger invents is refused, and nothing he sends makes a fault', async (t) => {
  const { send, events } = await startForwarder(t)
  const invented = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc
      .array(fc.constantFrom('=', '==', 'AAAA', 'AA', 'a.test', 'SRS0', '+', '-', '\0', 'é'), { maxLength: 9 })
      .map((parts) => parts.join('')),
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('SRS0=', 'SRS1=', 'srs0+', 'SRS1-'), invented, async (tag, rest) => {
      const { reply } = await send('', `${tag}${rest}@srs.ours.test`)
      assert.ok(reply.code === 550, JSON.stringify(reply))
    }),
    { numRuns: 300 },
  )
  assert.deepEqual(
    events.filter(({ name }) => /fault/.test(name)),
    [],
  )
})

test('a secret too short to be one, or none, is told before anything begins', async (t) => {
  const start = (secrets: ReturnType<typeof secret.value>[]) => startForwarder(t, { options: { secrets } })
  await assert.rejects(start([secret.value('short')]), (error: Error) => {
    assert.match(error.message, /secrets\[0\]: must have 16 characters or more/)
    assert.doesNotMatch(error.message, /short/)
    return true
  })
  await assert.rejects(start([]), /secrets/)
  await assert.rejects(start([secret.file('/nowhere/srs')]), /\/nowhere\/srs/)
})

test('over sockets: forwarded by SMTP, bounced by SMTP', async (t) => {
  const sink = await startSink(t)
  const kernel = await createTestKernel(t, {
    channels: {
      in: smtpIn({ listen: '127.0.0.1:0' }),
      out: smtpOut({ nexthop: sink.nexthop }),
    },
    plugins: [srs({ domain: 'srs.ours.test', secrets: [secret.value(SECRET)] }), forwarding()],
  })
  const client = await talk(t, kernel.listener('in').port ?? 0)
  await client.reply()
  const say = async (...lines: readonly string[]) => {
    const replies = []
    for (const line of lines) replies.push(await client.ask(line))
    return replies
  }
  await say(
    'EHLO client.test',
    'MAIL FROM:<eve@else.test>',
    'RCPT TO:<ann@ours.test>',
    'DATA',
    'Subject: x\r\n\r\nx\r\n.',
  )
  await kernel.deliver()
  const from = sink.messages[0]?.from ?? ''
  assert.match(from, /SRS0=.*=else\.test=eve@srs\.ours\.test/)
  const address = /<(.*)>/.exec(from)?.[1] ?? from
  const replies = await say('MAIL FROM:<>', `RCPT TO:<${address.replace('eve', 'bob')}>`, `RCPT TO:<${address}>`)
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 9)),
    ['250 2.1.0', '550 5.7.1', '250 2.1.5'],
  )
  await say('DATA', 'Subject: bounce\r\n\r\nx\r\n.')
  await kernel.deliver()
  assert.match(sink.messages[1]?.from ?? '', /^MAIL FROM:<>/)
  assert.deepEqual(sink.messages[1]?.to, ['RCPT TO:<eve@else.test>'])
})
