/**
 * Nothing lost: the server, or one of its workers, is killed at random moments under load, started again, and every
 * message is accounted for by its number. KILLS says how often (5; take 200 for a long look).
 */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { send, Tally } from '../support/numbered-mail.ts'
import { freePort, type RunningServer, startProcess, tempFolder } from '../support/running-server.ts'
import { startSink } from '../support/smtp-sink.ts'

const KILLS = Number(process.env.KILLS ?? 5)
const CLIENTS = 10

const configText = (listen: number, nexthop: number, workers = 1, plugin = ''): string => `
import { defineConfig } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
${plugin === '' ? '' : `import { ${plugin} } from './${plugin}.ts'`}
export default defineConfig({
  hostname: 'mx.test',
  workers: ${workers},
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${listen}' }, { trusts: ['127.0.0.0/8'] }),
    relay: smtpOut({ nexthop: '127.0.0.1:${nexthop}', tls: 'off' }, { retry: { first: '1 s', max: '1 s' } }),
  },
  plugins: [${plugin === '' ? '' : `${plugin}()`}],
})
`

/** Numbers of messages that kill the worker which takes them. */
const FATAL = 1_000_000

/** Ends the worker at a moment within the turn after a fatal message, wherever it is by then: as a fault does, or silently. */
const SABOTAGE = `
  import { definePlugin } from 'iems'
  export const sabotage = definePlugin({
    name: 'sabotage',
    config: { '~standard': { version: 1, vendor: 'test', validate: () => ({ value: undefined }) } },
    setup: () => ({
      hooks: {
        async check(message) {
          const number = Number(message.headers.get('subject'))
          if (number < ${FATAL}) return
          setTimeout(() => {
            if (number % 2 === 0) process.exit(9)
            throw new Error('injected')
          }, Math.random() * 20)
        },
      },
    }),
  })`

/** Delivers what is queued, and says what became of everything. */
async function settle(server: RunningServer, tally: Tally, kills: number): Promise<string> {
  for (let tries = 0; tries < 120; tries++) {
    const { out } = await server.iems('queue', 'list', '--limit', '1')
    if (out.includes('empty')) break
    await server.iems('queue', 'retry', '--all')
  }
  const { size } = tally.acknowledged
  assert.deepEqual(tally.missing(), [], `${tally.missing().length} of ${size} answered with 250 never arrived`)
  return `${size} answered 250, ${tally.arrived} arrived, ${tally.repeated()} of them again, ${kills} kills`
}

test(`every message answered 250 survives ${KILLS} kills`, async (t) => {
  const folder = await tempFolder(t)
  const port = await freePort()
  const sink = await startSink(t)
  const tally = new Tally(sink)
  let count = 0
  let source: string | undefined = configText(port, sink.port)

  for (let round = 0; round < KILLS; round++) {
    const server = await startProcess(t, folder, source)
    source = undefined
    const wanted = tally.acknowledged.size + 20 + Math.floor(Math.random() * 100)
    const clients = Array.from({ length: CLIENTS }, () =>
      send(
        port,
        () => ++count,
        (number) => {
          tally.acknowledged.add(number)
          // A moment within the turn after an answer, wherever the server is by then.
          if (tally.acknowledged.size === wanted) setTimeout(() => server.process.kill('SIGKILL'), Math.random() * 20)
        },
      ),
    )
    await Promise.all(clients)
    await server.ended()
    tally.blow()
  }
  t.diagnostic(await settle(await startProcess(t, folder), tally, KILLS))
})

test(`every message answered 250 survives ${KILLS} kills of three workers and of their process`, {
  timeout: 60_000 + KILLS * 20_000,
}, async (t) => {
  const folder = await tempFolder(t)
  const port = await freePort()
  const sink = await startSink(t)
  const tally = new Tally(sink)
  await writeFile(join(folder, 'sabotage.ts'), SABOTAGE)
  let server = await startProcess(t, folder, configText(port, sink.port, 3, 'sabotage'))
  let count = 0
  let isOver = false
  let fatal: number | undefined
  /** How many had arrived when a fatal message was sent. */
  let since = 0
  t.after(() => {
    isOver = true
  })
  const next = () => {
    if (isOver) return undefined
    if (fatal === undefined) return ++count
    const number = fatal
    fatal = undefined
    since = tally.arrived
    return number
  }
  const client = async () => {
    for (; !isOver; await delay(20)) await send(port, next, (number) => tally.acknowledged.add(number))
  }
  const until = async (isSo: () => boolean) => {
    for (const end = Date.now() + 100_000; !isSo(); await delay(5)) assert.ok(Date.now() < end, 'it never came true')
  }
  const deaths = () => server.lines.filter((line) => line.includes('"worker.died"')).length
  const clients = Array.from({ length: CLIENTS }, client)
  let processes = 0

  for (let round = 0; round < KILLS; round++) {
    const wanted = tally.acknowledged.size + 20 + Math.floor(Math.random() * 100)
    await until(() => tally.acknowledged.size >= wanted)
    if (round % 4 === 2) {
      const from = tally.arrived
      server.process.kill('SIGKILL')
      await server.ended()
      tally.blow(from)
      server = await startProcess(t, folder)
      processes++
    } else {
      const before = deaths()
      fatal = FATAL + round
      await until(() => deaths() > before)
      tally.blow(since)
    }
  }
  isOver = true
  await Promise.all(clients)
  t.diagnostic(`${await settle(server, tally, KILLS)}, ${processes} of them of the process`)
})
