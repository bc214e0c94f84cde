/** What a reload keeps: caches that hold no decision of the configuration. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { loadConfig } from '../../core/runtime/config.ts'
import { startServer } from '../../core/runtime/server.ts'
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
