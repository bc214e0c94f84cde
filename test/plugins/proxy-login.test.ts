/** Who acts as whom: SASL authorization identities mean accounts, and administrators act for others where they may. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import type { Protocol, SaslMechanism } from 'iems'
import { imap } from 'iems/plugins/imap'
import { ldap } from 'iems/plugins/ldap'
import { pop3 } from 'iems/plugins/pop3'
import { smtpIn } from 'iems/plugins/smtp-in'
import { createDirectoryKernel, type DirectoryKernel } from '../support/directory.ts'

const run = promisify(execFile)
const SUFFIX = 'dc=here,dc=test'
const noGsasl = spawnSync('gsasl', ['--version']).error ? 'gsasl is not installed (Debian package gsasl)' : false
const noLdap = spawnSync('ldapwhoami', ['-VV']).error
  ? 'ldapwhoami is not installed (Debian package ldap-utils)'
  : false

/** root is an administrator, ann and bob are not. */
async function start(t: TestContext, more: Parameters<typeof createDirectoryKernel>[1] = {}): Promise<DirectoryKernel> {
  const here = await createDirectoryKernel(t, { limits: { logins: { free: 100 } }, ...more })
  await here.make({ add: { kind: 'domain', name: 'here.test' } })
  await here.make({ add: { kind: 'domain', name: 'alias.test', aliasOf: 'here.test' } })
  for (const name of ['ann', 'bob', 'root']) {
    const roles = name === 'root' ? ['admin'] : []
    await here.make({ add: { kind: 'account', name, addresses: [`${name}@here.test`], password: 'secret', roles } })
  }
  return here
}

interface Shown {
  readonly authzid: string
  readonly username?: string
  readonly password?: string
  readonly protocol?: Protocol
}

async function plain(
  here: DirectoryKernel,
  { authzid, username = 'ann', password = 'secret', protocol = 'IMAP' }: Shown,
) {
  const open = here.openSession({ protocol, remote: { address: '192.0.2.1' } })
  const initial = Buffer.from(`${authzid}\0${username}\0${password}`)
  const answer = await open.authenticate({ mechanism: 'PLAIN', initial, ask: async () => undefined })
  return { open, as: answer.kind === 'identity' ? answer.user : answer.reply.code }
}

/** A SCRAM client (RFC 5802) that asks to act as `authzid`. */
async function scram(here: DirectoryKernel, mechanism: SaslMechanism, authzid: string, username = 'ann') {
  const hash = mechanism === 'SCRAM-SHA-1' ? 'sha1' : 'sha256'
  const hmac = (key: Uint8Array, text: string) => createHmac(hash, key).update(text).digest()
  const open = here.openSession({ protocol: 'IMAP', remote: { address: '192.0.2.1' } })
  const gs2 = `n,${authzid === '' ? '' : `a=${authzid}`},`
  const first = `n=${username},r=abc`
  const answer = await open.authenticate({
    mechanism,
    initial: Buffer.from(gs2 + first),
    async ask(challenge) {
      if (challenge.startsWith('v=')) return Buffer.alloc(0)
      const [, nonce, salt = '', count] = /^r=(.+),s=(.+),i=(\d+)$/.exec(challenge) ?? []
      const length = hash === 'sha1' ? 20 : 32
      const salted = pbkdf2Sync('secret', Buffer.from(salt, 'base64'), Number(count), length, hash)
      const key = hmac(salted, 'Client Key')
      const final = `c=${Buffer.from(gs2).toString('base64')},r=${nonce}`
      const signature = hmac(createHash(hash).update(key).digest(), `${first},${challenge},${final}`)
      const proof = Buffer.from(key.map((octet, at) => octet ^ (signature[at] as number)))
      return Buffer.from(`${final},p=${proof.toString('base64')}`)
    },
  })
  return answer.kind === 'identity' ? answer.user : answer.reply.code
}

const OWN = ['', 'ann', 'ANN', 'ann@here.test', 'Ann@HERE.test', 'ann@alias.test']
const OTHERS = ['bob', 'bob@here.test', 'root', 'who', 'ann@far.test', 'dn:ann']
const both = { scram: ['SCRAM-SHA-256', 'SCRAM-SHA-1'] } as const

test('an authorization identity means an account: every name of the own one is taken, every other is refused', async (t) => {
  const here = await start(t, { directory: { scram: [...both.scram] } })
  for (const authzid of OWN) assert.equal((await plain(here, { authzid })).as, 'ann', authzid)
  for (const authzid of OTHERS) assert.equal((await plain(here, { authzid })).as, 535, authzid)
  for (const mechanism of both.scram) {
    for (const authzid of OWN) assert.equal(await scram(here, mechanism, authzid), 'ann', authzid)
    for (const authzid of OTHERS) assert.equal(await scram(here, mechanism, authzid), 535, authzid)
  }
})

test('nobody acts for others by default; where it is allowed, administrators alone do', async (t) => {
  const off = await start(t)
  assert.equal((await plain(off, { authzid: 'bob', username: 'root' })).as, 535)
  const here = await start(t, { directory: { proxyLogin: true, scram: [...both.scram] } })
  assert.equal((await plain(here, { authzid: 'bob' })).as, 535)
  assert.equal((await plain(here, { authzid: 'bob', username: 'root', password: 'wrong' })).as, 535)
  assert.equal((await plain(here, { authzid: 'who', username: 'root' })).as, 535)
  assert.equal(await scram(here, 'SCRAM-SHA-256', 'bob', 'root'), 'bob')
  const { open, as } = await plain(here, { authzid: 'bob@here.test', username: 'root', protocol: 'ESMTPSA' })
  assert.equal(as, 'bob')
  const bob = await here.directory.byName('account', 'bob')
  assert.equal(open.session.identity?.account, bob?.id)
  const told = here.events.filter(({ name }) => name === 'session.proxied')
  assert.deepEqual(
    told.map(({ actor, user, protocol }) => [actor, user, protocol]),
    [
      ['root', 'bob', 'IMAP'],
      ['root', 'bob', 'ESMTPSA'],
    ],
  )
})

test('a message that an administrator sends for another names both, in its trace too', async (t) => {
  const here = await start(t, { directory: { proxyLogin: true } })
  const { open } = await plain(here, { authzid: 'bob', username: 'root', protocol: 'ESMTPSA' })
  assert.equal((await open.mail('root@here.test', {}))?.reply.code, 553)
  assert.equal(await open.mail('bob@here.test', {}), undefined)
  assert.equal(await open.rcpt({ address: 'ann@here.test' }), undefined)
  const text = 'From: bob@here.test\r\nSubject: for bob\r\n\r\nx\r\n'
  const reply = await open.data(
    (async function* () {
      yield Buffer.from(text)
    })(),
  )
  assert.equal(reply.code, 250)
  const [{ message = '' } = {}] = here.events.filter(({ name }) => name === 'message.accepted')
  const life = await here.queue.trace(message)
  assert.equal(life?.session.identity?.user, 'bob')
  assert.equal(life?.session.identity?.actor?.user, 'root')
})

test('the session of an administrator who acts for another ends with the role, the password or the other account', async (t) => {
  for (const change of [
    'account set root role=',
    'account set root status=disabled',
    'account password root',
    'account set bob status=disabled',
  ]) {
    const here = await start(t, { directory: { proxyLogin: true } })
    const { open, as } = await plain(here, { authzid: 'bob', username: 'root', protocol: 'ESMTPSA' })
    assert.equal(as, 'bob')
    await here.iems('account set ann display-name=Ann')
    assert.equal(await open.mail('bob@here.test', {}), undefined)
    assert.equal(open.session.identity?.actor?.user, 'root')
    await here.iems(change, 'another secret\n')
    assert.equal((await open.mail('bob@here.test', {}))?.reply.code, 421, change)
    assert.ok(open.revoked.aborted)
  }
})

test("an administrator's password for a program acts for others only when it was made for that", async (t) => {
  const here = await start(t, { directory: { proxyLogin: true } })
  for (const [scopes, expected] of [
    ['imap', 535],
    ['imap,proxy', 'bob'],
  ] as const) {
    const { lines } = await here.iems(`account app-password root phone --for ${scopes}`)
    const { as } = await plain(here, { authzid: 'bob', username: 'root', password: lines[0] ?? '' })
    assert.equal(as, expected, scopes)
  }
})

test('GNU SASL and OpenLDAP act for another by SMTP, IMAP and LDAP, and POP3 does', {
  skip: noGsasl || noLdap,
}, async (t) => {
  const listen = '127.0.0.1:0'
  const trusts = ['127.0.0.0/8']
  const here = await start(t, {
    directory: { proxyLogin: true, scram: true },
    channels: {
      smtp: smtpIn({ listen, auth: 'optional', authWithoutTls: true }),
      imap: imap({ listen, authWithoutTls: true }),
      pop3: pop3({ listen, authWithoutTls: true }),
      ldap: ldap({ listen, suffix: SUFFIX, authWithoutTls: true }, { trusts }),
    },
  })
  for (const protocol of ['smtp', 'imap'] as const)
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-256']) {
      const options = [
        '--connect',
        `127.0.0.1:${here.listener(protocol).port}`,
        `--${protocol}`,
        '--no-starttls',
        '-m',
        mechanism,
      ]
      const gsasl = (...names: readonly string[]) => {
        const running = run('gsasl', [...options, ...names, '-p', 'secret'], { timeout: 20_000 })
        running.child.stdin?.end()
        return running.then(
          () => true,
          () => false,
        )
      }
      assert.ok(await gsasl('-a', 'root', '-z', 'bob'), `${protocol} ${mechanism}`)
      assert.ok(await gsasl('-a', 'ann', '-z', 'ann@here.test'), `${protocol} ${mechanism}`)
      assert.ok(!(await gsasl('-a', 'ann', '-z', 'bob')), `${protocol} ${mechanism}`)
    }
  const whoAmI = (authzid: string, username = 'root') =>
    run('ldapwhoami', [
      ...['-H', `ldap://127.0.0.1:${here.listener('ldap').port}`, '-O', 'none', '-Y', 'PLAIN'],
      ...['-U', username, '-X', authzid, '-w', 'secret'],
    ]).then(
      ({ stdout }) => stdout.trim(),
      ({ code }: { code: number }) => code,
    )
  for (const authzid of ['u:bob', `dn:uid=bob,${SUFFIX}`, 'u:bob@here.test'])
    assert.equal(await whoAmI(authzid), `dn:uid=bob,${SUFFIX}`, authzid)
  assert.equal(await whoAmI(`dn:uid=ann,${SUFFIX}`, 'ann'), `dn:uid=ann,${SUFFIX}`)
  for (const authzid of ['u:bob', `dn:uid=bob,${SUFFIX}`, `dn:ou=bob,${SUFFIX}`, 'dn:'])
    assert.equal(await whoAmI(authzid, 'ann'), 49, authzid)
  const curl = (...names: readonly string[]) =>
    run('curl', [
      '-sS',
      '-m',
      '20',
      '--sasl-authzid',
      ...names,
      `pop3://127.0.0.1:${here.listener('pop3').port}/`,
    ]).then(
      () => true,
      () => false,
    )
  assert.ok(await curl('bob', '-u', 'root:secret'))
  assert.ok(!(await curl('bob', '-u', 'ann:secret')))
  const told = here.events.filter(({ name }) => name === 'session.proxied')
  assert.deepEqual([...new Set(told.map(({ protocol }) => protocol))], ['ESMTP', 'IMAP', 'LDAP', 'POP3'])
})
