/** Rspamd and SpamAssassin: real ones, and ones that are broken in every way. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { senderAuth } from 'iems/plugins/sender-auth'
import { missing } from 'iems/testing'
import { fieldsOf, letter, type Settings, startAntispam } from '../support/antispam.ts'
import { freePort } from '../support/running-server.ts'
import { GTUBE, RSPAMD, SPAMD, startBroken, startRspamd, startSpamd } from '../support/spam-filters.ts'

const about = (subject: string, body = 'x') =>
  `From: Ann <ann@a.test>\r\nTo: bob@here.test\r\nSubject: ${subject}\r\nMessage-ID: <1@a.test>\r\n\r\n${body}\r\n`

// --- Rspamd ---

test('Rspamd hears of client and envelope, and each of its actions is done', { skip: missing(RSPAMD) }, async (t) => {
  const { server } = await startRspamd(t)
  const { send, run, deliver, delivered } = await startAntispam(t, {
    options: { rspamd: { servers: [server] }, greylist: { for: 'suspects', score: 100 } },
  })
  const plain = await send({ content: about('hello') })
  assert.deepEqual([plain.reply.code, plain.findings.rspamd], [250, '0'])
  const told = await send({ content: about('hello'), to: ['bob@here.test', 'eve@here.test'] })
  assert.deepEqual([told.findings.rspamd, told.findings['spam-reasons']], ['0.25 TEST_TOLD', 'rspamd=0.25'])

  const gtube = await send({ content: about('hello', GTUBE) })
  assert.equal(gtube.reply.code, 550)
  assert.match(gtube.reply.text, /^This looks like spam \([0-9A-Z]{26}\)$/)
  const junk = await send({ content: about('test-junk') })
  assert.deepEqual([junk.reply.code, junk.findings.junk, junk.findings.rspamd], [250, true, '7.5 TEST_JUNK'])
  const good = await send({ content: about('test-good') })
  assert.deepEqual([good.findings['spam-score'], good.findings.junk], [-3, undefined])
  const soft = await send({ content: about('test-soft') })
  assert.deepEqual(soft.reply, { code: 451, enhanced: '4.7.1', text: 'Try again later' })
  const grey = await send({ content: about('test-grey') })
  assert.match(grey.reply.text, /^Greylisted/)

  await deliver()
  const [content = ''] = delivered.map(({ content }) => content).filter((text) => /test-junk/.test(text))
  assert.match(fieldsOf(content, 'X-Spam-Status')[0] ?? '', /^Yes, score=7\.5 required=4 tests=rspamd=7\.5$/)
  assert.deepEqual(await run('antispam status'), [
    { scanner: 'rspamd', server, state: 'in use', failures: 0, answers: 7 },
  ])
})

test('what sender-auth has checked Rspamd does not check again', { skip: missing(RSPAMD) }, async (t) => {
  const { server } = await startRspamd(t)
  const options = { rspamd: { servers: [server] }, findings: {} }
  const alone = await startAntispam(t, { options })
  assert.equal((await alone.send({ content: about('test-spf') })).findings.rspamd, '1 TEST_SPF')
  const plugins = [senderAuth()]
  const beside = await startAntispam(t, { options, plugins })
  assert.equal((await beside.send({ content: about('test-spf') })).findings.rspamd, '0')
})

test('what is done about its actions, and what its score weighs, is the admin’s choice', {
  skip: missing(RSPAMD),
}, async (t) => {
  const { server } = await startRspamd(t)
  const rspamd = { servers: [server], reject: 'quarantine' as const, addHeader: 'none' as const, weight: 0.1 }
  const { send, queue } = await startAntispam(t, { options: { rspamd } })
  const junk = await send({ content: about('test-junk') })
  assert.deepEqual([junk.findings['spam-score'], junk.findings.junk], [0.75, undefined])
  assert.equal((await send({ content: about('x', GTUBE) })).reply.code, 250)
  const held = await Array.fromAsync(queue.list({}))
  assert.equal(held.filter(({ held }) => held !== undefined).length, 1)
})

test('a large message and an envelope of many odd addresses reach it whole', { skip: missing(RSPAMD) }, async (t) => {
  const { server } = await startRspamd(t)
  const { send } = await startAntispam(t, { options: { rspamd: { servers: [server] } } })
  const body = 'a line of seventy characters that nobody reads to the end of it, ever\r\n'.repeat(20_000)
  const to = Array.from({ length: 200 }, (_, n) => `"ö ${n}\t<x>"@here.test`)
  const { reply, findings } = await send({
    content: about('test-junk', body),
    to,
    from: '"a\tb ü"@a.test',
    helo: 'mail.ä.test\r\nQueue-Id: x\u0001',
  })
  assert.deepEqual([reply.code, findings.rspamd], [250, '7.5 TEST_JUNK'])
})

// --- SpamAssassin ---

test('SpamAssassin is asked as spamc asks it', { skip: missing(SPAMD) }, async (t) => {
  const { server } = await startSpamd(t)
  const { send, run } = await startAntispam(t, {
    options: { spamassassin: { servers: [server] }, thresholds: { junk: 100, refuse: 500 } },
  })
  const plain = await send({ content: about('hello') })
  assert.deepEqual([plain.reply.code, plain.findings.spamassassin], [250, '0'])
  assert.equal((await send({ content: about('hello', GTUBE) })).reply.code, 550)
  const junk = await send({ content: about('test-junk') })
  assert.deepEqual([junk.findings.spamassassin, junk.findings.junk], ['5.5 TEST_JUNK', true])
  const good = await send({ content: about('test-good') })
  assert.equal(good.findings['spam-reasons'], 'spamassassin=-2')
  const [state] = await run('antispam status')
  assert.deepEqual(state, { scanner: 'spamassassin', server, state: 'in use', failures: 0, answers: 4 })
})

test('SpamAssassin says of a client that it has no name only when a look-up said so', {
  skip: missing(SPAMD),
}, async (t) => {
  const { server } = await startSpamd(t)
  const { send } = await startAntispam(t, { options: { spamassassin: { servers: [server] } } })
  const named = await send({ content: about('hello'), name: 'mail.a.test' })
  assert.equal(named.findings.spamassassin, '0')
  const unnamed = await send({ content: about('hello'), name: null })
  assert.match(`${unnamed.findings.spamassassin}`, /TEST_RDNS_NONE/)
})

test('SpamAssassin is told when the name of a client is not known, so that it asks', async (t) => {
  const asked: string[] = []
  const spamd = await startBroken(t, (socket) => {
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.on('end', () => {
      asked.push(text)
      socket.end('SPAMD/1.1 0 EX_OK\r\nSpam: False ; 0.0 / 5.0\r\n\r\n\r\n')
    })
  })
  const { send } = await startAntispam(t, { options: { spamassassin: { servers: [spamd.server] } } })
  for (const client of [{}, { ip: '2001:db8::1' }, { name: 'mail.a.test' }, { name: null }])
    assert.equal((await send({ content: about('hello', 'x'.repeat(20_000)), ...client })).reply.code, 250)
  const shown = asked.map((text) => /Received: from \S+ \(([^)]*)\)/.exec(text)?.[1])
  assert.deepEqual(shown, [
    'softdnserr [192.0.2.1]',
    'softdnserr [IPv6:2001:db8::1]',
    'mail.a.test [192.0.2.1]',
    'unknown [192.0.2.1]',
  ])
  for (const text of asked) {
    const [head = ''] = text.split('\r\n\r\n', 1)
    assert.equal(/Content-length: (\d+)/.exec(head)?.[1], `${text.length - head.length - 4}`)
  }
})

// --- when they fail ---

const HUGE = 'x'.repeat(1_000_000)
const http = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
const say = (text: string) => (socket: Socket) => {
  socket.resume()
  socket.write(text)
}
const BROKEN: Readonly<
  Record<string, { scanner: 'rspamd' | 'spamassassin'; serve: (socket: Socket) => void; why?: RegExp }>
> = {
  'silent rspamd': { scanner: 'rspamd', serve: (socket) => socket.resume() },
  'an rspamd that reads nothing': { scanner: 'rspamd', serve: (socket) => socket.pause() },
  'an rspamd that hangs up': { scanner: 'rspamd', serve: (socket) => socket.destroy() },
  'an rspamd of garbage': { scanner: 'rspamd', serve: say('\0\x01 what?\r\n\r\n') },
  'an rspamd without JSON': { scanner: 'rspamd', serve: say(http('oh')) },
  'an rspamd with other JSON': { scanner: 'rspamd', serve: say(http('{"action":1,"score":"many"}')) },
  'an rspamd with an error': { scanner: 'rspamd', serve: say('HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n') },
  'an rspamd that goes on and on': {
    scanner: 'rspamd',
    why: /too long/,
    serve(socket) {
      socket.resume()
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      const more = () => {
        while (!socket.destroyed && socket.write(`${HUGE.length.toString(16)}\r\n${HUGE}\r\n`));
      }
      socket.on('drain', more)
      more()
    },
  },
  'a silent spamd': { scanner: 'spamassassin', serve: (socket) => socket.resume() },
  'a spamd that reads nothing': { scanner: 'spamassassin', serve: (socket) => socket.pause() },
  'a spamd that hangs up': { scanner: 'spamassassin', serve: (socket) => socket.destroy() },
  'a spamd of garbage': {
    scanner: 'spamassassin',
    serve(socket) {
      socket.resume()
      socket.end('220 no\r\n\r\n')
    },
  },
  'a spamd with an error': {
    scanner: 'spamassassin',
    serve(socket) {
      socket.resume()
      socket.end('SPAMD/1.1 74 EX_IOERR\r\nSpam: True ; 15.0 / 5.0\r\n\r\n')
    },
  },
  'a spamd that goes on and on': {
    scanner: 'spamassassin',
    why: /too long/,
    serve(socket) {
      socket.resume()
      const more = () => {
        while (!socket.destroyed && socket.write(HUGE));
      }
      socket.on('drain', more)
      more()
    },
  },
}
/** More than the sockets take by themselves. */
const LARGE = about('x', 'y'.repeat(76).concat('\r\n').repeat(100_000))

for (const [name, { scanner, serve, why = /./ }] of Object.entries(BROKEN))
  test(`mail goes on without ${name}, and is told so; or waits, if the admin wants it`, async (t) => {
    const broken = await startBroken(t, serve)
    // What is too long is noticed before the time is up, however slow the machine is.
    const timeout = why.source === '.' ? '200 ms' : '20 s'
    const settings = { servers: [broken.server], timeout, maxSize: '20 MB' }
    const { send, events, run } = await startAntispam(t, { options: { [scanner]: settings } })
    const { reply, findings } = await send({ content: LARGE })
    const [state] = await run('antispam status')
    assert.match(`${state?.lastFailure}`, why)
    assert.deepEqual([reply.code, findings[scanner], findings.junk], [250, 'unavailable', undefined])
    const strict = await startAntispam(t, { options: { [scanner]: { ...settings, whenDown: 'defer' } } })
    assert.deepEqual((await strict.send({ content: LARGE })).reply, {
      code: 451,
      enhanced: '4.7.1',
      text: 'The message cannot be scanned now, try again later',
    })
    assert.deepEqual(
      events.filter(({ name }) => /fault/.test(name)),
      [],
    )
  })

test('the next server is asked, and one that fails is left alone for a while', async (t) => {
  let isWell = false
  const answer = (socket: Socket) => {
    socket.resume()
    socket.on('end', () => socket.end('SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1.5 / 5.0\r\n\r\nTEST\r\n'))
  }
  const first = await startBroken(t, (socket) => (isWell ? answer(socket) : socket.destroy()))
  const second = await startBroken(t, answer)
  const gone = `127.0.0.1:${await freePort()}`
  const settings: Settings = {
    options: { spamassassin: { servers: [gone, first.server, second.server], failures: 2, pause: '1 min' } },
  }
  const { send, run, advance } = await startAntispam(t, settings)
  const states = async () => (await run('antispam status')).map(({ state }) => state)
  for (let n = 0; n < 5; n++) assert.equal((await send()).findings.spamassassin, '1.5 TEST')
  assert.deepEqual([first.connections, second.connections], [2, 5])
  assert.deepEqual(await states(), ['paused', 'paused', 'in use'])
  await advance(60_000)
  assert.deepEqual(await states(), ['on trial', 'on trial', 'in use'])
  await send()
  assert.deepEqual([first.connections, second.connections], [3, 6])
  assert.deepEqual(await states(), ['paused', 'paused', 'in use'])
  isWell = true
  await advance(60_000)
  await send()
  assert.deepEqual(await states(), ['paused', 'in use', 'in use'])
  assert.deepEqual([first.connections, second.connections], [4, 6])
})

test('what is too large is not scanned, and what is refused anyhow neither', async (t) => {
  const broken = await startBroken(t, (socket) => socket.destroy())
  const zone = { 'A 1.2.0.192.bl.test': ['127.0.0.2'] }
  const { send } = await startAntispam(t, {
    zone,
    options: {
      lists: [{ zone: 'bl.test', score: 20 }],
      thresholds: { refuse: 15 },
      spamassassin: { servers: [broken.server], maxSize: '10 KB' },
    },
  })
  assert.equal((await send()).reply.code, 550)
  const { findings } = await send({ ip: '192.0.2.2', content: letter('x'.repeat(20_000)) })
  assert.equal(findings.spamassassin, undefined)
  assert.equal(broken.connections, 0)
})
