/**
 * A server of several workers: mail that comes in on one thread is read on another, and neither a worker that dies nor a
 * reload or stop loses what was answered 250.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connectLineClient } from 'iems/testing'
import { askServer } from '../../core/control/client.ts'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { type ImapTalk, talkTo } from '../support/imap-talk.ts'
import { freePort, type RunningServer, startProcess, tempFolder } from '../support/running-server.ts'
import { sendMany } from '../support/smtp-sender.ts'

const TO = 'ann@here.test'

interface Ports {
  /** A Unix socket, which only one worker can have. */
  readonly path: string
  readonly smtp: number
  readonly imap: number
}

interface Kernel {
  readonly worker?: number
  readonly state: string
  readonly sessions: number
}

/** A message whose text says so has an error thrown in its worker that nothing catches. */
const SABOTAGE = `
  import { definePlugin } from 'iems'
  import { setImmediate } from 'node:timers'
  export const sabotage = definePlugin({
    name: 'sabotage',
    config: { '~standard': { version: 1, vendor: 'test', validate: () => ({ value: undefined }) } },
    setup: () => ({
      hooks: {
        async check(message) {
          if (!String(message.headers.get('subject')).includes('sabotage')) return
          setImmediate(() => {
            if (String(message.headers.get('subject')).includes('hang')) for (;;);
            throw new Error('injected')
          })
        },
      },
    }),
  })`

/** The same each time, so that a reload finds the same accounts. */
const PEOPLE = [{ name: 'ann', addresses: [TO], password: await hashPassword('secret') }]

function configOf({ smtp, imap, path }: Ports, workers: number | string, rest = ''): string {
  return `
    import { defineConfig } from 'iems'
    import { accounts } from 'iems/plugins/accounts'
    import { imap } from 'iems/plugins/imap'
    import { mailstore } from 'iems/plugins/mailstore'
    import { smtpIn } from 'iems/plugins/smtp-in'
    import { sabotage } from './sabotage.ts'
    export default defineConfig({
      hostname: 'mx.test',
      workers: ${JSON.stringify(workers)},
      store: { path: 'data' },
      channels: {
        'smtp-in': smtpIn({ listen: ['127.0.0.1:${smtp}', 'unix:${path}'] }),
        imap: imap({ listen: '127.0.0.1:${imap}', authWithoutTls: true }),
        local: mailstore({}),
      },
      plugins: [sabotage(), accounts({ domains: ['here.test'], accounts: ${JSON.stringify(PEOPLE)} })],
      ${rest}
    })`
}

async function start(
  t: TestContext,
  workers: number | string,
  rest = '',
): Promise<{ server: RunningServer; ports: Ports }> {
  const folder = await tempFolder(t)
  const ports = { path: join(folder, 'smtp.sock'), smtp: await freePort(), imap: await freePort() }
  await writeFile(join(folder, 'sabotage.ts'), SABOTAGE)
  return { server: await startProcess(t, folder, configOf(ports, workers, rest)), ports }
}

async function logIn(t: TestContext, port: number): Promise<ImapTalk> {
  const client = await talkTo(t, port)
  await client.line()
  assert.match((await client.command('LOGIN ann secret')).at(-1) ?? '', /^OK/)
  await client.command('SELECT INBOX')
  return client
}

/** Waits until the mailbox has so many messages, and answers their subjects. */
async function subjectsIn(client: ImapTalk, count: number): Promise<string[]> {
  for (let tries = 0; ; tries++) {
    const lines = await client.command('UID SEARCH RETURN (COUNT) ALL')
    const found = Number(/COUNT (\d+)/.exec(lines.join('\n'))?.[1])
    if (found >= count || tries > 5000) break
  }
  await client.command('NOOP')
  const lines = await client.command('UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])')
  return [...lines.join('\n').matchAll(/^Subject: (\S+)/gm)].map(([, subject = '']) => subject).sort()
}

async function eventually(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) if (await isSo().catch(() => false)) return
  assert.fail('it never came true')
}

async function kernelsOf(server: RunningServer): Promise<readonly Kernel[]> {
  const { out } = await server.iems('status', '--json')
  return (JSON.parse(out) as { kernels: Kernel[] }).kernels
}

for (const workers of [2, 3]) {
  test(`with ${workers} workers every message that was answered 250 is in the mailbox once, and IDLE hears of it`, async (t) => {
    const { server, ports } = await start(t, workers)
    const idle = await Promise.all(Array.from({ length: 16 }, () => logIn(t, ports.imap)))
    const kernels = await kernelsOf(server)
    assert.deepEqual(
      kernels.map(({ worker }) => worker),
      Array.from({ length: workers }, (_, index) => index + 1),
    )
    assert.ok(kernels.filter(({ sessions }) => sessions > 0).length > 1, 'more than one worker serves')
    const told = idle.map(async (client) => {
      client.send('i IDLE\r\n')
      for (;;) if (/^\* \d+ EXISTS$/.test(await client.line())) return
    })
    const answered = await sendMany({ port: ports.smtp, to: TO, connections: 8, messages: 200 })
    assert.equal(answered.length, 200)
    await Promise.all(told)
    assert.deepEqual(await subjectsIn(await logIn(t, ports.imap), answered.length), [...answered].sort())
  })
}

test('the log, traces and metrics are those of all workers', async (t) => {
  const { server, ports } = await start(t, 2)
  const control = join(server.folder, 'data', 'control.sock')
  const run = (words: string, options: Record<string, string | true>, each: (item: unknown) => void) =>
    askServer(control, { v: 1, method: 'command', params: { words, arguments: [], options } }, each)
  const seen = { log: new Set<unknown>(), trace: new Set<unknown>() }
  const noted = (of: Set<unknown>) => (item: unknown) => {
    const { value } = item as { value?: { event: string; fields: { worker?: number } } }
    if (value?.event.startsWith('session.')) of.add(value.fields.worker)
  }
  // Both end with the server.
  run('log', { follow: true, level: 'debug', lines: '0' }, noted(seen.log)).catch(() => {})
  run('trace', { from: '127.0.0.1' }, noted(seen.trace)).catch(() => {})
  let sessions = 0
  await eventually(async () => {
    sessions++
    await (await logIn(t, ports.imap)).command('LOGOUT')
    return seen.log.size === 2 && seen.trace.size === 2
  })
  let counted = 0
  const labels: Record<string, string>[] = []
  await run('metrics', { begins: 'iems_' }, (item) => {
    const { value } = item as { value: { name: string; value: number; labels: Record<string, string> } }
    if (value.name === 'iems_connections_total' && value.labels.plugin === 'imap') counted += value.value
    if (value.name === 'iems_memory_bytes') labels.push(value.labels)
  })
  assert.equal(counted, sessions)
  assert.deepEqual(labels, [{ worker: '1' }, { worker: '2' }])
  const events = new Set<string>()
  await run('log', { lines: '1000' }, (item) => events.add((item as { value: { event: string } }).value.event))
  assert.ok(events.has('worker.started'), 'the lines of the main thread are there too')
})

test('a worker that dies takes only its own connections', async (t) => {
  const { server, ports } = await start(t, 2)
  const sessions = await Promise.all(Array.from({ length: 12 }, () => logIn(t, ports.imap)))
  const kernels = await kernelsOf(server)
  await sendMany({ port: ports.smtp, to: TO, connections: 1, messages: 1, subject: () => 'sabotage' })
  const { worker } = JSON.parse(await server.line(/"worker\.died"/)) as { worker: number }
  const answers = await Promise.allSettled(sessions.map((client) => client.command('NOOP')))
  assert.equal(
    answers.filter(({ status }) => status === 'fulfilled').length,
    kernels.find((kernel) => kernel.worker !== worker)?.sessions,
  )
})

test('when the worker that leads dies, another has its Unix socket and the control socket', async (t) => {
  const { server, ports } = await start(t, 2)
  for (let death = 1; death <= 2; death++) {
    const client = await connectLineClient(t, { path: ports.path })
    assert.match((await client.line()) ?? '', /^220/)
    client.send('HELO a.test\r\nMAIL FROM:<a@there.test>\r\nRCPT TO:<ann@here.test>\r\nDATA\r\n')
    for (const code of ['250', '250', '250', '354']) assert.equal((await client.line())?.slice(0, 3), code)
    client.send('Subject: sabotage\r\n\r\n.\r\n')
    await client.rest()
    await eventually(async () => (await kernelsOf(server)).length === 2)
    assert.equal(server.lines.filter((line) => line.includes('"worker.died"')).length, death)
  }
})

test('what was answered 250 outlives the workers that die in the middle, and nothing is there twice', async (t) => {
  const { server, ports } = await start(t, 2)
  const answered = await sendMany({
    port: ports.smtp,
    to: TO,
    connections: 6,
    messages: 300,
    text: () => 'x'.repeat(20_000),
    subject: (index) => (index % 100 === 50 ? `sabotage-${index}` : `message-${index}`),
  })
  const deaths = server.lines.filter((line) => line.includes('"worker.died"')).length
  t.diagnostic(`${answered.length} of 300 answered, ${deaths} deaths`)
  assert.ok(deaths > 0)
  assert.ok(answered.length > 200)
  const found = await subjectsIn(await logIn(t, ports.imap), answered.length)
  assert.equal(new Set(found).size, found.length)
  assert.deepEqual(
    answered.filter((name) => !found.includes(name)),
    [],
  )
  assert.equal((await server.iems('status')).code, 0)
  await server.iems('stop')
  assert.equal(await server.ended(), 0)
})

test('a worker whose event loop hangs is ended and replaced, and the others go on', async (t) => {
  const { server, ports } = await start(t, 2, "watchdog: '3 s',")
  await sendMany({ port: ports.smtp, to: TO, connections: 1, messages: 1, subject: () => 'sabotage-hang' })
  const { worker } = JSON.parse(await server.line(/"worker\.hung"/)) as { worker: number }
  await server.line(/"worker\.died"/)
  await eventually(async () => (await kernelsOf(server)).some((kernel) => kernel.worker === worker))
})

test('reload and stop with workers lose nothing, and a wrong configuration changes nothing', async (t) => {
  const { server, ports } = await start(t, 2)
  const before = await logIn(t, ports.imap)
  const sending = sendMany({ port: ports.smtp, to: TO, connections: 6, messages: 300 })
  assert.equal((await server.iems('reload')).code, 0)
  await writeFile(server.config, 'export default {')
  assert.notEqual((await server.iems('reload')).code, 0)
  await writeFile(server.config, configOf(ports, 3))
  assert.match((await server.iems('reload')).err, /workers cannot be changed by a reload/)
  await writeFile(server.config, configOf(ports, 2, "drain: '20 s',"))
  assert.equal((await server.iems('reload')).code, 0)
  const answered = await sending
  assert.equal(answered.length, 300)
  assert.match((await before.command('NOOP')).at(-1) ?? '', /^OK/, 'sessions are kept')
  server.process.kill('SIGTERM')
  assert.equal(await server.ended(), 0)
  const again = await startProcess(t, server.folder)
  assert.deepEqual(await subjectsIn(await logIn(t, ports.imap), answered.length), [...answered].sort())
  again.process.kill('SIGTERM')
  await once(again.process, 'close')
})

test('with one worker no thread is started and lines name none', async (t) => {
  const { server } = await start(t, 1)
  const kernels = await kernelsOf(server)
  assert.equal(kernels.length, 1)
  assert.equal(kernels[0]?.worker, undefined)
  assert.deepEqual(
    server.lines.filter((line) => line.includes('"worker"')),
    [],
  )
})
