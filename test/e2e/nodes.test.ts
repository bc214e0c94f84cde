/** Two servers on one database see each other, and what is wanted of a component outlives a restart. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startPostgres, whyNoPostgres } from '../support/postgres.ts'
import { freePort, iemsCommand, startProcess, tempFolder } from '../support/running-server.ts'

const configText = (url: string, node: string, port: number): string => `
import { defineConfig } from 'iems'
import { postgresStore } from 'iems/plugins/postgres'
import { smtpIn } from 'iems/plugins/smtp-in'
export default defineConfig({
  node: '${node}',
  store: postgresStore({ url: '${url}', connections: 4 }),
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${port}' }),
    sub: smtpIn({ listen: '127.0.0.1:0' }, { nodes: ['a'] }),
  },
})
`

test('a component, or a whole server, is stopped and started on another one, and stays stopped over a restart', {
  skip: whyNoPostgres(),
  timeout: 120_000,
}, async (t) => {
  const postgres = await startPostgres(t)
  const folders = [await tempFolder(t), await tempFolder(t)] as const
  const ports = [await freePort(), await freePort()] as const
  const a = await startProcess(t, folders[0], configText(postgres.url(), 'a', ports[0]))
  const b = await startProcess(t, folders[1], configText(postgres.url(), 'b', ports[1]))
  const { values: nodes } = await a.run('nodes')
  assert.deepEqual(
    nodes.map(({ name, state, isOwn }) => [name, state, isOwn]),
    [
      ['a', 'running', true],
      ['b', 'running', false],
    ],
  )
  const componentOn = async (server: typeof a, name: string) => {
    const { values } = await server.run('component show', [name])
    return values[0] as { state: string; why?: string }
  }
  const stateOn = async (server: typeof a) => (await componentOn(server, 'mx/listen')).state
  assert.equal((await componentOn(a, 'sub/listen')).state, 'running')
  const elsewhere = await componentOn(b, 'sub/listen')
  assert.deepEqual([elsewhere.state, elsewhere.why], ['stopped', 'runs on a'])
  assert.equal((await b.iems('status')).code, 0, 'what runs elsewhere is no problem')
  const until = async (server: typeof a, state: string) => {
    for (let tries = 0; tries < 50 && (await stateOn(server)) !== state; tries++) await delay(100)
    assert.equal(await stateOn(server), state)
  }

  const backup = join(folders[0], 'backup')
  assert.match((await a.run('backup create', [backup])).text, /records/)
  assert.match((await iemsCommand(['backup', 'verify', backup])).out, /whole/)

  await a.run('component stop', ['mx/listen'], { options: { node: 'b' } })
  await until(b, 'stopped')
  assert.equal(await stateOn(a), 'running')
  await assert.rejects(a.run('component stop', ['mx/listen'], { options: { node: 'c' } }), /No server named c/)

  b.process.kill('SIGKILL')
  await b.ended()
  const again = await startProcess(t, folders[1])
  assert.equal(await stateOn(again), 'stopped', 'what is wanted outlives the server')
  await a.run('component start', ['mx/listen'], { options: { node: 'all' } })
  await until(again, 'running')
  assert.equal(await stateOn(a), 'running')

  await a.run('node drain', ['b'])
  await until(again, 'stopped')
  const { out: watched } = await a.iems('watch', '--times', '1')
  assert.match(watched, /a {2}running, process \d+, this server/)
  assert.match(watched, /b {2}drained, process \d+, heard of/)
  assert.match(watched, /mx\/listen +listener +stopped/)
  assert.equal(await stateOn(a), 'running')
  // What is started on a drained server runs, and only that.
  await a.run('component start', ['mx/listen'], { options: { node: 'b' } })
  await until(again, 'running')
  // The hint of another change makes b compare what runs with what is wanted.
  await again.run('component start', ['mx/listen'], { options: { node: 'b' } })
  assert.equal(await stateOn(again), 'running', 'nothing undoes it')
  await a.run('node drain', ['b'])
  await until(again, 'stopped')
  await a.run('node resume', ['b'])
  await until(again, 'running')
  assert.equal((await componentOn(again, 'sub/listen')).state, 'stopped')
})
