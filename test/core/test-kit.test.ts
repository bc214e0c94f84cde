/** 'iems/testing' as the author of a plugin uses it. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { definePlugin, refuse } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import {
  clientChannel,
  connectLineClient,
  createTestKernel,
  deliveredTo,
  missing,
  playTranscript,
  runProgram,
  startProgram,
} from 'iems/testing'
import * as z from 'zod'

/** Refuses strangers from one network, lets nobody but authenticated clients use one sender, counts its calls. */
const gate = definePlugin({
  name: 'gate',
  config: z.undefined(),
  setup: () => ({
    hooks: {
      connect: ({ remote, trusted }) =>
        remote.address.startsWith('198.51.100.') && !trusted ? refuse(554, '5.7.1', 'Not from there') : undefined,
      helo: ({ helo }) => (helo === 'bad.test' ? refuse(550, '5.7.1', 'Not with that name') : undefined),
      mail: ({ from, session }) =>
        from === 'boss@here.test' && session.identity?.user !== 'boss' ? refuse(550, '5.7.1', 'Not you') : undefined,
      rcpt: ({ to }) => (to.address === 'gone@here.test' ? refuse(550, '5.1.1', 'No such user') : undefined),
      check: (_, { note }) => note('seen', true),
    },
    commands: {
      'gate echo': {
        summary: 'Print the input',
        reads: true,
        async *run({ input, options }) {
          for await (const chunk of input) yield { text: Buffer.from(chunk).toString(), value: options }
        },
      },
    },
  }),
})

const letter = { from: 'a@far.test', to: ['b@here.test', 'gone@here.test'] }

test('a session submits as an external client: address, HELO name and identity count', async (t) => {
  const kernel = await createTestKernel(t, { plugins: [gate()] })
  const sent = await kernel.session().submit(letter)
  assert.deepEqual([sent.reply.code, sent.refused.map(({ address }) => address)], [250, ['gone@here.test']])
  await kernel.deliver()
  assert.deepEqual(kernel.delivered[0]?.to, ['b@here.test'])
  assert.equal((await kernel.queue.trace(sent.id ?? ''))?.findings.length, 1)
  const code = async (...client: Parameters<typeof kernel.session>) =>
    (await kernel.session(...client).submit({ ...letter, from: 'boss@here.test' })).reply.code
  assert.equal(await code(), 550)
  assert.equal(await code({ identity: { kind: 'identity', user: 'boss', mayRelay: true } }), 250)
  assert.equal((await kernel.session({ helo: 'bad.test' }).submit(letter)).reply.text, 'Not with that name')
  assert.equal((await kernel.session({ remote: { address: '198.51.100.7' } }).submit(letter)).reply.code, 554)
})

test('a session has the trust of the channel it names', async (t) => {
  const channels = { in: clientChannel({ trusts: ['198.51.100.0/24'] }) }
  const kernel = await createTestKernel(t, { channels, deliver: deliveredTo, plugins: [gate()] })
  const codeOf = async (channel: string) =>
    (await kernel.session({ channel, remote: { address: '198.51.100.7' } }).submit(letter)).reply.code
  assert.deepEqual([await codeOf('in'), await codeOf('other')], [250, 554])
})

test('a command runs as `iems` runs it', async (t) => {
  const kernel = await createTestKernel(t, { plugins: [gate()] })
  assert.deepEqual(await kernel.command('gate echo', { input: 'hello', options: { all: true } }), [
    { text: 'hello', value: { all: true } },
  ])
  assert.throws(() => void kernel.command('gate open'), /no plugin has the command "gate open"; there are: .*gate echo/)
})

const tls = { cert: 'test/fixtures/tls/mx.pem', key: 'test/fixtures/tls/mx.key' }

async function play(t: TestContext, transcript: string): Promise<void> {
  const kernel = await createTestKernel(t, { channels: { mx: smtpIn({ listen: '127.0.0.1:0', tls }) } })
  await playTranscript(await connectLineClient(t, kernel.listener('mx').port), transcript)
}

test('a transcript is played, over TLS as well', (t) =>
  play(t, 'S: 220 mx.test*\nC: STARTTLS\nS: 220 *\nTLS\n\n# after\nC: NOOP\nS: 250 2.0.0 *\nC: QUIT\nS: 221 *\nEND\n'))

test('a transcript fails where the server differs from it', async (t) => {
  await assert.rejects(play(t, 'S: 220 *\nC: NOOP\nS: 250 9*'), /line 3: S: 250 9\*\nthe server sent: 250 2\.0\.0/)
  await assert.rejects(play(t, 'S: 220 *\nC: NOOP'), /sent more than the transcript has: 250/)
  await assert.rejects(play(t, 'S: 220 *\nC: QUIT\nEND'), /the server sent: 221/)
  await assert.rejects(play(t, 'S: 220 *\nC: QUIT\nS: 221 *\nS: 250 *'), /the server has closed the connection/)
  await assert.rejects(play(t, 'S: 220 *\nhello'), /not a line of a transcript/)
  const line = 'S: 220 mx.test E*P *MS'
  await assert.rejects(play(t, line.replace('*P', '*Q')), /line 1/)
  await play(t, `${line}\nC: QUIT\nS: 221 *`)
})

test('a program is started until it is ready, and is gone with its children afterwards', async (t) => {
  const ended: (() => Promise<void> | void)[] = []
  const scope = { after: (end: () => Promise<void> | void) => void ended.push(end) }
  const child = `require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 9e5)'])`
  const script = `const child = ${child}; console.log('ready', child.pid); setInterval(() => {}, 9e5)`
  const program = await startProgram(scope, process.execPath, ['-e', script], { ready: /ready \d+\n/ })
  const pid = Number(/\d+/.exec(program.output())?.[0])
  assert.equal(process.kill(pid, 0), true)
  for (const end of ended) await end()
  assert.throws(() => process.kill(-program.pid, 0), { code: 'ESRCH' })
  const broken = startProgram(t, process.execPath, ['-e', 'console.error("no licence"); process.exitCode = 3'], {
    ready: { ports: [1] },
  })
  await assert.rejects(broken, /has ended:\nno licence/)
  await assert.rejects(startProgram(t, '/nowhere/server', [], { ready: /x/ }), /ENOENT/)
})

test('a program runs to its end with its input', async () => {
  const echo = 'process.stdin.pipe(process.stdout); process.exitCode = 4'
  assert.deepEqual(await runProgram(process.execPath, ['-e', echo], { input: 'hello' }), {
    code: 4,
    out: 'hello',
    err: '',
  })
  assert.equal(missing(process.execPath), false)
  assert.equal(missing('/nowhere/a', process.execPath, '/nowhere/b'), 'not installed: /nowhere/a, /nowhere/b')
})
