/** Reputation: what a domain or network has sent before counts, where the domain is vouched for, and fades. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definePlugin } from 'iems'
import { memoryStore, testClock } from 'iems/testing'
import * as z from 'zod'
import { letter, type Settings, startAntispam } from '../support/antispam.ts'

const HOUR_MS = 3_600_000
/** Vouches for the domain that the envelope names, but not for `forged.test`. */
const vouch = definePlugin({
  name: 'vouch',
  config: z.undefined(),
  setup: () => ({
    hooks: {
      check: {
        stage: 'early',
        handler({ from }, { note }) {
          const domain = from.slice(from.lastIndexOf('@') + 1)
          note('dmarc', domain === 'forged.test' ? 'fail' : 'pass')
          note('from-domain', domain)
        },
      },
    },
  }),
})

const RULES = [{ name: 'pills', pattern: /pills/, score: 9 }]
const settings = (more: Settings['options'] = {}): Settings => ({
  plugins: [vouch()],
  options: {
    content: { rules: RULES, standard: false },
    findings: {},
    client: { noName: 0, falseName: 0 },
    sender: { unknown: 0 },
    ...more,
  },
})
const SPAM = letter('pills')

type Send = Awaited<ReturnType<typeof startAntispam>>['send']
const scoreOf = async (send: Send, from: string, ip?: string) =>
  (await send({ from, ...(ip === undefined ? {} : { ip }) })).findings['spam-score'] as number
async function times(n: number, what: () => Promise<unknown>) {
  for (let left = n; left > 0; left--) await what()
}

test('a domain that sent spam counts against its mail, one that sent none for it, each with its subdomains', async (t) => {
  const { send } = await startAntispam(t, settings())
  const before = await scoreOf(send, 'a@bad.test')
  await times(8, () => send({ from: 'a@bad.test', content: SPAM }))
  assert.equal(await scoreOf(send, 'a@bad.test'), before, 'too few messages')
  await times(30, () => send({ from: 'a@bad.test', content: SPAM }))
  assert.ok((await scoreOf(send, 'b@mail.bad.test')) > before + 0.5)
  await times(20, () => send({ from: 'a@good.test' }))
  assert.ok((await scoreOf(send, 'a@good.test')) < before - 0.3)
  const { findings } = await send({ from: 'a@bad.test' })
  assert.match(String(findings['spam-reasons']), /reputation\(bad\.test\)=/)
  assert.match(String(findings['spam:reputation']), /^Of what bad\.test has sent, \d+ % was spam\.$/)
})

test('spam in the name of a domain that is not vouched for counts against the network', async (t) => {
  const { send } = await startAntispam(t, settings())
  await times(40, () => send({ from: 'a@forged.test', content: SPAM, ip: '198.51.100.7' }))
  const elsewhere = await scoreOf(send, 'a@forged.test', '203.0.113.7')
  assert.ok((await scoreOf(send, 'a@forged.test', '198.51.100.99')) > elsewhere + 0.5)
})

test('reputation is in the store, halves with time, and is forgotten', async (t) => {
  const clock = testClock()
  const store = memoryStore({ now: clock.now })
  const kernel = { store, clock }
  const first = await startAntispam(t, { ...settings({ reputation: { halfLife: '1 h' } }), kernel })
  await times(30, () => first.send({ from: 'a@bad.test', content: SPAM }))
  const second = await startAntispam(t, { ...settings({ reputation: { halfLife: '1 h' } }), kernel })
  const soon = await scoreOf(second.send, 'a@bad.test')
  assert.ok(soon > 0.5)
  await clock.advance(HOUR_MS)
  const later = await scoreOf(second.send, 'a@bad.test')
  assert.ok(later > 0 && later < soon, `${later} of ${soon}`)
  await clock.advance(HOUR_MS)
  assert.equal(await scoreOf(second.send, 'a@bad.test'), 0)
})

test('reputation can be turned off', async (t) => {
  const { send } = await startAntispam(t, settings({ reputation: { good: 0, bad: 0 } }))
  await times(30, () => send({ from: 'a@bad.test', content: SPAM }))
  assert.equal(await scoreOf(send, 'a@bad.test'), 0)
})
