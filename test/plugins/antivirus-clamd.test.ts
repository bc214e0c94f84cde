/** When clamd is away, slow or speaks nonsense: mail waits and is never taken for clean. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type AntivirusOptions, letter, startAntivirus } from '../support/antivirus.ts'
import { freePort } from '../support/running-server.ts'
import { startBroken } from '../support/spam-filters.ts'

const LATER = {
  code: 451,
  enhanced: '4.7.1',
  text: 'The message cannot be scanned for viruses now, try again later',
}
/** More than the sockets take by themselves. */
const LARGE = letter('y'.repeat(76).concat('\r\n').repeat(100_000))
const HUGE = 'x'.repeat(1_000_000)

/** Reads a whole INSTREAM or VERSION command, then calls. */
function onCommand(socket: Socket, call: (command: string, content: Buffer) => void) {
  const parts: Buffer[] = []
  let rest = Buffer.alloc(0)
  let isBegun = false
  socket.on('data', (chunk) => {
    rest = Buffer.concat([rest, chunk])
    if (!isBegun && rest.toString('latin1', 0, 9) === 'nVERSION\n') return call('VERSION', rest)
    if (!isBegun && rest.length < 10) return
    if (!isBegun) rest = rest.subarray(10)
    isBegun = true
    while (rest.length >= 4) {
      const size = rest.readUInt32BE(0)
      if (size === 0) return call('INSTREAM', Buffer.concat(parts))
      if (rest.length < 4 + size) return
      parts.push(rest.subarray(4, 4 + size))
      rest = rest.subarray(4 + size)
    }
  })
}

const answer = (said: string) => (socket: Socket) =>
  onCommand(socket, (command) => socket.end(command === 'VERSION' ? 'ClamAV 1.4.6/1/today\n' : said))
const sayAtOnce = (said: string) => (socket: Socket) => {
  socket.resume()
  socket.end(said)
}

/** What a clamd does with a connection, and what its admin then reads. */
const BROKEN: Readonly<Record<string, readonly [serve: (socket: Socket) => void, why: RegExp]>> = {
  'that is silent': [(socket) => socket.resume(), /no answer in time/],
  'that reads nothing': [(socket) => socket.pause(), /no answer in time/],
  'that hangs up': [(socket) => socket.destroy(), /broke|ECONNRESET|EPIPE/],
  'that ends without a word': [sayAtOnce(''), /said: Scan aborted|broke|EPIPE|ECONNRESET/],
  'that ends after the scan': [answer(''), /said nothing/],
  'that hangs up half-way': [(socket) => socket.once('data', () => socket.destroy()), /broke|ECONNRESET|EPIPE/],
  'that is another server': [sayAtOnce('220 mx.test ESMTP\r\n'), /said: Scan aborted|220 mx/],
  'that says OK before it has seen anything': [sayAtOnce('stream: OK\0'), /Scan aborted/],
  'of garbage': [answer('\0\x01\xff what?\n'), /what/],
  'that says OK of something else': [answer('/tmp/x: OK\0'), /\/tmp\/x: OK/],
  'that says OK twice': [answer('stream: OK\0stream: OK\0'), /said: stream: OK stream: OK/],
  'that says OK and more': [answer('stream: OK\0stream: X FOUND\0'), /said:/],
  'that says half of it': [answer('stream: '), /said/],
  'that cannot': [answer("stream: Can't create temporary file ERROR\0"), /temporary file/],
  'that has timed out': [answer('COMMAND READ TIMED OUT\0'), /TIMED OUT/],
  'that does not know the command': [answer('UNKNOWN COMMAND\0'), /UNKNOWN/],
  'that goes on and on': [
    (socket) => {
      socket.resume()
      const more = () => {
        while (!socket.destroyed && socket.write(HUGE));
      }
      socket.on('drain', more)
      more()
    },
    /too long/,
  ],
}

async function until(isSo: () => boolean): Promise<void> {
  const end = Date.now() + 10_000
  while (!isSo()) {
    if (Date.now() > end) throw new Error('it never was so')
    await turn()
  }
}

for (const [which, [serve, why]] of Object.entries(BROKEN))
  test(`mail waits for a clamd ${which}, or goes on if the admin wants it`, async (t) => {
    const sockets: Socket[] = []
    const broken = await startBroken(t, (socket) => {
      sockets.push(socket)
      socket.on('end', () => socket.destroy())
      serve(socket)
    })
    const timeout = why.test('no answer in time') ? '500 ms' : '30 s'
    const options: AntivirusOptions = { servers: [broken.server], timeout, cache: { entries: 0 } }
    const { send, events, run, queue } = await startAntivirus(t, { options })
    assert.deepEqual((await send({ content: LARGE })).reply, LATER)
    assert.equal(await queue.count(), 0)
    const [state] = await run('antivirus status')
    assert.match(`${state?.lastFailure}`, why)
    const lenient = await startAntivirus(t, { options: { ...options, whenDown: 'skip' } })
    const { reply, findings } = await lenient.send({ content: LARGE })
    assert.deepEqual([reply.code, findings.antivirus], [250, 'unavailable'])
    await lenient.deliver()
    assert.match(lenient.delivered[0]?.content ?? '', /X-Virus-Status: unavailable\r\n/)
    assert.deepEqual(
      events.filter(({ name }) => /fault/.test(name)),
      [],
    )
    for (const socket of sockets) socket.resume()
    await until(() => broken.open === 0)
  })

test('a slow clamd that answers in time is waited for', async (t) => {
  const asked: Socket[] = []
  const broken = await startBroken(t, (socket) => onCommand(socket, () => asked.push(socket)))
  const { send } = await startAntivirus(t, { options: { servers: [broken.server], cache: { entries: 0 } } })
  const sent = send()
  await until(() => asked.length === 1)
  asked[0]?.write('stream: ')
  await turn()
  asked[0]?.end('OK\0')
  const { reply, findings } = await sent
  assert.deepEqual([reply.code, findings.antivirus], [250, 'clean'])
})

test('the next clamd is asked, and one that fails is left alone for a while', async (t) => {
  let isWell = false
  const first = await startBroken(t, (socket) => (isWell ? answer('stream: OK\0')(socket) : socket.destroy()))
  const second = await startBroken(t, answer('stream: OK\0'))
  const gone = `127.0.0.1:${await freePort()}`
  const servers = [gone, first.server, second.server]
  const { send, run, advance } = await startAntivirus(t, {
    options: { servers, failures: 2, pause: '1 min', cache: { entries: 0 } },
  })
  const states = async () =>
    (await run('antivirus status')).filter(({ server }) => server !== undefined).map(({ state }) => state)
  for (let n = 0; n < 3; n++) assert.equal((await send()).reply.code, 250)
  assert.deepEqual([first.connections, second.connections], [2, 3])
  assert.deepEqual(await states(), ['paused', 'paused', 'in use'])
  await advance(60_000)
  isWell = true
  assert.deepEqual(await states(), ['on trial', 'on trial', 'in use'])
  assert.equal((await send()).reply.code, 250)
  assert.deepEqual(await states(), ['paused', 'in use', 'in use'])
})

test('when all are paused nobody waits for them, and a command still tells', async (t) => {
  const broken = await startBroken(t, (socket) => socket.destroy())
  const { send, run } = await startAntivirus(t, { options: { servers: [broken.server], failures: 1 } })
  for (let n = 0; n < 5; n++) assert.deepEqual((await send()).reply, LATER)
  assert.equal(broken.connections, 1)
  const said = await run('antivirus status')
  assert.deepEqual([said[0]?.state, said[1]?.version], ['paused', null])
  await assert.rejects(run('antivirus scan', { input: 'x' }), /no clamd answers/)
  await assert
    .rejects(run('antivirus rescan', { options: { since: '7 days' } }), /no clamd answers|0 scanned/)
    .catch(() => undefined)
})

test('no more scans at a time than the admin allows; who waits too long comes again', async (t) => {
  const asked: Socket[] = []
  const broken = await startBroken(t, (socket) => onCommand(socket, () => asked.push(socket)))
  const { send } = await startAntivirus(t, {
    options: { servers: [broken.server], concurrency: 2, timeout: '30 s', failures: 100, cache: { entries: 0 } },
  })
  const sent = [send(), send(), send()]
  await until(() => asked.length === 2)
  for (let n = 0; n < 50; n++) await turn()
  assert.equal(asked.length, 2)
  asked[0]?.end('stream: OK\0')
  await until(() => asked.length === 3)
  for (const socket of asked.slice(1)) socket.end('stream: OK\0')
  assert.deepEqual(
    (await Promise.all(sent)).map(({ reply }) => reply.code),
    [250, 250, 250],
  )
})

test('the same content is scanned once, until there are new signatures or time has passed', async (t) => {
  let version = 1
  let scans = 0
  const broken = await startBroken(t, (socket) =>
    onCommand(socket, (command) => {
      if (command === 'INSTREAM') scans++
      socket.end(command === 'VERSION' ? `ClamAV 1.4.6/${version}/today\n` : 'stream: OK\0')
    }),
  )
  const { send, advance } = await startAntivirus(t, { options: { servers: [broken.server] } })
  const traced = (hop: string) => `Received: from ${hop}\r\n\tby x; today\r\nReturn-Path: <${hop}@x>\r\n${letter()}`
  await send()
  await send({ content: traced('a') })
  await send({ content: traced('b') })
  assert.equal(scans, 1)
  await send({ content: letter('Hello Bob!\r\n') })
  assert.equal(scans, 2)
  version++
  await advance(60_000)
  await send()
  assert.equal(scans, 3)
  await advance(600_000)
  await send()
  assert.equal(scans, 4)
})

test('what clamd is sent is the message, octet for octet, below a line that tells it what it is', async (t) => {
  const seen: string[] = []
  const broken = await startBroken(t, (socket) =>
    onCommand(socket, (_, content) => {
      seen.push(content.toString('latin1'))
      socket.end('stream: OK\0')
    }),
  )
  const { send } = await startAntivirus(t, { options: { servers: [broken.server], cache: { entries: 0 } } })
  const contents = [
    letter(),
    LARGE,
    `X-Odd: 1\r\n${letter('\xff. \t\r\n\r\n')}`,
    '\r\nno header\r\n',
    'Received: x\r\n\r\nbody\r\n',
    `Received: y\r\n\t${'z'.repeat(2000)}\r\nSubject: x\r\n\r\nbody\r\n`,
  ]
  for (const content of contents) assert.equal((await send({ content })).reply.code, 250)
  const expected = contents.map((content) => `Received: by antivirus\r\n${content.replace('Received: x\r\n', '')}`)
  assert.deepEqual(seen, expected)
})

test('a clamd that never wants the rest has had too much; one that falls over the content has failed', async (t) => {
  let ends: 'half-way' | 'at the end' = 'half-way'
  const broken = await startBroken(t, (socket) => {
    let size = 0
    socket.on('data', (chunk) => {
      size += chunk.length
      if (ends === 'half-way' && size > 600_000) socket.resetAndDestroy()
    })
    onCommand(socket, (command) => {
      if (command === 'VERSION') socket.end('ClamAV 1.4.6\n')
      else socket.resetAndDestroy()
    })
  })
  const options: AntivirusOptions = { servers: [broken.server], oversize: 'refuse', cache: { entries: 0 } }
  const { send } = await startAntivirus(t, { options })
  assert.equal((await send({ content: LARGE })).reply.enhanced, '5.3.4')
  ends = 'at the end'
  assert.deepEqual((await send({ content: LARGE })).reply, LATER)
})
