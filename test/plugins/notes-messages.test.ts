/** Documents of Notes that are more than mail: reports and receipts, and people in the address book of web mail. */
import assert from 'node:assert/strict'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { notes } from 'iems/plugins/notes'
import { convert } from '../../plugins/gateway/notes/message/convert.ts'
import { noAddressBook } from '../../plugins/gateway/notes/names.ts'
import { startJmap } from '../support/jmap.ts'
import { documentWith } from '../support/notes.ts'
import { tempFolder } from '../support/running-server.ts'

const OPTIONS = { book: noAddressBook, domain: 'notes.invalid', replicaId: '85256A0000000001' }

/** Texts of the parts, decoded. */
async function partsOf(items: Parameters<typeof documentWith>[0]): Promise<{ type: string; text: string }[]> {
  const converted = await convert(documentWith(items), OPTIONS)
  const mail = Buffer.concat(await Array.fromAsync(converted?.open() ?? [])).toString()
  return mail.split(/\r\n--=_notes_[^\r]*\r\n/).map((part) => ({
    type: /Content-Type: ([^;\r]*(?:; report-type=[a-z-]+)?)/.exec(part)?.[1] ?? '',
    text: part.includes('base64') ? Buffer.from(part.split('\r\n\r\n')[1] ?? '', 'base64').toString() : part,
  }))
}

test('reports of Notes are reports for machines too', async () => {
  const failed = await partsOf({
    Form: ['NonDelivery Report'],
    Subject: ['DELIVERY FAILURE: No such user'],
    From: ['CN=Mailer/O=Acme'],
    IntendedRecipient: ['ed@example.org', 'CN=Eve/O=Acme@Acme'],
    FailureReason: ['User not\nlisted'],
    Body: ['Your message'],
  })
  assert.equal(failed[0]?.type, 'multipart/report; report-type=delivery-status')
  const [, , status] = failed
  assert.equal(status?.type, 'message/delivery-status')
  assert.match(status?.text ?? '', /^Reporting-MTA: x-notes; Domino\r\n\r\n/)
  assert.match(
    status?.text ?? '',
    /Final-Recipient: rfc822; ed@example\.org\r\nAction: failed\r\nStatus: 5\.0\.0\r\nDiagnostic-Code: x-notes; User not listed\r\n/,
  )
  assert.match(status?.text ?? '', /Final-Recipient: rfc822; Eve\/Acme@notes\.invalid\r\n/)
  const read = await partsOf({
    Form: ['Return Receipt'],
    Subject: ['Return Receipt: Budget'],
    From: ['ed@example.org'],
    In_Reply_To: ['<1@acme.test>'],
    Body: ['has read'],
  })
  assert.equal(read[0]?.type, 'multipart/report; report-type=disposition-notification')
  assert.match(
    read[2]?.text ?? '',
    /Original-Message-ID: <1@acme\.test>\r\nDisposition: manual-action\/MDN-sent-automatically; displayed\r\n/,
  )
  const memo = await partsOf({ Form: ['Memo'], Subject: ['x'], Body: ['text'] })
  assert.equal(memo[0]?.type, 'text/plain')
})

test('persons and groups come into the address book of web mail once, and stay away when their owner removes them', async (t) => {
  const here = await startJmap(t, {}, [notes()])
  const path = join(await tempFolder(t), 'ann.dxl')
  await copyFile(new URL('../fixtures/notes/mail.dxl', import.meta.url), path)
  const run = async () => {
    const outputs = await here.command('notes import', { arguments: [path, 'ann'] })
    const [report] = outputs.flatMap((one) => ('value' in one ? [one.value as Record<string, unknown>] : []))
    return report
  }
  const report = await run()
  assert.ok(Number(report?.contacts) > 0)
  const ann = await here.client('ann')
  const cards = async () =>
    (await ann.one('ContactCard/get', { ids: null })).list.filter(({ uid }: { uid: string }) =>
      uid.startsWith('urn:notes:'),
    )
  const found = await cards()
  assert.equal(found.length, report?.contacts)
  const [card] = found
  assert.equal(card.name.full, 'John Doe')
  assert.deepEqual(Object.keys(card.addressBookIds), ['contacts'])
  assert.match(card.emails.e1.address, /@/)
  // They are no messages then.
  assert.equal(
    (await ann.mailboxes()).some(({ name }) => name === 'Contacts'),
    false,
  )
  const again = await run()
  assert.deepEqual([again?.filed, again?.already], [0, Number(report?.filed)])
  await ann.one('ContactCard/set', { destroy: [card.id] })
  await run()
  assert.equal((await cards()).length, found.length - 1)
})
