/** smtp-in between a socket and a kernel that does what the test says. What is only dialogue is in test/e2e/*.smtp. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { accept, defer } from 'iems'
import { type Listener, openDoor } from '../support/smtp-listener.ts'
import { type Talk, talk } from '../support/smtp-talk.ts'

const ENVELOPE = ['EHLO c', 'MAIL FROM:<a@b.test>', 'RCPT TO:<c@d.test>']

async function greeted(t: TestContext, { port }: Listener): Promise<Talk> {
  const client = await talk(t, port)
  assert.match(await client.reply(), /^220 /)
  return client
}

async function inTransaction(t: TestContext, listener: Listener): Promise<Talk> {
  const client = await greeted(t, listener)
  for (const command of ENVELOPE) assert.match(await client.ask(command), /^250/)
  return client
}

/** Until it is so, or the test's own patience is over. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 5000
  while (!(await isSo())) {
    assert.ok(Date.now() < end, 'it never came to be so')
    await turn()
  }
}

test('a fault in the kernel is "later" for the command, and the session goes on', async (t) => {
  let isBroken = true
  const fail = () => {
    if (isBroken) throw new Error('broken')
    return undefined
  }
  const listener = await openDoor(
    t,
    {},
    { mail: fail, rcpt: (address) => (address === 'x@d.test' ? fail() : undefined) },
  )
  const client = await greeted(t, listener)
  await client.ask('EHLO c')
  assert.equal(await client.ask('MAIL FROM:<a@b.test>'), '451 4.3.0 Local error, try again later')
  isBroken = false
  assert.match(await client.ask('MAIL FROM:<a@b.test>'), /^250/)
  isBroken = true
  assert.match(await client.ask('RCPT TO:<x@d.test>'), /^451 4\.3\.0/)
  assert.match(await client.ask('RCPT TO:<y@d.test>'), /^250/)
  assert.equal(listener.logged.length, 2)
})

test('a kernel that fails while content comes defers the message, and the content is never taken for commands', async (t) => {
  const listener = await openDoor(t, {}, { read: () => Promise.reject(new Error('disk')) })
  const client = await inTransaction(t, listener)
  assert.match(await client.ask('DATA'), /^354/)
  client.send('QUIT\r\n'.repeat(500_000))
  assert.match(await client.ask('.'), /^451 4\.3\.0/)
  assert.match(await client.ask('NOOP'), /^250/)
})

test('a kernel that fails between two chunks defers the message with the next', async (t) => {
  let fail = () => {}
  const failing = new Promise<never>((_, reject) => {
    fail = () => reject(new Error('disk'))
  })
  const listener = await openDoor(t, {}, { read: () => failing })
  const client = await inTransaction(t, listener)
  client.send('BDAT 3\r\nabc')
  assert.match(await client.reply(), /^250/)
  fail()
  await turn()
  client.send('BDAT 3\r\nabc')
  assert.match(await client.reply(), /^451 4\.3\.0/)
  client.send('BDAT 3 LAST\r\nabc')
  assert.match(await client.reply(), /^503 5\.5\.1/)
})

for (const [how, open] of [
  ['DATA', 'DATA\r\nhalf a mess'],
  ['BDAT', 'BDAT 100\r\nhalf a mess'],
  ['two BDAT', 'BDAT 4\r\nhalf'],
] as const)
  for (const end of ['end', 'destroy'] as const)
    test(`a client that ${end === 'end' ? 'closes' : 'breaks off'} in the middle of ${how} has sent nothing and leaves nothing`, async (t) => {
      const listener = await openDoor(t)
      const client = await inTransaction(t, listener)
      client.send(open)
      if (how === 'DATA') await client.reply()
      client[end]()
      await until(async () => listener.sessions === 0 && (await listener.connections()) === 0)
      assert.deepEqual(listener.arrived, [])
      assert.equal(listener.broken.length, 1)
    })

test('a client that sends all he has and closes his side gets every answer', async (t) => {
  const listener = await openDoor(
    t,
    {},
    { rcpt: () => turn(undefined), data: () => turn(accept(250, '2.0.0', 'Queued')) },
  )
  const client = await talk(t, listener.port)
  client.send(`${ENVELOPE.join('\r\n')}\r\nDATA\r\nx\r\n.\r\nNOOP\r\n`)
  client.end()
  const codes = (await client.rest()).match(/^\d{3} /gm)
  assert.deepEqual(codes, ['220 ', '250 ', '250 ', '250 ', '354 ', '250 ', '250 '])
  assert.equal(listener.arrived.length, 1)
})

test('the answers to a batch of commands come in one segment', async (t) => {
  const listener = await openDoor(t)
  const client = await greeted(t, listener)
  await client.ask('EHLO c')
  let segments = 0
  client.socket.on('data', () => segments++)
  client.send(`MAIL FROM:<a@b.test>\r\n${'RCPT TO:<c@d.test>\r\n'.repeat(50)}DATA\r\n`)
  for (let replies = 0; replies < 52; replies++) await client.reply()
  assert.equal(segments, 1)
})

test('what the client said reaches the kernel as it was said', async (t) => {
  const listener = await openDoor(t)
  const client = await greeted(t, listener)
  await client.ask('EHLO Client.Example.ORG')
  await client.ask('MAIL FROM:<A@b.test> RET=HDRS ENVID=q+2B1 BODY=8BITMIME MT-PRIORITY=-3 SIZE=12')
  await client.ask('RCPT TO:<"C c"@D_d.test> NOTIFY=success,FAILURE ORCPT=rfc822;x+3Dy@d.test')
  await client.ask('RCPT TO:<e@d.test> ORCPT=utf-8;\\x{F6}\\x{1F600}@d.test NOTIFY=NEVER')
  await client.ask('DATA')
  await client.ask('.')
  const { facts, from, parameters, recipients } = listener.arrived[0] ?? assert.fail('nothing arrived')
  assert.equal(facts.helo, 'Client.Example.ORG')
  assert.equal(facts.protocol, 'ESMTP')
  assert.equal(facts.remote.address, '127.0.0.1')
  assert.equal(facts.local?.port, listener.port)
  assert.equal(from, 'A@b.test')
  assert.deepEqual(parameters, { ret: 'HDRS', envid: 'q+1', body: '8BITMIME', mtPriority: -3, size: 12 })
  assert.deepEqual(recipients, [
    { address: '"C c"@D_d.test', notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;x=y@d.test' },
    { address: 'e@d.test', notify: ['NEVER'], orcpt: 'utf-8;ö😀@d.test' },
  ])
})

test('a reply from a hook cannot become two', async (t) => {
  const listener = await openDoor(
    t,
    {},
    { mail: () => defer(450, '4.7.1', `later\r\n250 2.0.0 ja, größer${'x'.repeat(1000)}`) },
  )
  const client = await greeted(t, listener)
  await client.ask('EHLO c')
  const reply = await client.ask('MAIL FROM:<a@b.test>')
  assert.match(reply, /^450 4\.7\.1 later\?\?250 2\.0\.0 ja, gr\?\?erx+$/)
  assert.ok(reply.length <= 510)
  assert.match(await client.ask('NOOP'), /^250/)
})

test('who is told 421 in the greeting is hung up on', async (t) => {
  const listener = await openDoor(t, {}, { connect: () => defer(421, '4.3.0', 'Not now') })
  const client = await talk(t, listener.port)
  assert.equal(await client.rest(), '421 4.3.0 Not now\r\n')
})

test('a body of dots costs no turn of the event loop for each', async (t) => {
  const listener = await openDoor(t)
  const client = await inTransaction(t, listener)
  await client.ask('DATA')
  let turns = 0
  let isOver = false
  const count = () => {
    turns++
    if (!isOver) setImmediate(count)
  }
  count()
  client.send('..\r\n'.repeat(500_000))
  assert.match(await client.ask('.'), /^250/)
  isOver = true
  assert.ok(turns < 20_000, `${turns} turns`)
  assert.equal(listener.arrived[0]?.content.length, 1_500_000)
})

test('a client does not get ahead of a kernel that reads slowly', async (t) => {
  const SIZE = 64 * 1024 * 1024
  let read = () => {}
  const begun = new Promise<void>((resolve) => {
    read = resolve
  })
  let total = 0
  const listener = await openDoor(
    t,
    { maxSize: '100 MB' },
    {
      async read(content) {
        await begun
        for await (const chunk of content) total += chunk.byteLength
        return accept(250, '2.0.0', 'Queued')
      },
    },
  )
  const client = await inTransaction(t, listener)
  await client.ask('DATA')
  const line = Buffer.from(`${'x'.repeat(1022)}\r\n`)
  client.send(Buffer.alloc(SIZE, line))
  // What the kernel of the machine and we hold is far less than what waits in the client.
  let before = -1
  for (let same = 0; same < 200; before = client.socket.bytesWritten - client.socket.writableLength) {
    await turn()
    same = before === client.socket.bytesWritten - client.socket.writableLength ? same + 1 : 0
  }
  assert.ok(client.socket.writableLength > SIZE / 2)
  read()
  assert.match(await client.ask('.'), /^250/)
  assert.equal(total, SIZE)
})

test('exact duplicates are answered but asked for once; LMTP asks and answers for each', async (t) => {
  for (const protocol of ['smtp', 'lmtp'] as const) {
    const asked: string[] = []
    const listener = await openDoor(t, { protocol }, { rcpt: (address) => void asked.push(address) })
    const client = await greeted(t, listener)
    await client.ask(protocol === 'smtp' ? 'EHLO c' : 'LHLO c')
    await client.ask('MAIL FROM:<a@b.test>')
    for (const to of ['x@y.test', 'x@y.test', 'X@y.test']) assert.match(await client.ask(`RCPT TO:<${to}>`), /^250/)
    assert.equal(asked.length, protocol === 'smtp' ? 2 : 3)
  }
})

test('a port in the file system speaks LMTP', async (t) => {
  const path = `/tmp/iems-test-${process.pid}.sock`
  const listener = await openDoor(t, { listen: `unix:${path}`, protocol: 'lmtp' })
  const client = await talk(t, { path })
  client.send('LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n')
  assert.match(await client.rest(), /250 2\.0\.0 Queued\r\n221 /)
  assert.equal(listener.arrived[0]?.facts.protocol, 'LMTP')
  assert.equal(listener.arrived[0]?.facts.remote.address, 'unix')
})
