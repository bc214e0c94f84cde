/** What a reload keeps: caches that hold no decision of the configuration, and sessions of plugins it does not change. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import * as z from 'zod'
import { definePlugin } from '../../core/index.ts'
import { createDns } from '../../core/net/dns.ts'
import { checkConfig, loadConfig } from '../../core/runtime/config.ts'
import { ConfigIdentity } from '../../core/runtime/config-identity.ts'
import { createKernel, type Kernel } from '../../core/runtime/kernel.ts'
import { Listeners } from '../../core/runtime/listeners.ts'
import { startServer } from '../../core/runtime/server.ts'
import { systemClock } from '../../core/runtime/system-clock.ts'
import { createLasting, memoryStore } from '../../core/testing/index.ts'
import { serveZone } from '../support/dns-zone.ts'
import { tempFolder } from '../support/running-server.ts'

test('answers of the DNS are known after a reload, unless the options of the resolver have changed', async (t) => {
  const zone = await serveZone(t, { 'A a.test': ['192.0.2.1'] })
  const path = join(await tempFolder(t), 'iems.config.mjs')
  const iems = pathToFileURL(resolve(import.meta.dirname, '../../core/index.ts')).href
  const write = (dns: object) =>
    writeFile(
      path,
      `import { definePlugin } from ${JSON.stringify(iems)}
import * as z from ${JSON.stringify(import.meta.resolve('zod'))}
const asks = definePlugin({ name: 'asks', config: z.undefined(), async setup(_, ctx) { await ctx.dns.ask('a.test', 'A'); return {} } })
export default { hostname: 'mx.test', channels: { asks: asks() }, dns: ${JSON.stringify(dns)} }
`,
    )
  await write(zone.dns)
  const log = { level: 'error', event() {}, child: () => log, flush() {}, debug() {}, info() {}, warn() {}, error() {} }
  const server = await startServer({ config: await loadConfig(path), memory: true, log: log as never })
  t.after(() => server.stop())
  assert.equal(zone.asked.length, 1)
  await server.reload()
  assert.equal(zone.asked.length, 1)
  await write({ ...zone.dns, cacheSize: '1 MB' })
  await server.reload()
  assert.equal(zone.asked.length, 2)
})

const QUIET = {
  level: 'error',
  event() {},
  child: () => QUIET,
  flush() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
}

test('a session of an unchanged listener survives a reload, and runs the new configuration', async (t) => {
  const path = join(await tempFolder(t), 'iems.config.mjs')
  const from = (file: string) => JSON.stringify(pathToFileURL(resolve(import.meta.dirname, '../..', file)).href)
  const write = (domain: string, smtp: object = {}) =>
    writeFile(
      path,
      `import { smtpIn } from ${from('plugins/smtp/in/index.ts')}
import { mailstore } from ${from('plugins/mailbox/store/index.ts')}
import { accounts } from ${from('plugins/directory/static/index.ts')}
export default {
  hostname: 'mx.test',
  drain: '1 s',
  channels: {
    in: smtpIn(${JSON.stringify({ listen: '127.0.0.1:0', ...smtp })}),
    local: mailstore(),
  },
  plugins: [accounts({ domains: ['${domain}'], accounts: [{ name: 'ann', addresses: ['ann@${domain}'] }] })],
}
`,
    )
  await write('a.test')
  const server = await startServer({ config: await loadConfig(path), memory: true, log: QUIET as never })
  t.after(() => server.stop())
  const { port } = server.kernel.listeners[0] ?? { port: 0 }
  const socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  const ask = async (line: string) => {
    socket.write(`${line}\r\n`)
    return String((await once(socket, 'data'))[0])
  }
  await once(socket, 'data')
  assert.match(await ask('HELO client.test'), /^250/)
  assert.match(await ask('MAIL FROM:<bob@far.test>'), /^250/)
  assert.match(await ask('RCPT TO:<ann@b.test>'), /^5/)

  await write('b.test')
  await server.reload()
  assert.equal(server.kernel.listeners[0]?.port, port, 'the port stays, also one that the system chose')
  assert.match(await ask('RCPT TO:<ann@b.test>'), /^250/)
  assert.equal(server.kernel.sessionCount(), 1)
  const status = await server.administration.as({ user: 'root', roles: ['admin'] }).status()
  assert.deepEqual(
    status.kernels.filter(({ sessions }) => sessions > 0).map(({ state }) => state),
    ['running'],
  )

  await write('b.test', { limits: { connections: 7 } })
  const closed = once(socket, 'close')
  await server.reload()
  await closed
})

test('a plugin takes other options in place when it can, and is set up again when it cannot', async () => {
  const log: string[] = []
  const gate = definePlugin({
    name: 'gate',
    config: z.strictObject({ limit: z.number() }),
    setup(options, ctx) {
      let { limit } = options
      log.push(`set up with ${limit}`)
      return {
        listen: async () => void (await ctx.port('127.0.0.1:0', 'Gate', (socket) => socket.end(`${limit}`))),
        reconfigure: (next) => {
          const { limit: other } = next as typeof options
          return other < 0
            ? false
            : () => {
                limit = other
              }
        },
        close: () => void log.push(`closed with ${limit}`),
      }
    },
  })
  const identity = new ConfigIdentity()
  const ports = new Listeners(() => {})
  const store = memoryStore()
  const lasting = createLasting()
  const dns = createDns({ ...(await configOf(0)).dns }, Date.now)
  async function configOf(limit: number) {
    return checkConfig({ hostname: 'mx.test', channels: { gate: gate({ limit }) } }, '/nowhere/iems.config.ts')
  }
  const change = async (limit: number, before?: Kernel) => {
    const config = await configOf(limit)
    const deps = { config, store, ports, clock: systemClock, log: QUIET as never, lasting, dns }
    const kernel = await createKernel(deps, before && { kernel: before, identity })
    await kernel.listen()
    kernel.run()
    await before?.close(AbortSignal.abort())
    return kernel
  }
  const says = async ({ listeners }: Kernel) => {
    const socket = connect(listeners[0]?.port ?? 0, '127.0.0.1')
    return String((await once(socket, 'data'))[0])
  }
  const first = await change(1)
  const second = await change(2, first)
  assert.equal(await says(second), '2')
  assert.equal(second.listeners[0]?.port, first.listeners[0]?.port)
  assert.deepEqual(log, ['set up with 1'])
  const third = await change(-1, second)
  assert.equal(await says(third), '-1')
  assert.deepEqual(log, ['set up with 1', 'set up with -1', 'closed with 2'])
  await third.close(AbortSignal.abort())
  ports.close()
  await store.close()
})
