/** What outlives a reload, shown by two kernels to which one server lends the same state. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { createAttemptState, LoginThrottle } from '../../core/auth/login-throttle.ts'
import { checkConfig } from '../../core/runtime/config.ts'
import { ConfigIdentity } from '../../core/runtime/config-identity.ts'
import { secret } from '../../core/runtime/secret.ts'
import { createLasting, type Lasting, testClock } from '../../core/testing/index.ts'
import { smtpOut } from '../../plugins/smtp/out/index.ts'
import { checkResponse } from '../support/imap-grammar.ts'
import { createImapKernel } from '../support/imap-talk.ts'

async function firstLine(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  checkResponse(`${chunk}`.replace(/\r\n$/, ''), { isUtf8: false })
  return `${chunk}`
}

test('connections of the kernel before count for the limit of an address', async (t) => {
  const lasting = createLasting()
  const limits = { connections: 10, connectionsPerAddress: 1 }
  const before = await createImapKernel(t, { lasting, imap: { limits } })
  const open = await before.talk()
  const after = await createImapKernel(t, { lasting, imap: { limits } })
  assert.match(await firstLine(after.port), /^\* BYE/)
  open.close()
  for (const end = Date.now() + 60_000; !(await firstLine(after.port)).startsWith('* OK'); ) assert.ok(Date.now() < end)
})

test('failed logins count on after a reload, and a server of its own counts for itself', async () => {
  const clock = testClock()
  const limits = { free: 2, delay: 3_600_000, longest: 7_200_000, forget: 86_400_000, remembered: 100 }
  const guess = { address: '192.0.2.7', trusted: false, username: 'ann' }
  const lasting = createLasting()
  const createOn = (lent: Lasting) => new LoginThrottle(clock, limits, lent.of('logins', createAttemptState))
  const before = createOn(lasting)
  for (let tries = 0; tries < 3; tries++) {
    const failed = (await before.begin(guess))?.failed()
    await clock.advance(tries === 2 ? 0 : 3_600_000)
    if (tries < 2) await failed
  }
  before.close()
  for (const [lent, isDelayed] of [
    [lasting, true],
    [createLasting(), false],
  ] as const) {
    let isHeard = false
    void createOn(lent)
      .begin(guess)
      .then(() => {
        isHeard = true
      })
    await clock.advance(0)
    assert.equal(isHeard, !isDelayed)
    await clock.advance(3_600_000)
    assert.ok(isHeard)
  }
})

test('a configuration is the same when it means the same: secrets count, and so does code', async () => {
  const identity = new ConfigIdentity()
  const of = async (extra: object, password = 'a') =>
    identity.of(
      await checkConfig(
        {
          hostname: 'mx.test',
          channels: { out: smtpOut({ nexthop: 'hub.test', auth: { user: 'u', password: secret.value(password) } }) },
          ...extra,
        },
        '/nowhere/iems.config.ts',
      ),
    )
  const first = await of({})
  assert.equal(await of({}), first)
  assert.notEqual(await of({}, 'b'), first)
  assert.notEqual(await of({ drain: '31 s' }), first)
})
