/**
 * Three servers on one database under load: one of them, or the database, is killed at random moments and started again;
 * every message is accounted for by its number. KILLS says how often (3; take 200 for a long look). PROMOTIONS says how often
 * the primary dies for good and its standby is promoted, behind a network that cuts, delays and half-closes (0; the long
 * form only).
 */

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type CutProxy, startCutProxy } from '../support/cut-proxy.ts'
import { longForm } from '../support/long-form.ts'
import { send, Tally } from '../support/numbered-mail.ts'
import { type Postgres, startPostgres, whyNoPostgres } from '../support/postgres.ts'
import { freePort, type RunningServer, startProcess, tempFolder } from '../support/running-server.ts'
import { startSink } from '../support/smtp-sink.ts'

const KILLS = Number(process.env.KILLS ?? 3)
const PROMOTIONS = Number(process.env.PROMOTIONS ?? 0)
const long = longForm(PROMOTIONS > 0)
const SERVERS = 3
/** Of each server. */
const CLIENTS = 2
/** Longer than a lease and the look at all lanes behind it, ms. */
const QUIET_MS = 60_000

const configText = (url: string | readonly string[], listen: number, nexthop: number): string => `
import { defineConfig } from 'iems'
import { postgresStore } from 'iems/plugins/postgres'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
export default defineConfig({
  hostname: 'mx.test',
  store: postgresStore({ url: ${JSON.stringify(url)}, connections: 6, retryTimeout: '15 s' }),
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${listen}' }, { trusts: ['127.0.0.0/8'] }),
    relay: smtpOut({ nexthop: '127.0.0.1:${nexthop}', tls: 'off' }, { retry: { first: '1 s', max: '1 s' }, lease: '10 s' }),
  },
})
`

/** What explains a message that never arrived: what waits, content that is gone, and what the servers said last. */
async function whatIsLeft(postgres: Postgres, servers: readonly RunningServer[]): Promise<string> {
  const questions = [
    `select lane, encode(key, 'escape') as key, at - iems.now_ms() as in_ms, lease from iems.due order by at limit 20`,
    `select id, size, to_timestamp(since / 1000.0) as since from iems.blobs b
      where value is null and size > 262144 * (select count(*) from iems.chunks c where c.id = b.id)`,
    `select pid, state, wait_event, left(query, 60) as query from pg_stat_activity where datname is not null`,
  ]
  const answers = await Promise.all(questions.map((question) => postgres.query(question).catch(String)))
  const logs = servers.map(({ lines }) => lines.filter((line) => !line.includes('"level":"info"')).slice(-10))
  return JSON.stringify({ answers, logs }, undefined, 1)
}

/** Servers on a database, clients that send to all of them for as long as it lasts, and what has become of each message. */
async function startLoad(t: TestContext, url: string | readonly string[], primary: () => Postgres) {
  const sink = await startSink(t)
  const tally = new Tally(sink)
  const { acknowledged } = tally
  let count = 0
  let isOver = false
  t.after(() => {
    isOver = true
  })

  const nodes = await Promise.all(
    Array.from({ length: SERVERS }, async () => ({ folder: await tempFolder(t), port: await freePort() })),
  )
  const start = ({ folder, port }: (typeof nodes)[number]) => startProcess(t, folder, configText(url, port, sink.port))
  // The first makes the tables.
  const servers: RunningServer[] = [await start(nodes[0] as (typeof nodes)[number])]
  servers.push(...(await Promise.all(nodes.slice(1).map(start))))

  /** Sends to a server, whatever becomes of the connection. */
  const client = async (port: number) => {
    while (!isOver) {
      await send(
        port,
        () => (isOver ? undefined : ++count),
        (number) => acknowledged.add(number),
      )
      await delay(50)
    }
  }
  const clients = nodes.flatMap(({ port }) => Array.from({ length: CLIENTS }, () => client(port)))
  const until = async (isSo: () => boolean, ms: number) => {
    for (const end = Date.now() + ms; !isSo(); await delay(20)) if (Date.now() > end) return false
    return true
  }

  return {
    blow: () => tally.blow(),
    async restart(victim: number) {
      servers[victim]?.process.kill('SIGKILL')
      await servers[victim]?.ended()
      tally.blow()
      servers[victim] = await start(nodes[victim] as (typeof nodes)[number])
    },
    async more(least: number) {
      const wanted = acknowledged.size + least + Math.floor(Math.random() * 30)
      const accepts = await until(() => acknowledged.size >= wanted, 120_000)
      if (!accepts) assert.fail(`no server accepts mail\n${await whatIsLeft(primary(), servers)}`)
      await delay(Math.random() * 20)
    },
    async finish(): Promise<string> {
      isOver = true
      await Promise.all(clients)
      // As long as anything arrives, it only takes its time.
      for (let before = -1; tally.missing().length > 0 && before !== tally.arrived; ) {
        before = tally.arrived
        await until(() => tally.missing().length === 0, QUIET_MS)
      }
      const missing = tally.missing()
      if (missing.length > 0)
        assert.fail(
          `${missing.length} of ${acknowledged.size} answered with 250 never arrived: ${missing.join(', ')}\n` +
            (await whatIsLeft(primary(), servers)),
        )
      const repeated = tally.repeated()
      for (const { process } of servers) process.kill('SIGKILL')
      return `${acknowledged.size} answered with 250, ${repeated} arrived twice`
    },
  }
}

test(`three servers on one database lose nothing in ${KILLS} kills of them and of the database`, {
  skip: whyNoPostgres(),
  timeout: 300_000 + KILLS * 30_000,
}, async (t) => {
  const postgres = await startPostgres(t)
  const load = await startLoad(t, postgres.url(), () => postgres)
  for (let round = 0; round < KILLS; round++) {
    await load.more(10)
    const victim = round % (SERVERS + 1)
    // The second is the database, so that a short run has it too.
    if (victim !== 1) await load.restart(Math.max(0, victim - 1))
    else {
      await postgres.kill()
      load.blow()
      await postgres.start()
    }
  }
  t.diagnostic(`${await load.finish()}, ${KILLS} kills`)
})

long(
  `nothing is lost when a standby is promoted under load, ${PROMOTIONS} times, behind a bad network`,
  {
    skip: whyNoPostgres(),
    timeout: 300_000 + PROMOTIONS * 60_000,
  },
  async (t) => {
    const follow = async (primary: Postgres) => {
      const standby = await primary.standby(t)
      await primary.query(`alter system set synchronous_standby_names = '*'`)
      await primary.query('select pg_reload_conf()')
      return standby
    }
    let primary = await startPostgres(t)
    let standby = await follow(primary)
    const proxies = [await startCutProxy(t, primary.socket), await startCutProxy(t, standby.socket)] as const
    const load = await startLoad(
      t,
      proxies.map(({ port }) => `postgres://postgres@127.0.0.1:${port}/postgres`),
      () => primary,
    )
    const disturbances = [
      (proxy: CutProxy) => proxy.cut(),
      (proxy: CutProxy) => proxy.halfClose(),
      (proxy: CutProxy) => Object.assign(proxy, { delayMs: 15 }),
      (proxy: CutProxy) => Object.assign(proxy, { delayMs: 0 }),
    ]
    for (let round = 0; round < PROMOTIONS; round++) {
      const [mine, other] = round % 2 === 0 ? proxies : proxies.toReversed()
      for (const disturb of disturbances) {
        await load.more(5)
        disturb(mine as CutProxy)
        load.blow()
      }
      await load.more(10)
      await primary.kill()
      load.blow()
      await standby.promote()
      await standby.query(`alter system set synchronous_standby_names = ''`)
      await standby.query('select pg_reload_conf()')
      await load.more(10)
      const next = await follow(standby)
      ;(mine as CutProxy).target = next.socket
      ;(other as CutProxy).cut()
      load.blow()
      primary = standby
      standby = next
    }
    t.diagnostic(`${await load.finish()}, ${PROMOTIONS} promotions`)
  },
)
