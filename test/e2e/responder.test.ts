/** Responders: two machines (folders and ports of one), a server that is killed, commands of the other, an upgrade. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect as connectPlain } from 'node:net'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connectLineClient } from 'iems/testing'
import { ask, placeOf } from '../../core/cli/responder/link.ts'
import { Supervisor } from '../../core/cli/responder/supervisor.ts'
import { freePort, iemsCommand, tempFolder } from '../support/running-server.ts'

const root = resolve(import.meta.dirname, '../..')
const MAIN = join(root, 'core/cli/main.ts')
const KEY = 'a key that is long enough for everybody'

type State = { readonly state: string; readonly pid?: number; readonly crashes: number; readonly version?: string }

async function machines(t: TestContext) {
  const folder = await tempFolder(t)
  const ports = { a: await freePort(), b: await freePort(), smtp: await freePort() }
  const config = join(folder, 'iems.config.ts')
  const text = `
import { defineConfig, secret } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
export default defineConfig({
  hostname: 'mx.test', node: 'a', store: { path: 'data', reserve: '0 B' }, drain: '2 s',
  responder: { key: secret.value('${KEY}'), machines: { a: '127.0.0.1:${ports.a}', b: '127.0.0.1:${ports.b}' } },
  channels: { mx: smtpIn({ listen: '127.0.0.1:${ports.smtp}' }) },
})`
  await writeFile(config, text)
  const pids = new Set<number>()
  t.after(() => {
    for (const pid of pids)
      try {
        process.kill(pid, 'SIGKILL')
      } catch {}
  })
  const start = async (env: Record<string, string> = {}) => {
    const child = spawn(process.execPath, ['--conditions=source', MAIN, 'responder', '--config', config], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += chunk
    })
    while (!said.includes('the responder listens')) await once(child.stdout, 'data')
    return { child, said: () => said }
  }
  const toA = async (what: 'status' | 'start' | 'stop' | 'restart' | 'upgrade', version?: string) => {
    const asked = { v: 1, do: what, ...(version === undefined ? {} : { version }) } as const
    const state = (await ask(placeOf(`127.0.0.1:${ports.a}`), KEY, asked)) as State
    if (state.pid !== undefined) pids.add(state.pid)
    return state
  }
  const running = async (not?: number) => {
    for (let tries = 0; tries < 600; tries++) {
      const state = await toA('status')
      if (state.state === 'running' && state.pid !== not) return state
      await new Promise((again) => setTimeout(again, 100))
    }
    return assert.fail('the server never runs')
  }
  const greeting = async () => (await connectLineClient(t, ports.smtp)).line()
  return { folder, config, ports, start, toA, running, greeting }
}

test('a server that is killed comes back; the responder that is killed takes it over; it starts and stops on command', async (t) => {
  const { config, ports, start, toA, running, greeting } = await machines(t)
  const first = await start()
  const { pid = 0 } = await running()
  assert.match((await greeting()) ?? '', /^220/)
  process.kill(pid, 'SIGKILL')
  const again = await running(pid)
  assert.equal(again.crashes, 1)
  assert.match((await greeting()) ?? '', /^220/)

  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  assert.match((await greeting()) ?? '', /^220/, 'the server outlives its responder')
  const second = await start()
  assert.equal((await running()).pid, again.pid, 'it is taken over')

  const command = await iemsCommand(['node', 'stop', 'a', '--config', config])
  assert.match(command.out, /^a {2}stopped/, command.err)
  assert.equal((await toA('status')).state, 'stopped')
  second.child.kill('SIGTERM')
  await once(second.child, 'exit')
  const third = await start()
  assert.equal((await toA('status')).state, 'stopped', 'what is wanted outlives the responder')
  assert.equal((await toA('start')).state, 'running')
  assert.match((await greeting()) ?? '', /^220/)
  const all = await iemsCommand(['node', 'status', 'all', '--config', config])
  assert.match(all.out, /^a {2}running/)
  assert.match(all.err, /127\.0\.0\.1:\d+: .*ECONNREFUSED/, 'the other machine is away')
  assert.equal(all.code, 1)

  await assert.rejects(ask(placeOf(`127.0.0.1:${ports.a}`), KEY.replace('long', 'wrong'), { v: 1, do: 'stop' }), {
    code: 'IEMS_RESPONDER_FAILED',
    message: /the keys differ/,
  })
  const plain = connectPlain(ports.a, '127.0.0.1')
  plain.on('error', () => {})
  plain.write('{"v":1,"do":"stop"}\n')
  const heard = await Array.fromAsync(plain)
  assert.doesNotMatch(Buffer.concat(heard).toString('latin1'), /result|error/)
  assert.equal((await toA('status')).state, 'running')
  third.child.kill('SIGTERM')
  await once(third.child, 'exit')
  assert.match(third.said(), /"for":"start"/)
  assert.equal(await greeting().catch(() => undefined), undefined)
})

test('an upgrade that does not start goes back to the version before', async (t) => {
  const { folder, start, toA, running, greeting } = await machines(t)
  const installed = join(folder, 'node_modules/iems')
  await mkdir(join(installed, 'core/cli'), { recursive: true })
  // A package that runs this checkout; version 2 passes the check and never starts.
  const launch = `
const { version } = require('../../package.json')
if (version.startsWith('2') && process.argv[2] === 'start') process.exit(3)
if (version.startsWith('3')) process.exit(4)
if (process.argv[2] === 'check') process.exit(0)
process.execve(process.execPath, [process.execPath, '--conditions=source', ${JSON.stringify(MAIN)}, ...process.argv.slice(2)], process.env)`
  await writeFile(join(installed, 'core/cli/launch.cjs'), launch)
  await writeFile(
    join(installed, 'package.json'),
    JSON.stringify({ version: '1.0.0', exports: { '.': { source: '' } } }),
  )
  const npm = join(folder, 'npm')
  await writeFile(
    npm,
    `#!/bin/sh\nfor one; do last=$one; done\necho "{\\"version\\": \\"\${last#iems@}\\"}" > ${installed}/package.json\n`,
  )
  await chmod(npm, 0o755)
  await start({ PATH: `${folder}:${process.env.PATH}` })
  const { pid } = await running()
  await assert.rejects(toA('upgrade', '3.0.0'), { message: /The upgrade to 3\.0\.0/ })
  assert.equal((await toA('status')).pid, pid, 'a version that fails the check does not touch the server')
  await assert.rejects(toA('upgrade', '2.0.0'), { message: /exit code 3/ })
  assert.equal(JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')).version, '1.0.0')
  await running(pid)
  assert.match((await greeting()) ?? '', /^220/)
  assert.equal((await toA('upgrade', '1.1.0')).version, '1.1.0')
  assert.match((await greeting()) ?? '', /^220/)
  await toA('stop')
})

test('a server that keeps crashing is started after growing delays', async (t) => {
  const waits: number[] = []
  const { promise: enough, resolve: done } = Promise.withResolvers<void>()
  const server = new Supervisor({
    command: () => [process.execPath, '-e', 'process.exit(7)'],
    pid: async () => undefined,
    stop: async () => {},
    stopTimeout: 1000,
    file: join(await tempFolder(t), 'responder.json'),
    say: () => {},
    async wait(ms, signal) {
      waits.push(ms)
      if (waits.length < 12) return
      done()
      await once(signal, 'abort')
    },
  })
  await server.start().catch(() => {})
  await enough
  assert.deepEqual(waits.slice(0, 4), [1000, 2000, 4000, 8000])
  assert.equal(waits.at(-1), 300_000)
  assert.deepEqual(server.status, { state: 'waiting', crashes: 12, last: 'exit code 7' })
  await server.stop()
  assert.equal(server.status.state, 'stopped')
})
