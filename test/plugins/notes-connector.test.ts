/** The border to Domino: names of Notes, fields that are Domino's own, receipts, and directories on a schedule. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { notes } from 'iems/plugins/notes'
import { notesNameIn } from '../../plugins/gateway/notes/border.ts'
import { createMailKernel } from '../support/mailstore.ts'

const connector = { channel: 'out', nexthop: 'domino.acme.test', hosts: ['192.0.2.0/24'], domains: ['acme.test'] }

test('a recipient with a Notes name is found by the directory, and the header names people by addresses', async (t) => {
  const kernel = await createMailKernel(t, { plugins: [notes({ connector })] })
  const content = [
    'From: "Bob" <Bob/Acme@acme.test>',
    'To: Ann/Sales/Acme@acme.test, Eve/Acme@acme.test',
    'Return-Receipt-To: Bob/Acme@acme.test',
    'X-MIMETrack: Serialize by Router',
    'Subject: From Domino',
    '',
    'Hello',
    '',
  ].join('\r\n')
  const sent = await kernel.session().submit({ from: 'bob@here.test', to: ['Ann/Sales/Acme%Acme@acme.test'], content })
  assert.equal(sent.reply.code, 250, JSON.stringify(sent))
  await kernel.deliver()
  const [entry] = await kernel.entries('ann')
  const mail = await kernel.content(entry?.email ?? '')
  assert.match(mail, /^From: "Bob" <bob@here\.test>\r$/m)
  // A name that the directory does not know stays.
  assert.match(mail, /^To: "Ann" <ann@here\.test>, "Eve" <Eve\/Acme@acme\.test>\r$/m)
  assert.match(mail, /^Disposition-Notification-To:/m)
  assert.doesNotMatch(mail, /X-MIMETrack/i)
})

test('other clients may not have names translated in their header', async (t) => {
  const kernel = await createMailKernel(t, { plugins: [notes({ connector: { ...connector, hosts: [] } })] })
  const content = 'From: Bob/Acme@acme.test\r\nSubject: x\r\n\r\nHello\r\n'
  await kernel.session().submit({ from: 'ed@example.org', to: ['ann@here.test'], content })
  await kernel.deliver()
  const [entry] = await kernel.entries('ann')
  assert.match(await kernel.content(entry?.email ?? ''), /^From: Bob\/Acme@acme\.test\r$/m)
})

test('Notes names in addresses', () => {
  const name = (address: string) => notesNameIn(address, ['acme.test'])
  assert.equal(name('John_Doe/Sales/Acme%Acme@ACME.test'), 'John Doe/Sales/Acme')
  assert.equal(name('"John Doe/Sales/Acme"@acme.test'), 'John Doe/Sales/Acme')
  assert.equal(name('john@acme.test'), undefined)
  assert.equal(name('John_Doe/Acme@example.org'), undefined)
})
