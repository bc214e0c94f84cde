/** Two servers on one database see each other, and what is wanted of a component outlives a restart. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startPostgres, whyNoPostgres } from '../support/postgres.ts'
import { freePort, startProcess, tempFolder } from '../support/running-server.ts'

const configText = (url: string, node: string, port: number): string => `
import { defineConfig } from 'iems'
import { postgresStore } from 'iems/plugins/postgres'
import { smtpIn } from 'iems/plugins/smtp-in'
export default defineConfig({
  node: '${node}',
  store: postgresStore({ url: '${url}', connections: 4 }),
  channels: { mx: smtpIn({ listen: '127.0.0.1:${port}' }) },
})
`

test('a component is stopped and started on another server, and stays stopped over a restart', {
  skip: whyNoPostgres(),
  timeout: 120_000,
}, async (t) => {
  const postgres = await startPostgres(t)
  const folders = [await tempFolder(t), await tempFolder(t)] as const
  const ports = [await freePort(), await freePort()] as const
  const a = await startProcess(t, folders[0], configText(postgres.url(), 'a', ports[0]))
  const b = await startProcess(t, folders[1], configText(postgres.url(), 'b', ports[1]))
  const nodes = (await a.iems('nodes', '--json')).out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    nodes.map(({ name, state, isOwn }) => [name, state, isOwn]),
    [
      ['a', 'running', true],
      ['b', 'running', false],
    ],
  )
  const stateOn = async (server: typeof a) => {
    const { out } = await server.iems('component', 'show', 'mx/listen', '--json')
    return JSON.parse(out).state as string
  }
  const until = async (server: typeof a, state: string) => {
    for (let tries = 0; tries < 50 && (await stateOn(server)) !== state; tries++) await delay(100)
    assert.equal(await stateOn(server), state)
  }

  assert.equal((await a.iems('component', 'stop', 'mx/listen', '--node', 'b')).code, 0)
  await until(b, 'stopped')
  assert.equal(await stateOn(a), 'running')
  assert.match((await a.iems('component', 'stop', 'mx/listen', '--node', 'c')).err, /No server named c/)

  b.process.kill('SIGKILL')
  await b.ended()
  const again = await startProcess(t, folders[1])
  assert.equal(await stateOn(again), 'stopped', 'what is wanted outlives the server')
  assert.equal((await a.iems('component', 'start', 'mx/listen', '--node', 'all')).code, 0)
  await until(again, 'running')
  assert.equal(await stateOn(a), 'running')
})
