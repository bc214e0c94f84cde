/** What mailServer() is made of: its long form in docs/presets.md, and parts replaced by name. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { mailServer } from '../../config/presets/index.ts'
import { checkConfig, loadConfig } from '../../core/runtime/config.ts'
import type { Config } from '../../core/runtime/config-schema.ts'
import { antispam } from '../../plugins/filter/antispam/index.ts'
import { smtpOut } from '../../plugins/smtp/out/index.ts'
import { tempFolder } from '../support/running-server.ts'

const partsOf = ({ channels, plugins }: Config) =>
  [...channels, ...plugins].map(({ name, definition, options, settings }) => ({
    name,
    plugin: definition.name,
    options,
    settings,
  }))

test('the long form in the documentation is the short one', async (t) => {
  const folder = await tempFolder(t)
  const page = readFileSync(join(import.meta.dirname, '../../docs/presets.md'), 'utf8')
  const configs = await Promise.all(
    [...page.matchAll(/```ts\n(import [\s\S]*?)```/g)].map(async ([, source = ''], index) => {
      const file = join(folder, `${index}.config.ts`)
      await writeFile(file, source)
      return loadConfig(file)
    }),
  )
  const [short, long] = configs as [Config, Config]
  assert.deepEqual(partsOf(short), partsOf(long))
  const { path: _, channels: _c, plugins: _p, ...server } = short
  for (const [name, value] of Object.entries(server)) assert.deepEqual(value, long[name as keyof Config], name)
})

test('each part is replaced, left out or added by name', async () => {
  const input = mailServer({
    domain: 'example.org',
    address: '127.0.0.1',
    without: ['pop3', 'dkim'],
    channels: { outgoing: smtpOut({ nexthop: 'relay.example.net' }), second: smtpOut({}) },
    plugins: [antispam({ thresholds: { junk: 5 } }), antispam({}, { as: 'other' })],
  })
  const parts = partsOf(await checkConfig(input, '/iems.config.ts'))
  assert.deepEqual(
    parts.map(({ name }) => name),
    [
      'mx',
      'submission',
      'imap',
      'ldap',
      'sieve',
      'web',
      'local',
      'lists',
      'outgoing',
      'second',
      'directory',
      'sender-auth',
      'antispam',
      'mailsort',
      'quota',
      'jmap',
      'webmail',
      'account',
      'admin',
      'other',
    ],
  )
  const options = (name: string) => parts.find((one) => one.name === name)?.options as Record<string, unknown>
  assert.equal(options('outgoing').nexthop, 'relay.example.net')
  assert.equal((options('antispam').thresholds as { readonly junk: number }).junk, 5)
  const offline = await checkConfig(
    mailServer({ domain: 'example.org', address: '127.0.0.1', without: ['web'] }),
    '/iems.config.ts',
  )
  assert.deepEqual(
    partsOf(offline).filter(({ name }) => ['web', 'jmap', 'webmail', 'account', 'admin'].includes(name)),
    [],
  )
  assert.throws(() => mailServer({ domain: 'example.org', without: ['imap4'] }), /no part called imap4; it has mx, /)
})

test('without TLS nothing that takes passwords listens to other machines', async () => {
  await assert.rejects(
    checkConfig(mailServer({ domain: 'example.org' }), '/iems.config.ts'),
    /channels\.submission\.auth: needs tls/,
  )
})

test('without TLS the set-up help of account holders names the ports where the server listens', async () => {
  const serversOf = async (more: object) => {
    const input = mailServer({ domain: 'example.org', ...more })
    const parts = partsOf(await checkConfig(input, '/iems.config.ts'))
    return (parts.find(({ name }) => name === 'account')?.options as { servers: unknown } | undefined)?.servers
  }
  const local = { host: '127.0.0.1', security: 'none' }
  assert.deepEqual(await serversOf({ address: '127.0.0.1', ports: 'high' }), {
    imap: { ...local, port: 2143 },
    smtp: { ...local, port: 2587 },
  })
  // Of servers with TLS the plugin clients knows.
  assert.deepEqual(await serversOf({ tls: { cert: 'cert.pem', key: 'key.pem' } }), {
    imap: { port: 993, security: 'tls' },
    smtp: { port: 465, security: 'tls' },
  })
})
