/** A server as an admin meets it: started, asked, reloaded, stopped, by the command and by signals. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { smtpReplyFaults } from '../support/reply-grammar.ts'
import { freePort, iemsCommand, startProcess, tempFolder } from '../support/running-server.ts'
import { startSink, until } from '../support/smtp-sink.ts'

function configText({ listen, nexthop, extra = '' }: { listen: string; nexthop: string; extra?: string }): string {
  return `
import { defineConfig } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
export default defineConfig({
  hostname: 'mx.test',
  channels: {
    mx: smtpIn({ listen: '${listen}' }, { trusts: ['127.0.0.0/8'] }),
    relay: smtpOut({ nexthop: '${nexthop}', tls: 'off' }),
  },
  ${extra}
})
`
}

async function greeting(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  assert.deepEqual(smtpReplyFaults(`${chunk}`), [], `${chunk}`)
  return `${chunk}`
}

test('a message goes in by the command, waits, is explained, and goes out when the next hop is there', async (t) => {
  const folder = await tempFolder(t)
  const port = await freePort()
  const server = await startProcess(t, folder, configText({ listen: '127.0.0.1:0', nexthop: `127.0.0.1:${port}` }))

  const sent = await server.iemsWithInput(
    'Subject: first\nTo: you@far.example\n\nHello\n',
    'send',
    '--json',
    '-t',
    '--from',
    'me@here.example',
  )
  assert.equal(sent.code, 0, sent.err)
  const { id } = JSON.parse(sent.out) as { id: string }
  await server.line(/delivery\.deferred/)
  const list = JSON.parse((await server.iems('queue', '--json')).out) as {
    message: string
    recipients: { last: string }[]
  }
  assert.equal(list.message, id)
  assert.match(list.recipients[0]?.last ?? '', /^451 4\.4\.1 /)
  assert.match((await server.iems('queue')).out, /relay → 127\.0\.0\.1:\d+ {2}next try in 5 min, 1 attempt made/)
  const status = (await server.iems('status')).out
  assert.match(status, /SMTP +127\.0\.0\.1:\d+ +mx/)
  assert.match(status, /kernel +running +for \d+ s +0 sessions, 0 deliveries/)

  const sink = await startSink(t, { listen: { port } })
  assert.match((await server.iems('queue', 'retry', id)).out, /^1 delivery due now/)
  await server.line(/delivery\.delivered/)
  assert.equal(sink.messages.length, 1)
  const story = (await server.iems('message', 'show', id)).out
  assert.match(story, /finished/)
  assert.match(story, /route relay <you@far\.example>: route relay 127/)
  assert.match(story, /deferred <you@far\.example>.*connection refused/)
  assert.match(story, /delivered <you@far\.example>.*250/)
  assert.match((await server.iems('queue')).out, /The queue is empty/)

  const unknown = await server.iems('message', 'show', 'NOTHING')
  assert.equal(unknown.code, 1)
  assert.match(unknown.err, /There is no message NOTHING\nSee `iems queue`/)
  assert.equal((await stat(join(folder, 'data/control.sock'))).mode & 0o777, 0o600)
  assert.match((await server.iems('queue', 'remove')).err, /Say which deliveries are meant/)

  assert.equal((await server.iems('stop')).code, 0)
  assert.equal(await server.ended(), 0)
  assert.match((await server.iems('status')).err, /No server answers/)
})

test('a second server on the same folder is refused with a clear word', async (t) => {
  const folder = await tempFolder(t)
  const server = await startProcess(t, folder, configText({ listen: '127.0.0.1:0', nexthop: '127.0.0.1:1' }))
  const second = await iemsCommand(['start', '--config', server.config])
  assert.equal(second.code, 1)
  assert.match(second.err, /is in use by another process\nOnly one server may use a data folder/)
})

test('a reload changes over without a gap, and a wrong configuration changes nothing', async (t) => {
  const folder = await tempFolder(t)
  const port = await freePort()
  const other = await freePort()
  const listen = `127.0.0.1:${port}`
  const text = (hostname: string) => configText({ listen, nexthop: '127.0.0.1:1' }).replace('mx.test', hostname)
  const server = await startProcess(t, folder, text('one.test'))
  assert.match(await greeting(port), /^220 one\.test /)

  // A client in the middle of a session keeps the server it has.
  const open = connect(port, '127.0.0.1')
  await once(open, 'data')
  let gaps = 0
  let stop = false
  const knocking = (async () => {
    while (!stop) await greeting(port).catch(() => gaps++)
  })()

  await writeFile(server.config, text('two.test'))
  assert.equal((await server.iems('reload')).code, 0)
  assert.match(await greeting(port), /^220 two\.test /)

  await writeFile(server.config, text('three.test').replace('nexthop', 'nexthopp'))
  const wrong = await server.iems('reload')
  assert.equal(wrong.code, 1)
  assert.match(wrong.err, /channels\.relay: .*nexthopp/)
  assert.match(await greeting(port), /^220 two\.test /)

  // A listener that cannot be opened undoes the whole change.
  await writeFile(server.config, text('four.test').replace(`'${listen}'`, `['${listen}', '203.0.113.1:${other}']`))
  assert.match((await server.iems('reload')).err, /203\.0\.113\.1:\d+ cannot be opened/)
  assert.match(await greeting(port), /^220 two\.test /)

  await writeFile(server.config, text('five.test'))
  server.process.kill('SIGHUP')
  for (const end = Date.now() + 60_000; !(await greeting(port)).includes('five.test'); ) assert.ok(Date.now() < end)
  stop = true
  await knocking
  assert.equal(gaps, 0, 'the listener refused a client')
  open.destroy()
})

test('SIGTERM ends the server when what is under way is done; a second one ends it at once', async (t) => {
  const folder = await tempFolder(t)
  const sink = await startSink(t, { answer: (command) => (command === 'END' ? 'stall' : undefined) })
  const server = await startProcess(
    t,
    folder,
    configText({ listen: '127.0.0.1:0', nexthop: `127.0.0.1:${sink.port}`, extra: "drain: '20 s'," }),
  )
  await server.iemsWithInput('Subject: x\n\nx\n', 'send', 'you@far.example')
  await until(() => sink.sessions.length > 0, 'a connection to the next hop')
  server.process.kill('SIGTERM')
  await server.line(/server\.stopping/)
  assert.equal(server.process.exitCode, null)
  server.process.kill('SIGTERM')
  assert.equal(await server.ended(), 0)
  const again = await startProcess(t, folder)
  assert.match((await again.iems('queue')).out, /1 delivery waits/)
})

test('check tells every problem at once and hooks prints the order of taps', async (t) => {
  const folder = await tempFolder(t)
  const config = join(folder, 'iems.config.ts')
  await writeFile(config, configText({ listen: '127.0.0.1:0', nexthop: '127.0.0.1:1' }))
  assert.match((await iemsCommand(['check', '--config', config])).out, /is in order/)
  const order = JSON.parse((await iemsCommand(['hooks', '--json', '--config', config])).out) as { route: unknown }
  assert.deepEqual(order.route, [{ plugin: 'relay', stage: 'last' }])
  await writeFile(
    config,
    (await readFile(config, 'utf8')).replace("tls: 'off'", "tls: 'offf'").replace('listen:', 'lissten:'),
  )
  const wrong = await iemsCommand(['check', '--config', config])
  assert.equal(wrong.code, 1)
  assert.match(wrong.err, /channels\.mx: .*lissten/)
  assert.match(wrong.err, /channels\.relay\.tls: .*got "offf"/)
})

test('a reader of the output who has seen enough is no error', async (t) => {
  const folder = await tempFolder(t)
  await writeFile(join(folder, 'iems.config.ts'), "export default { channels: {}, hostname: 'mx.test' }\n")
  const config = join(folder, 'iems.config.ts')
  const shell = `"${process.execPath}" --conditions=source core/cli/main.ts hooks --config "${config}" | true; echo "\${PIPESTATUS[0]}"`
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', shell], {
    cwd: join(import.meta.dirname, '../..'),
  })
  assert.match(stdout, /^0\n$/)
  assert.equal(stderr, '')
})

test('the control socket answers nonsense with an error and goes on', async (t) => {
  const folder = await tempFolder(t)
  const server = await startProcess(t, folder, configText({ listen: '127.0.0.1:0', nexthop: '127.0.0.1:1' }))
  for (const line of [
    '',
    '{',
    '{}',
    '{"v":2,"method":"status"}',
    '{"v":1,"method":"format"}',
    '\0\0\0',
    '[]'.repeat(10_000),
  ]) {
    const socket = connect(join(folder, 'data/control.sock'))
    socket.write(`${line}\n`)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    assert.match(answer.toString(), /"error":\{"code":"IEMS_CONTROL_REFUSED"/)
    socket.destroy()
  }
  assert.equal((await server.iems('status')).code, 0)
})

test('a server in memory starts in an empty folder and answers the command', async (t) => {
  const folder = await tempFolder(t)
  const server = await startProcess(t, folder, configText({ listen: '127.0.0.1:0', nexthop: '127.0.0.1:1' }), [
    '--memory',
  ])
  assert.equal((await server.iems('status')).code, 0)
})

test('a plugin brings commands of its own, which read and write files of any size', async (t) => {
  const folder = await tempFolder(t)
  await writeFile(
    join(folder, 'plugin.ts'),
    `import { definePlugin } from 'iems'
const none = { '~standard': { version: 1, vendor: 'test', validate: () => ({ value: undefined }) } } as const
export const echo = definePlugin({
  name: 'echo',
  config: none,
  setup: () => ({
    commands: {
      'echo back': {
        summary: 'says it again',
        arguments: ['<word>', '[more...]'],
        options: { '--loud-voice': 'in capitals', '--times <count>': 'so often' },
        reads: true,
        writes: true,
        async *run({ arguments: words, options, input }) {
          let size = 0
          for await (const chunk of input) {
            size += chunk.length
            yield { progress: size + ' octets' }
            yield { bytes: chunk }
          }
          yield { text: words.join(' '), value: { words, options, size } }
        },
      },
      'echo fail': { summary: 'does not', async *run() { throw new Error('it was asked to') } },
    },
  }),
})
`,
  )
  const config = configText({ listen: '127.0.0.1:0', nexthop: '127.0.0.1:1', extra: 'plugins: [echo()],' })
  const server = await startProcess(t, folder, `import { echo } from './plugin.ts'\n${config}`)
  const file = join(folder, 'file')
  const large = Buffer.alloc(3_000_001, 'abc\0\n')
  await writeFile(file, large)
  const args = ['one', 'two', '--times', '3', '--loud-voice', '--json', '--input', file, '--output', `${file}.out`]
  const told = await server.iems('echo', 'back', ...args)
  assert.deepEqual(JSON.parse(told.out), {
    words: ['one', 'two'],
    options: { times: '3', 'loud-voice': true },
    size: large.length,
  })
  assert.equal(Buffer.compare(await readFile(`${file}.out`), large), 0)

  const piped = await server.iemsWithInput('from standard input', 'echo', 'back', 'said')
  assert.deepEqual([piped.out, piped.err], ['from standard input', 'said\n'])
  const failed = await server.iems('echo', 'fail')
  assert.deepEqual([failed.code, failed.err.includes('it was asked to')], [1, true])
  assert.match((await server.iems('echo', '--help')).out, /back .*says it again/)
  assert.equal((await server.iems('nonsense')).code, 1)

  await server.iems('stop')
  await server.ended()
  assert.match((await server.iems('--help')).out, /\becho\b/, 'the help knows them without a server')
  assert.equal((await server.iems('echo', 'back', 'x')).err, 'x\n', 'and the command runs without one')
})
