/**
 * kill -9 of both sides while batches travel: every message arrives, none twice. KILLS says how often each is killed; twice
 * by default.
 */
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createSecret } from '../../plugins/smtp/bsmtp/identity.ts'
import { freePort, type RunningServer, startProcess, tempFolder } from '../support/running-server.ts'
import { talk } from '../support/smtp-talk.ts'

const KILLS = Number(process.env.KILLS ?? 2)
const PER_ROUND = 30

interface Setting {
  readonly name: 'hub' | 'ship'
  readonly folder: string
  readonly port: number
  readonly own: ReturnType<typeof createSecret>
  readonly peer: ReturnType<typeof createSecret>
}

/** Mail for the server's own domain waits in its queue, where it can be counted. */
const configOf = ({ name, folder, port, own, peer }: Setting) => {
  const other = name === 'hub' ? 'ship' : 'hub'
  return `
import { defineConfig, secret } from 'iems'
import { bsmtp } from 'iems/plugins/bsmtp'
import { odmr } from 'iems/plugins/odmr'
import { smtpIn } from 'iems/plugins/smtp-in'
export default defineConfig({
  hostname: '${name}.test',
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${port}' }),
    mine: odmr({ customers: [{ users: ['x'], domains: ['${name}.test'] }] }),
    bsmtp: bsmtp({
      name: '${name}', key: secret.value('${own.secret}'), look: '1 s', settle: '0 s',
      partners: { ${other}: {
        domains: ['${other}.test'], key: '${peer.publicText}', to: { folder: '${folder}/from-${name}' },
        gather: { messages: 7, wait: '300 ms' }, partSize: '1 kB', compress: 'none', acknowledge: '300 ms', resend: '2 s',
        accept: { folder: '${folder}/from-${other}', senders: ['*'] },
      } },
    }, { retry: { first: '1 s', max: '2 s' } }),
  },
})
`
}

async function bring(t: TestContext, port: number, first: number): Promise<void> {
  const client = await talk(t, port)
  await client.reply()
  await client.ask('EHLO far.test')
  for (let one = first; one < first + PER_ROUND; one++) {
    await client.ask(`MAIL FROM:<m${one}@far.test>`)
    await client.ask(`RCPT TO:<user@ship.test>`)
    await client.ask('DATA')
    assert.match(await client.ask(`Subject: ${one}\r\n\r\n${'text '.repeat(50)}\r\n.`), /^250 /)
  }
  client.destroy()
}

async function waiting(server: RunningServer): Promise<{ from: string; channel: string }[]> {
  const { out, code } = await server.iems('queue', '--json')
  if (code !== 0) return []
  return out
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { from: string; channel: string })
}

test('every message arrives once, whenever the servers are killed', async (t) => {
  const folder = await tempFolder(t)
  const keys = { hub: createSecret(), ship: createSecret() }
  const settings = {
    hub: { name: 'hub', folder, port: await freePort(), own: keys.hub, peer: keys.ship },
    ship: { name: 'ship', folder, port: await freePort(), own: keys.ship, peer: keys.hub },
  } as const
  const start = async (name: 'hub' | 'ship') => {
    const home = join(folder, name)
    await mkdir(home, { recursive: true })
    await mkdir(join(folder, `from-${name}`), { recursive: true })
    return startProcess(t, home, configOf(settings[name]))
  }
  const servers = { hub: await start('hub'), ship: await start('ship') }
  let sent = 0
  for (let round = 0; round < KILLS; round++)
    for (const victim of ['hub', 'ship'] as const) {
      await bring(t, settings.hub.port, sent)
      sent += PER_ROUND
      // At another moment of the exchange each time.
      const seen = servers.ship.lines.length
      const moment = Date.now() + 3000
      while (servers.ship.lines.length < seen + 3 * round + 2 && Date.now() < moment)
        await new Promise((resolve) => setTimeout(resolve, 5))
      servers[victim].process.kill('SIGKILL')
      await servers[victim].ended()
      servers[victim] = await start(victim)
    }
  // A server that is killed during a look leaves the look to its lease, which lasts for two minutes.
  const end = Date.now() + 240_000
  let left = await waiting(servers.hub)
  while (left.length > 0 && Date.now() < end) left = await waiting(servers.hub)
  assert.deepEqual(
    left.map(({ from }) => from),
    [],
  )
  const arrived = (await waiting(servers.ship)).filter(({ channel }) => channel === 'mine').map(({ from }) => from)
  assert.equal(arrived.length, sent)
  assert.equal(new Set(arrived).size, sent)
})
