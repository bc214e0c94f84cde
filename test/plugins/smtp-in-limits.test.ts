/** How much and how long one client of smtp-in may take, and how the listener stops. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { accept } from 'iems'
import { testClock } from 'iems/testing'
import { openDoor } from '../support/smtp-listener.ts'
import { type Talk, talk } from '../support/smtp-talk.ts'

async function begin(client: Talk): Promise<void> {
  await client.reply()
  for (const command of ['EHLO c', 'MAIL FROM:<a@b.test>', 'RCPT TO:<c@d.test>'])
    assert.match(await client.ask(command), /^250/)
}

test('connections are limited from one address and in all, and a place is free again when one has gone', async (t) => {
  const listener = await openDoor(t, { proxyFrom: ['127.0.0.1'], limits: { connections: 3, connectionsPerAddress: 2 } })
  const from = async (address: string) => {
    const client = await talk(t, listener.port)
    client.send(`PROXY TCP4 ${address} 192.0.2.1 1 25\r\n`)
    return { client, greeting: await client.reply() }
  }
  const first = await from('192.0.2.7')
  assert.match(first.greeting, /^220/)
  assert.match((await from('192.0.2.7')).greeting, /^220/)
  assert.equal((await from('192.0.2.7')).greeting, '421 4.7.0 Too many connections from this address, try again later')
  assert.match((await from('192.0.2.8')).greeting, /^220/)
  assert.equal((await from('192.0.2.9')).greeting, '421 4.7.0 Too many connections, try again later')
  assert.match(await first.client.ask('QUIT'), /^221/)
  first.client.destroy()
  for (let greeting = ''; !greeting.startsWith('220'); greeting = (await from('192.0.2.7')).greeting) await turn()
})

test('a client that sends no whole command in time is hung up on, however he spreads it', async (t) => {
  const clock = testClock()
  const listener = await openDoor(t, { timeouts: { command: '10 s' } }, { clock })
  const idle = await talk(t, listener.port)
  const slow = await talk(t, listener.port)
  const busy = await talk(t, listener.port)
  for (const client of [idle, slow, busy]) await client.reply()
  for (let second = 0; second < 12; second++) {
    slow.send('N')
    if (second < 11) assert.match(await busy.ask('NOOP'), /^250/)
    await clock.advance(1000)
  }
  assert.equal(await idle.rest(), '421 4.4.2 Timeout waiting for a command\r\n')
  assert.equal(await slow.rest(), '421 4.4.2 Timeout waiting for a command\r\n')
  assert.match(await busy.ask('NOOP'), /^250/)
})

test('the time that the kernel takes is not the client’s', async (t) => {
  const clock = testClock()
  let answer = () => {}
  const answered = new Promise<void>((resolve) => {
    answer = resolve
  })
  const listener = await openDoor(
    t,
    { timeouts: { command: '10 s', session: '20 s' } },
    { clock, mail: () => answered.then(() => undefined) },
  )
  const client = await talk(t, listener.port)
  await client.reply()
  await client.ask('EHLO c')
  client.send('MAIL FROM:<a@b.test>\r\n')
  await clock.advance(600_000)
  answer()
  assert.match(await client.reply(), /^250/)
  await clock.advance(2000)
  assert.match(await client.reply(), /^421 4\.4\.2 Session took too long/)
})

for (const [how, limit, send] of [
  ['stops', { command: '10 s' }, () => {}],
  ['trickles', { dataRate: '100 B' }, (client: Talk) => client.send('x'.repeat(50))],
  ['takes too long', { data: '2 min' }, (client: Talk) => client.send('x'.repeat(5000))],
] as const)
  test(`content that ${how} is cut off, and others do not notice`, async (t) => {
    const clock = testClock()
    const listener = await openDoor(t, { timeouts: limit }, { clock })
    const client = await talk(t, listener.port)
    const other = await talk(t, listener.port)
    await begin(client)
    await begin(other)
    await client.ask('DATA')
    let isOver = false
    void client.rest().then((text) => {
      assert.equal(text, '421 4.4.2 Timeout waiting for content\r\n')
      isOver = true
    })
    for (let second = 0; second < 300 && !isOver; second++) {
      send(client)
      assert.match(await other.ask('NOOP'), /^250/)
      await clock.advance(1000)
      if (second < 9) assert.equal(isOver, false)
    }
    assert.ok(isOver)
    assert.equal(listener.broken.length, 1)
  })

test('content may take as long as the kernel needs to read it', async (t) => {
  const clock = testClock()
  let read = () => {}
  const reading = new Promise<void>((resolve) => {
    read = resolve
  })
  const take = async (content: AsyncIterable<Uint8Array>) => {
    await reading
    for await (const _ of content);
    return accept(250, '2.0.0', 'Queued')
  }
  const listener = await openDoor(t, {}, { clock, read: take })
  const client = await talk(t, listener.port)
  await begin(client)
  await client.ask('DATA')
  client.send('x\r\n'.repeat(1_000_000))
  for (let turns = 0; turns < 200; turns++) await turn()
  await clock.advance(2 * 3_600_000)
  read()
  client.send('.\r\n')
  for (let turns = 0; turns < 200; turns++) await turn()
  await clock.advance(2000)
  assert.match(await client.reply(), /^250/)
})

test('content that comes fast enough may take its time', async (t) => {
  const clock = testClock()
  const listener = await openDoor(t, { timeouts: { dataRate: '100 B' } }, { clock })
  const client = await talk(t, listener.port)
  const other = await talk(t, listener.port)
  await begin(client)
  await begin(other)
  await client.ask('DATA')
  for (let second = 0; second < 200; second++) {
    client.send(`${'x'.repeat(148)}\r\n`)
    await other.ask('NOOP')
    await clock.advance(1000)
  }
  assert.match(await client.ask('.'), /^250/)
})

test('a client that reads no answers is not read from, and is hung up on in time', async (t) => {
  const clock = testClock()
  const limits = { commands: 10_000_000, emptyCommands: 10_000_000 }
  const listener = await openDoor(t, { timeouts: { command: '10 s' }, limits }, { clock })
  const client = await talk(t, listener.port)
  await client.reply()
  client.socket.pause()
  client.send('HELP\r\n'.repeat(2_000_000))
  for (let time = 0; time < 1000 && listener.sessions > 0; time++) await clock.advance(1000)
  assert.equal(listener.sessions, 0)
  assert.ok(client.socket.writableLength > 1_000_000)
})

test('a client that has said QUIT, or was hung up on, does not keep the connection', async (t) => {
  const clock = testClock()
  const listener = await openDoor(t, { timeouts: { handshake: '10 s', command: '1 min' } }, { clock })
  const [quits, idles] = [await talk(t, listener.port), await talk(t, listener.port)]
  for (const client of [quits, idles]) await client.reply()
  assert.match(await quits.ask('QUIT'), /^221 /)
  for (let time = 0; time < 100 && (await listener.connections()) > 1; time++) await clock.advance(1000)
  assert.equal(await listener.connections(), 1)
  for (let time = 0; time < 200 && (await listener.connections()) > 0; time++) await clock.advance(1000)
  assert.match(await idles.reply(), /^421 4\.4\.2 /)
  assert.equal(await listener.connections(), 0)
})

test('who speaks before the greeting is refused while we wait for that', async (t) => {
  const listener = await openDoor(t, { bannerDelay: '100 ms' })
  const hasty = await talk(t, listener.port)
  hasty.send('EHLO x\r\n')
  assert.equal(await hasty.rest(), '554 5.5.1 Client sent data before the greeting\r\n')
  const patient = await talk(t, listener.port)
  assert.match(await patient.reply(), /^220/)
  assert.match(await patient.ask('EHLO x'), /^250/)
})

test('without a banner delay who speaks early is only answered in order', async (t) => {
  const listener = await openDoor(t, {}, { connect: () => turn(undefined) })
  const client = await talk(t, listener.port)
  client.send('EHLO x\r\nQUIT\r\n')
  assert.match(await client.rest(), /^220 .*\r\n250-.*\r\n221 /s)
})

test('commands in a session are limited', async (t) => {
  const listener = await openDoor(t, { limits: { commands: 10 } })
  const client = await talk(t, listener.port)
  client.send('NOOP\r\n'.repeat(20))
  assert.equal(
    (await client.rest()).replace(/^220.*\r\n/, ''),
    `${'250 2.0.0 Ok\r\n'.repeat(10)}421 4.7.0 Too many commands in one session\r\n`,
  )
})

test('when the listener stops, idle sessions end at once and messages under way are finished', async (t) => {
  let take = () => {}
  const taken = new Promise<void>((resolve) => {
    take = resolve
  })
  const listener = await openDoor(t, {}, { data: () => taken.then(() => accept(250, '2.0.0', 'Queued')) })
  const [idle, open, sending] = [
    await talk(t, listener.port),
    await talk(t, listener.port),
    await talk(t, listener.port),
  ]
  await idle.reply()
  await begin(open)
  await begin(sending)
  await sending.ask('DATA')
  sending.send('x\r\n.\r\n')
  const closed = listener.close()
  assert.equal(await idle.rest(), '421 4.3.2 Server is stopping, try again soon\r\n')
  idle.destroy()
  take()
  assert.equal(await sending.rest(), '250 2.0.0 Queued\r\n421 4.3.2 Server is stopping, try again soon\r\n')
  sending.destroy()
  assert.match(await open.ask('DATA'), /^354/)
  open.send('x\r\n.\r\n')
  assert.match(await open.rest(), /^250 .*\r\n421 /)
  open.destroy()
  await closed
  assert.equal(listener.arrived.length, 2)
  assert.equal(listener.sessions, 0)
})

test('a client that has not been greeted yet when the listener stops is told so in place of more', async (t) => {
  let welcome = () => {}
  const welcomed = new Promise<void>((resolve) => {
    welcome = resolve
  })
  const listener = await openDoor(t, {}, { connect: () => welcomed.then(() => undefined) })
  const client = await talk(t, listener.port)
  while (listener.sessions === 0) await turn()
  const closed = listener.close()
  welcome()
  assert.match(await client.rest(), /421 4\.3\.2 Server is stopping, try again soon\r\n$/)
  client.destroy()
  await closed
})

test('when time is up everything is cut, and what was half sent is not kept', async (t) => {
  const listener = await openDoor(t)
  const client = await talk(t, listener.port)
  await begin(client)
  await client.ask('DATA')
  client.send('half')
  const stop = new AbortController()
  const closed = listener.close(stop.signal)
  await turn()
  stop.abort()
  await closed
  assert.equal(await client.rest(), '')
  assert.equal(listener.arrived.length, 0)
  assert.equal(listener.sessions, 0)
})

test('small chunks are counted apart from commands, the last of a message is not, and a message resets the count', async (t) => {
  const listener = await openDoor(t, { limits: { smallChunks: 10 } })
  const client = await talk(t, listener.port)
  await client.reply()
  await client.ask('EHLO c')
  const begin = 'MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n'
  const message = `${begin}${'BDAT 1\r\nx'.repeat(10)}BDAT 2000\r\n${'x'.repeat(2000)}BDAT 2 LAST\r\n\r\n`
  client.send(`${message}${message}${begin}${'BDAT 1\r\nx'.repeat(12)}`)
  const replies = await client.rest()
  assert.equal(listener.arrived.length, 2)
  assert.match(replies, /\r\n421 4\.7\.0 Too many small chunks in one message\r\n$/)
})

test('commands that bring no message end in 421, and a client that reads nothing is answered no further', async (t) => {
  const listener = await openDoor(t)
  for (const command of ['EHLO c.test', 'HELO c.test', 'NOOP', 'VRFY x', 'RSET', 'HELP', 'MAIL FROM:<>\r\nRSET']) {
    const client = await talk(t, listener.port)
    client.send(`EHLO c.test\r\n${`${command}\r\n`.repeat(3000)}`)
    const said = await client.rest()
    assert.match(said, /421 4\.7\.0 Too many commands without a message\r\n$/, command)
    assert.ok((said.match(/^\d{3} /gm) ?? []).length <= 2003, command)
  }
  const client = await talk(t, listener.port)
  await client.reply()
  await client.ask('EHLO c.test')
  for (let round = 0; round < 3; round++) {
    client.send('NOOP\r\n'.repeat(900))
    for (let count = 0; count < 900; count++) assert.match(await client.reply(), /^250/)
    for (const line of ['MAIL FROM:<a@a.test>', 'RCPT TO:<b@b.test>', 'DATA']) await client.ask(line)
    assert.match(await client.ask('x: y\r\n\r\n.'), /^250/)
  }
})
