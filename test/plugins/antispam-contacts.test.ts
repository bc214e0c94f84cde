/** The first mail from an author to an account is a finding; the second is not, and junk makes no author known. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { letter, startWithMailboxes } from '../support/antispam.ts'

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
