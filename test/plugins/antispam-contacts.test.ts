/** The first mail from an author to an account is a finding; the second is not, and junk makes no author known. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accounts } from '../../plugins/directory/static/index.ts'
import { letter, startAntispam, startWithMailboxes } from '../support/antispam.ts'

test('the first mail from an author to an account is a first contact, each account for itself', async (t) => {
  const { send } = await startWithMailboxes(t)
  const first = async (to: string | readonly string[], content = letter()) =>
    (await send({ to, content })).findings['first-contact']
  assert.equal(await first('bob@here.test'), 'bob')
  assert.equal(await first('bob@here.test'), undefined)
  assert.equal(await first(['bob@here.test', 'ann@here.test']), 'ann')
  assert.equal(await first('bob@here.test', letter().replace('<ann@a.test>', '<ANN@A.test>')), undefined)
  assert.equal(await first('bob@here.test', letter().replace('<ann@a.test>', '<eve@a.test>')), 'bob')
})

test('junk makes no author known', async (t) => {
  const rules = [{ name: 'pills', pattern: /pills/, score: 9 }]
  const { send } = await startWithMailboxes(t, { options: { content: { rules } } })
  const first = async (content: string) => (await send({ content })).findings['first-contact']
  assert.equal(await first(letter('pills')), 'bob')
  assert.equal(await first(letter()), 'bob')
  assert.equal(await first(letter()), undefined)
})

test('an address that the account or another of its domain has written to is no first contact', async (t) => {
  const people = ['ann', 'bob'].map((name) => ({ name, addresses: [`${name}@here.test`] }))
  const directory = accounts({ domains: ['here.test'], channel: 'out', accounts: people })
  const { send } = await startAntispam(t, { plugins: [directory] })
  const ann = { kind: 'identity', user: 'ann', account: 'ann', mayRelay: true } as const
  const first = async (to: string, author: string) =>
    (await send({ to, content: letter().replace('<ann@a.test>', `<${author}>`) })).findings['first-contact']
  const sent = { identity: ann, from: 'ann@here.test', to: ['Eve@A.test', 'bob@here.test'] }
  const answer = await send({ ...sent, content: letter().replace('<ann@a.test>', '<ann@here.test>') })
  assert.deepEqual([answer.reply.code, answer.refused], [250, []])
  assert.equal(await first('ann@here.test', 'eve@a.test'), undefined)
  assert.equal(await first('bob@here.test', 'eve@a.test'), undefined)
  assert.equal(await first('bob@here.test', 'joe@a.test'), 'bob')
})
