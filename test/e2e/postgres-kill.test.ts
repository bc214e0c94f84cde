/**
 * Two servers on one database under load: one of them, or the database, is killed at random moments and started again;
 * every message is accounted for by its number. KILLS says how often (3; take 200 for a long look).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { send } from '../support/numbered-mail.ts'
import { startPostgres, whyNoPostgres } from '../support/postgres.ts'
import { freePort, type RunningServer, startProcess, tempFolder } from '../support/running-server.ts'
import { startSink } from '../support/smtp-sink.ts'

const KILLS = Number(process.env.KILLS ?? 3)
const CLIENTS = 2
/** Longer than a lease and the look at all lanes behind it, ms. */
const QUIET_MS = 60_000

const configText = (url: string, listen: number, nexthop: number): string => `
import { defineConfig } from 'iems'
import { postgresStore } from 'iems/plugins/postgres'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
export default defineConfig({
  hostname: 'mx.test',
  store: postgresStore({ url: '${url}', connections: 6 }),
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${listen}' }, { trusts: ['127.0.0.0/8'] }),
    relay: smtpOut({ nexthop: '127.0.0.1:${nexthop}', tls: 'off' }, { retry: { first: '1 s', max: '1 s' }, lease: '10 s' }),
  },
})
`

test(`two servers on one database lose nothing in ${KILLS} kills of either and of the database`, {
  skip: whyNoPostgres(),
  timeout: 300_000 + KILLS * 30_000,
}, async (t) => {
  const postgres = await startPostgres(t)
  const sink = await startSink(t)
  const acknowledged = new Set<number>()
  const kills: number[] = []
  let count = 0
  let isOver = false

  const nodes = await Promise.all([1, 2].map(async () => ({ folder: await tempFolder(t), port: await freePort() })))
  const start = ({ folder, port }: (typeof nodes)[number]) =>
    startProcess(t, folder, configText(postgres.url(), port, sink.port))
  const servers: RunningServer[] = []
  for (const node of nodes) servers.push(await start(node))

  /** Sends to a server for as long as the test lasts, whatever becomes of the connection. */
  const client = async (port: number) => {
    while (!isOver) {
      await send(
        port,
        () => ++count,
        (number) => acknowledged.add(number),
      )
      await delay(50)
    }
  }
  const clients = nodes.flatMap(({ port }) => Array.from({ length: CLIENTS }, () => client(port)))
  const arrived = () => {
    const places = new Map<number, number[]>()
    sink.messages.forEach(({ from }, index) => {
      const number = Number(/\d+/.exec(from)?.[0])
      places.set(number, [...(places.get(number) ?? []), index])
    })
    return places
  }
  const until = async (isSo: () => boolean, ms: number) => {
    for (const end = Date.now() + ms; !isSo(); await delay(20)) if (Date.now() > end) return false
    return true
  }

  for (let round = 0; round < KILLS; round++) {
    const wanted = acknowledged.size + 10 + Math.floor(Math.random() * 30)
    assert.ok(await until(() => acknowledged.size >= wanted, 60_000), 'no server accepts mail')
    await delay(Math.random() * 20)
    const victim = round % 3
    if (victim === 2) {
      await postgres.kill()
      kills.push(sink.messages.length)
      await postgres.start()
    } else {
      servers[victim]?.process.kill('SIGKILL')
      await servers[victim]?.ended()
      kills.push(sink.messages.length)
      servers[victim] = await start(nodes[victim] as (typeof nodes)[number])
    }
  }

  isOver = true
  const missing = () => [...acknowledged].filter((number) => !arrived().has(number))
  // As long as anything arrives, it only takes its time.
  for (let before = -1; missing().length > 0 && before !== sink.messages.length; ) {
    before = sink.messages.length
    await until(() => missing().length === 0, QUIET_MS)
  }
  const waiting = missing().length > 0 ? (await servers[0]?.iems('queue', 'list', '--json'))?.out : ''
  assert.deepEqual(
    missing(),
    [],
    `${waiting}\n${missing().length} of ${acknowledged.size} answered with 250 never arrived`,
  )
  let repeated = 0
  for (const [number, places] of arrived()) {
    repeated += places.length - 1
    for (const [first, second] of places.slice(1).map((place, i) => [places[i] ?? 0, place]))
      assert.ok(
        kills.some((kill) => (first ?? 0) < kill && kill <= (second ?? 0)),
        `${number} came twice without a kill in between`,
      )
  }
  for (const { process } of servers) process.kill('SIGKILL')
  await Promise.all(clients)
  t.diagnostic(`${acknowledged.size} answered with 250, ${repeated} arrived twice, ${KILLS} kills`)
})
