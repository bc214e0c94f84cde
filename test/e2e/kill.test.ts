/**
 * Nothing lost: the server is killed at random moments under load, started again, and every message is accounted for
 * by its number. KILLS says how often (5; take 200 for a long look).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { send } from '../support/numbered-mail.ts'
import { freePort, startProcess, tempFolder } from '../support/running-server.ts'
import { startSink } from '../support/smtp-sink.ts'

const KILLS = Number(process.env.KILLS ?? 5)
const CLIENTS = 10

function configText(listen: number, nexthop: number): string {
  return `
import { defineConfig } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
export default defineConfig({
  hostname: 'mx.test',
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${listen}' }, { trusts: ['127.0.0.0/8'] }),
    relay: smtpOut({ nexthop: '127.0.0.1:${nexthop}', tls: 'off' }, { retry: { first: '1 s', max: '1 s' } }),
  },
})
`
}

test(`every message answered 250 survives ${KILLS} kills`, async (t) => {
  const folder = await tempFolder(t)
  const port = await freePort()
  const sink = await startSink(t)
  const acknowledged = new Set<number>()
  let count = 0
  let source: string | undefined = configText(port, sink.port)
  /** How many messages had arrived when a kill fell. */
  const kills: number[] = []

  for (let round = 0; round < KILLS; round++) {
    const server = await startProcess(t, folder, source)
    source = undefined
    const wanted = acknowledged.size + 20 + Math.floor(Math.random() * 100)
    const killed = new Promise<void>((resolve) => {
      const clients = Array.from({ length: CLIENTS }, () =>
        send(
          port,
          () => ++count,
          (number) => {
            acknowledged.add(number)
            // A moment within the turn after an answer, wherever the server is by then.
            if (acknowledged.size === wanted) setTimeout(() => server.process.kill('SIGKILL'), Math.random() * 20)
          },
        ),
      )
      void Promise.all(clients).then(() => resolve())
    })
    await killed
    await server.ended()
    kills.push(sink.messages.length)
  }

  const last = await startProcess(t, folder)
  const missing = () => {
    const places = arrived()
    return [...acknowledged].filter((number) => !places.has(number))
  }
  const arrived = () => {
    const places = new Map<number, number[]>()
    sink.messages.forEach(({ from }, index) => {
      const number = Number(/\d+/.exec(from)?.[0])
      places.set(number, [...(places.get(number) ?? []), index])
    })
    return places
  }
  for (let tries = 0; tries < 120; tries++) {
    const { out } = await last.iems('queue', 'list', '--limit', '1')
    if (out.includes('empty')) break
    await last.iems('queue', 'retry', '--all')
  }
  assert.deepEqual(missing(), [], `${missing().length} of ${acknowledged.size} answered with 250 never arrived`)

  let repeated = 0
  for (const [number, places] of arrived()) {
    if (places.length === 1) continue
    repeated += places.length - 1
    for (const [first, second] of places.slice(1).map((place, i) => [places[i] ?? 0, place])) {
      assert.ok(
        kills.some((kill) => (first ?? 0) < kill && kill <= (second ?? 0)),
        `${number} came twice without a kill in between`,
      )
    }
  }
  t.diagnostic(`${acknowledged.size} answered 250, ${arrived().size} arrived, ${repeated} repeated, ${KILLS} kills`)
  const large = sink.messages.filter(({ raw }) => raw.length > 50_000)
  assert.ok(large.length > 0 && large.every(({ raw }) => /x(\r\n)+$/.test(raw)), 'large bodies are whole')
})
