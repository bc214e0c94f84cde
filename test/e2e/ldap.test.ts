/**
 * A running server whose accounts are made over LDAP, as an admin and a program that looks people up meet it; and one
 * that has its accounts from that one.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { entriesIn, run } from '../support/ldap.ts'
import { startProcess, tempFolder } from '../support/running-server.ts'

const missing = ['swaks', 'curl', 'ldapadd'].find((tool) => !existsSync(`/usr/bin/${tool}`))
const skip = missing === undefined ? false : `${missing} (Debian packages swaks, curl, ldap-utils) is not installed`
const SUFFIX = 'dc=here,dc=test'

const config = (plugin: string, more = '') => `
import { defineConfig, secret } from 'iems'
import { directory } from 'iems/plugins/directory'
import { imap } from 'iems/plugins/imap'
import { ldap } from 'iems/plugins/ldap'
import { ldapClient } from 'iems/plugins/ldap-client'
import { mailstore } from 'iems/plugins/mailstore'
import { smtpIn } from 'iems/plugins/smtp-in'
export default defineConfig({
  hostname: 'mx.test',
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:0', auth: 'optional', authWithoutTls: true }),
    local: mailstore({}, { accepts: 'anyone' }),
    imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true }),
    ${more}
  },
  plugins: [${plugin}],
})
`

test('accounts made over LDAP get mail and log in at once, also on a server that asks for them', {
  skip,
}, async (t) => {
  const folder = await tempFolder(t)
  const source = config(
    'directory()',
    `ldap: ldap({ listen: '127.0.0.1:0', suffix: '${SUFFIX}', authWithoutTls: true }),`,
  )
  const first = await startProcess(t, folder, source)
  const portsOf = async (server: typeof first) => {
    const { listeners } = JSON.parse((await server.iems('status', '--json')).out) as {
      listeners: { plugin: string; port: number }[]
    }
    return (name: string) => listeners.find(({ plugin }) => plugin === name)?.port as number
  }
  const port = await portsOf(first)
  await first.iems('domain', 'add', 'here.test')
  await first.iems('account', 'add', 'root', 'role=admin')
  assert.equal((await first.iemsWithInput('a good password\n', 'account', 'password', 'root')).code, 0)
  const as = (name: string, at: number) => [
    '-x',
    '-H',
    `ldap://127.0.0.1:${at}`,
    '-D',
    `uid=${name},${SUFFIX}`,
    '-w',
    'a good password',
  ]
  const added = await run('ldapadd', as('root', port('ldap')), {
    input: `dn: uid=ann,${SUFFIX}
objectClass: inetOrgPerson
uid: ann
cn: Ann
sn: Example
mail: ann@here.test
userPassword: a good password
`,
  })
  assert.equal(added.code, 0, added.err)

  const swaks = (at: number, subject: string) =>
    promisify(execFile)('swaks', [
      ...[
        '--server',
        `127.0.0.1:${at}`,
        '--from',
        'x@far.test',
        '--to',
        'ann@here.test',
        '--header',
        `Subject: ${subject}`,
      ],
    ])
  const fetched = async (at: number) => {
    const url = `imap://127.0.0.1:${at}/INBOX;MAILINDEX=1`
    return (await promisify(execFile)('curl', ['-s', '--max-time', '20', '-u', 'ann:a good password', url])).stdout
  }
  await swaks(port('mx'), 'over LDAP')
  await first.line(/message\.finished/)
  assert.match(await fetched(port('imap')), /^Subject: over LDAP/m)

  const client = `ldapClient({
    servers: ['ldap://127.0.0.1:${port('ldap')}'], startTls: false, base: '${SUFFIX}', domains: ['here.test'],
    bindDn: 'uid=root,${SUFFIX}', password: secret.value('a good password'),
  })`
  const second = await startProcess(t, await tempFolder(t), config(client))
  const other = await portsOf(second)
  await swaks(other('mx'), 'asked for')
  await second.line(/message\.finished/)
  assert.match(await fetched(other('imap')), /^Subject: asked for/m)

  first.process.kill('SIGTERM')
  await first.ended()
  await assert.rejects(
    swaks(other('mx'), 'later').then(() => fetched(other('imap'))),
    'nobody can say who Ann is',
  )
  const again = await startProcess(t, folder)
  const found = await run('ldapsearch', [
    ...as('ann', (await portsOf(again))('ldap')),
    '-LLL',
    '-b',
    SUFFIX,
    '(mail=ann@here.test)',
    'cn',
  ])
  assert.deepEqual(entriesIn(found.out), [{ dn: [`uid=ann,${SUFFIX}`], cn: ['Ann'] }])
})
