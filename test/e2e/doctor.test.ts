/** `iems status`, `doctor` and `top` on a running server: what is ill, what to do, and the exit code. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePort, iemsCommand, startProcess, tempFolder } from '../support/running-server.ts'

const config = (data: string, clamd: number) => `
import { defineConfig } from 'iems'
import { antivirus } from 'iems/plugins/antivirus'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
export default defineConfig({
  hostname: 'mx.test', store: { path: ${JSON.stringify(data)} }, dns: { servers: [] },
  channels: { mx: smtpIn({ listen: '127.0.0.1:0' }, { trusts: ['127.0.0.0/8'] }), out: smtpOut({ nexthop: '127.0.0.1:1' }) },
  plugins: [antivirus({ servers: ['127.0.0.1:${clamd}'] })],
})
`

test('status says what is ill; a scanner that is down is no reason to restart; doctor says what to do', async (t) => {
  const folder = await tempFolder(t)
  const server = await startProcess(t, folder, config(`${folder}/data`, await freePort()))
  const well = await server.iems('status')
  assert.equal(well.code, 0, well.out + well.err)
  assert.match(well.out, /^All is well$/m)
  await server.iems('component', 'stop', 'out/deliver')
  const stopped = await server.iems('status')
  assert.equal(stopped.code, 1)
  assert.match(stopped.out, /^ill: out\/deliver is stopped\n +iems component start out\/deliver$/m)
  await server.iems('send', '--from', 'a@far.test', 'b@far.test', '--subject', 'x', '--text', 'hi')
  const ill = await server.iems('status')
  assert.match(ill.out, /^ill: .*127\.0\.0\.1:\d+ is down for antivirus/m, ill.out)
  assert.equal((await server.iems('status', '--health')).code, 0)
  const examined = await server.iems('doctor', '--deep')
  assert.match(examined.out, /^ok {6} disk: .* free/m)
  assert.match(examined.out, /^ok {6} store: .* whole$/m)
  assert.match(examined.out, /^warning {2}certificate: no listener has one\n {9}Set tls/m)
  assert.match(examined.out, /^warning {2}server: out\/deliver is stopped$/m)
  const top = await server.iems('top', '--interval', '1', '--times', '1')
  assert.equal(top.code, 0, top.err)
  assert.match(top.out, /mx\.test: running/)
})

test('doctor works without a server, and says so', async (t) => {
  const folder = await tempFolder(t)
  const { writeFile } = await import('node:fs/promises')
  await writeFile(`${folder}/iems.config.ts`, config(`${folder}/data`, 1))
  const { out, code, err } = await iemsCommand(['doctor', '--config', `${folder}/iems.config.ts`])
  assert.equal(code, 0, out + err)
  assert.match(out, /^warning {2}server: does not run$/m)
  assert.match(out, /^warning {2}disk: .* does not exist yet$/m)
})
