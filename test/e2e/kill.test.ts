/**
 * Nothing lost: the server is killed at random moments under load, started again, and every message is accounted for
 * by its number. KILLS says how often (5; take 200 for a long look).
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { freePort, startProcess, tempFolder } from '../support/running-server.ts'
import { startSink } from '../support/smtp-sink.ts'
import { replyChecker } from '../support/smtp-talk.ts'

const KILLS = Number(process.env.KILLS ?? 5)
const CLIENTS = 10
/** A body above the limit for records, so that files are killed as well. */
const LARGE = 100_000

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

/** Sends numbered messages until the connection ends; tells which were answered 250. */
async function send(port: number, next: () => number, acknowledged: (number: number) => void): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  let number = 0
  let step = 0
  let text = ''
  const check = replyChecker()
  const say = (line: string) => socket.write(`${line}\r\n`)
  const steps = [
    () => say('EHLO client.test'),
    () => {
      number = next()
      say(`MAIL FROM:<${number}@from.test>\r\nRCPT TO:<${number}@to.test>\r\nDATA`)
    },
    () => {},
    () => {},
    () =>
      say(
        `Subject: ${number}\r\n\r\n${
          number % 10 === 0
            ? 'x'
                .repeat(998)
                .concat('\r\n')
                .repeat(LARGE / 1000)
            : 'Hello'
        }\r\n.`,
      ),
    () => {
      acknowledged(number)
      step = 1
      steps[1]?.()
      step = 2
    },
  ]
  socket.on('data', (chunk) => {
    text += chunk
    for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
      const line = text.slice(0, end)
      text = text.slice(end + 2)
      check(line)
      if (line[3] === '-') continue
      if (!/^[23]/.test(line)) return socket.destroy()
      steps[step++]?.()
    }
  })
  socket.on('error', () => socket.destroy())
  await new Promise((resolve) => socket.on('close', resolve))
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
  const missing = () => [...acknowledged].filter((number) => !arrived().has(number))
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
  const large = sink.messages.filter(({ raw }) => raw.length > LARGE)
  assert.ok(large.length > 0 && large.every(({ raw }) => /x(\r\n)+$/.test(raw)), 'large bodies are whole')
})
