/** The border to Domino: names of Notes, fields that are Domino's own, receipts, and directories on a schedule. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { notes } from 'iems/plugins/notes'
import { simpleParser } from 'mailparser'
import { notesNameIn } from '../../plugins/gateway/notes/border.ts'
import { linkHtml, readNdl } from '../../plugins/gateway/notes/ndl.ts'
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

test('files with Notes links become links, for the Notes client and for browsers', async (t) => {
  const kernel = await createMailKernel(t, {
    plugins: [notes({ connector: { ...connector, web: 'https://domino.acme.test' } })],
  })
  const ndl = [
    '<NDL>',
    '<REPLICA 85256A00:00000001>',
    '<VIEW OFE3EF8FA3:02C930C5-ONC1256C1F:006A92DB>',
    '<NOTE OF29DCC0C1:74F9C52F-ONC1256C1F:00831A06>',
    '<HINT>CN=Hub/O=Acme</HINT>',
    "<REM>Database 'Sales & <more>'</REM>",
    '</NDL>',
  ].join('\r\n')
  const part = (type: string, name: string, text: string) =>
    `--b\r\nContent-Type: ${type}; name="${name}"\r\nContent-Disposition: attachment; filename="${name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(text).toString('base64')}\r\n`
  const content = [
    'From: bob@here.test\r\nTo: ann@here.test\r\nSubject: link\r\nMIME-Version: 1.0\r\n',
    'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nSee the document.\r\n',
    part('application/octet-stream', 'doclink.ndl', ndl),
    part('application/octet-stream', 'other.ndl', 'no link'),
    '--b--\r\n',
  ].join('')
  await kernel.session().submit({ from: 'bob@here.test', to: ['ann@here.test'], content })
  await kernel.deliver()
  const [entry] = await kernel.entries('ann')
  const { html, attachments } = await simpleParser(await kernel.content(entry?.email ?? ''))
  const document = 'E3EF8FA302C930C5C1256C1F006A92DB/29DCC0C174F9C52FC1256C1F00831A06'
  assert.ok(String(html).includes(`href="https://domino.acme.test/__85256A0000000001.nsf/${document}?OpenDocument"`))
  assert.ok(String(html).includes(`href="notes:///85256A0000000001/${document}"`))
  assert.match(String(html), /Sales &amp; &lt;more&gt;/)
  assert.deepEqual(
    attachments.map(({ filename }) => filename),
    ['other.ndl'],
  )
})

test('links of every form, and what is none', () => {
  const replica = '85256A0000000001'
  assert.deepEqual(readNdl('<NDL><REPLICA>85256a00:00000001</REPLICA></NDL>'), { replica })
  assert.equal(readNdl('<NDL><REPLICA>85256a00</REPLICA></NDL>'), undefined)
  assert.equal(readNdl('<REPLICA 85256A00:00000001>'), undefined)
  assert.equal(linkHtml({ replica }, undefined), `<p><a href="notes:///${replica}/0">Notes link</a></p>`)
  assert.match(linkHtml({ replica, title: '<script>"' }, undefined), /&lt;script&gt;/)
})

test('Notes names in addresses', () => {
  const name = (address: string) => notesNameIn(address, ['acme.test'])
  assert.equal(name('John_Doe/Sales/Acme%Acme@ACME.test'), 'John Doe/Sales/Acme')
  assert.equal(name('"John Doe/Sales/Acme"@acme.test'), 'John Doe/Sales/Acme')
  assert.equal(name('john@acme.test'), undefined)
  assert.equal(name('John_Doe/Acme@example.org'), undefined)
})
