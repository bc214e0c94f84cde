/** What the web mail knows of a message: who vouches for it, where it is, how its list is left, what is inside of it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { antispam } from 'iems/plugins/antispam'
import { senderAuth } from 'iems/plugins/sender-auth'
import { answerTo, readInvitation } from '../../plugins/web/mail/store/calendar.ts'
import { oneClickUrl } from '../../plugins/web/mail/unsubscribe.ts'
import { shot } from '../support/web-looks.ts'
import { fileMail, IN_BROWSER, logIn, openPage, startBrowser, startWebMail } from '../support/web-mail.ts'
import type { Sample } from '../support/web-mail-samples.ts'

const AFTER_UNDO_MS = 11_000

const INVITATION = [
  'BEGIN:VCALENDAR',
  'METHOD:REQUEST',
  'BEGIN:VTIMEZONE',
  'TZID:Europe/Berlin',
  'END:VTIMEZONE',
  'BEGIN:VEVENT',
  'UID:42@example.org',
  'SEQUENCE:3',
  'SUMMARY:Bridge\\, second look',
  'DTSTART;TZID=Europe/Berlin:20261209T100000',
  'DTEND;TZID=Europe/Berlin:20261209T113000',
  'LOCATION:North gate',
  'ORGANIZER;CN="Bob Lindqvist":mailto:bob@here.test',
  'ATTENDEE;CN=Ann;PARTSTAT=NEEDS-ACTION:mailto:ann@here.tes',
  ' t',
  'BEGIN:VALARM',
  'SUMMARY:not this',
  'END:VALARM',
  'END:VEVENT',
  'END:VCALENDAR',
  '',
].join('\r\n')

const INNER = 'From: Carol <carol@example.org>\r\nTo: bob@here.test\r\nSubject: Inner\r\n\r\nThe text inside.\r\n'

function mail(origin: string): Sample[] {
  const one = (subject: string, lines: readonly string[], body: string): string =>
    [`From: Bob Lindqvist <bob@here.test>`, 'To: ann@here.test', `Subject: ${subject}`, ...lines, '', body, ''].join(
      '\r\n',
    )
  const mixed = (type: string, parts: readonly string[]): [string[], string] => [
    ['MIME-Version: 1.0', `Content-Type: multipart/${type}; boundary=b`],
    `${parts.map((part) => `--b\r\n${part}\r\n`).join('')}--b--`,
  ]
  const text = 'Content-Type: text/plain\r\n\r\nHello.'
  return [
    {
      // Today and yesterday at any hour.
      age: 0,
      text: one(
        'List',
        [
          `List-Unsubscribe: <mailto:leave@example.org>, <${origin}/leave?id=7>`,
          'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
        ],
        'News.',
      ),
    },
    { age: 2, text: one('Other list', ['List-Unsubscribe: <mailto:bob@here.test?subject=leave%20me>'], 'News.') },
    {
      age: 3,
      text: one(
        'Meeting',
        ...mixed('mixed', [text, `Content-Type: text/calendar; method=REQUEST\r\n\r\n${INVITATION}`]),
      ),
    },
    { age: 4, text: one('Inside', ...mixed('mixed', [text, `Content-Type: message/rfc822\r\n\r\n${INNER}`])) },
    {
      age: 24,
      text: one(
        'Signed',
        ...mixed('signed', [text, 'Content-Type: application/pgp-signature; name=signature.asc\r\n\r\nx']),
      ),
    },
    {
      age: 31,
      text: one(
        'Checked',
        [
          'Authentication-Results: mx.test; spf=pass; dmarc=pass (p=reject) header.from=example.org',
          'Authentication-Results: other.test; dmarc=pass header.from=bank.example',
        ],
        'Hello.',
      ),
    },
    {
      age: 60,
      text: one(
        'Disowned',
        [
          'Authentication-Results: mx.test; dmarc=fail header.from=bank.example',
          'X-Spam-Status: Yes, score=7.5 required=4 tests=LINK 3.5, LIST 4',
        ],
        'Hello.',
      ),
    },
    {
      age: 61,
      text: one('Others', ['Authentication-Results: other.test; dmarc=pass header.from=bank.example'], 'Hello.'),
    },
    { age: 62, text: one('Brief', [], 'Hello.') },
  ]
}

test('reading in a browser', IN_BROWSER, async (t) => {
  const asked: string[] = []
  const list = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    asked.push(`${request.method} ${request.url} ${body} ${request.headers.cookie ?? ''}`)
    response.end()
  })
  list.listen(0, '127.0.0.1')
  await once(list, 'listening')
  t.after(() => list.close())
  const here = await startWebMail(t, {}, { images: { allow: ['127.0.0.0/8'] } }, [senderAuth(), antispam()])
  const browser = await startBrowser(t)
  // The request for one click is made by TLS alone; the test's list has none, and is asked by the route below.
  await fileMail(here.base, 'ann', mail(`https://127.0.0.1:${(list.address() as AddressInfo).port}`))
  const { page, problems } = await openPage(browser, here.base)
  await logIn(page, 'ann')
  const open = async (subject: string) => {
    await page
      .getByRole('row', { name: new RegExp(`\\b${subject}\\b`) })
      .first()
      .click()
    await page.getByRole('heading', { level: 1, name: subject, exact: true }).waitFor()
  }

  await t.test('rows stand under their days', async () => {
    await page.getByRole('row', { name: /^Yesterday: .*Signed|^Today: .*Signed|Signed/ }).waitFor()
    assert.ok((await page.locator('.m .heading').allTextContents()).includes('Yesterday'))
  })

  await t.test('who vouches for the sender, by this server’s own results', async () => {
    await open('Checked')
    await page.getByText('Verified: example.org').waitFor()
    await shot(page, 'verified')
    await open('Disowned')
    await page.getByText('This message may not be from bank.example').waitFor()
    await page.getByText('Looks like spam: 7.5 points of 4.').waitFor()
    await page.getByRole('button', { name: 'Why?' }).last().click()
    await page.getByText('LINK 3.5, LIST 4').waitFor()
    await shot(page, 'disowned')
    await open('Others')
    await page.locator('.txt').getByText('Hello.').waitFor()
    assert.equal(await page.getByText(/Verified/).count(), 0)
  })

  await t.test('signatures are recognised', async () => {
    await open('Signed')
    await page.getByText('Signed with OpenPGP; the signature is not checked here.').waitFor()
  })

  await t.test('a message inside of a message opens like one', async () => {
    await open('Inside')
    await page.getByRole('button', { name: /^Open / }).click()
    const dialog = page.getByRole('dialog', { name: 'Inner' })
    await dialog.getByText('The text inside.').waitFor()
    await dialog.getByText('Carol').waitFor()
    await shot(page, 'inner')
    await page.keyboard.press('Escape')
  })

  await t.test('a list is left by one click, and by the mail that it asks for', async () => {
    await open('Other list')
    await page.getByRole('button', { name: 'Unsubscribe' }).click()
    await page.getByText('Unsubscribed').first().waitFor()
    await here.advance(AFTER_UNDO_MS)
    assert.deepEqual(await here.inbox('bob'), ['leave me'])
    await open('List')
    await page.getByRole('button', { name: 'Unsubscribe' }).click()
    // The list of the test speaks no TLS: the reader sees why nothing happened.
    await page.getByText(/^Not unsubscribed: The server of the list was not reached/).waitFor()
    assert.deepEqual(asked, [])
  })

  await t.test('an invitation is shown and answered by mail', async () => {
    await open('Meeting')
    const card = page.getByRole('region', { name: 'Invitation' })
    await card.getByRole('heading', { name: 'Bridge, second look' }).waitFor()
    await card.getByText('North gate').waitFor()
    await shot(page, 'invitation')
    await card.getByRole('button', { name: 'Accept' }).click()
    await page.getByText('Sent to Bob Lindqvist').waitFor()
    await here.advance(AFTER_UNDO_MS)
    assert.deepEqual(await here.inbox('bob'), ['leave me', 'Accepted: Bridge, second look'])
    const source = await here.source('bob', 2)
    assert.match(source, /^Content-Type: text\/calendar;.*method="?REPLY/im)
    assert.match(source, /^ATTENDEE;PARTSTAT=3DACCEPTED;.*mailto:ann@here\.test/m)
  })

  await t.test('what became of a sent message is shown with it', async () => {
    await page.getByRole('link', { name: 'Sent' }).click()
    await open('leave me')
    await page.getByText('Delivered').waitFor()
    await shot(page, 'delivered')
  })

  await t.test('all addresses of a message are seen in full', async () => {
    await page.getByRole('link', { name: 'Inbox' }).click()
    await open('Signed')
    await page.getByRole('button', { name: 'Details' }).click()
    await page.getByText('Bob Lindqvist <bob@here.test>').waitFor()
    await page.getByRole('definition').getByText('ann@here.test').first().waitFor()
  })

  await t.test('an answer in which nothing was written is not kept', async () => {
    await page.keyboard.press('r')
    await page.locator('.ed').focus()
    await page.keyboard.press('Escape')
    await page.locator('.composer').waitFor({ state: 'detached' })
    await page.getByRole('link', { name: 'Drafts' }).click()
    await page.getByText('Nothing here').waitFor()
  })

  await t.test('what is junk by mistake goes back, and Trash is emptied after a question', async () => {
    await page.getByRole('link', { name: 'Inbox' }).click()
    await open('Checked')
    await page.keyboard.press('!')
    await page.getByText('Moved to Junk').waitFor()
    await page.getByRole('link', { name: 'Junk' }).click()
    await open('Checked')
    await page.getByRole('button', { name: 'Not junk' }).click()
    await page.getByText('Moved to the Inbox: not junk').waitFor()
    await page.getByRole('link', { name: 'Inbox' }).click()
    await open('Checked')
    await page.keyboard.press('#')
    await page.getByText('Moved to Trash').waitFor()
    await page.getByRole('link', { name: 'Trash' }).click()
    await open('Checked')
    await page.getByRole('button', { name: 'Delete permanently' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('button', { name: 'Empty Trash' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete permanently' }).click()
    await page.getByText('Deleted permanently').waitFor()
    await page.getByText('Nothing here').waitFor()
  })

  await t.test('a message that is deleted before it is marked as read brings no error', async () => {
    const { promise: deleted, resolve: onDeleted } = Promise.withResolvers<void>()
    const marking = (text: string | null) => text?.includes('keywords/$seen') ?? false
    await page.route('**/jmap/api', async (route) => {
      if (marking(route.request().postData())) await deleted
      await route.continue()
    })
    await page.getByRole('link', { name: 'Inbox' }).click()
    const asked = page.waitForRequest((request) => marking(request.postData()))
    await open('Brief')
    const answered = (await asked).response()
    await page.keyboard.press('#')
    await page.getByText('Moved to Trash').waitFor()
    await page.getByRole('link', { name: 'Trash' }).click()
    await page.getByRole('button', { name: 'Empty Trash' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete permanently' }).click()
    await page.getByText('Deleted permanently').waitFor()
    onDeleted()
    assert.match((await (await answered)?.text()) ?? '', /notFound/)
    await page.getByText('Nothing here').waitFor()
    assert.equal(await page.locator('.toast.error').count(), 0)
    await page.unroute('**/jmap/api')
  })

  await t.test('the words of a search are marked in its results', async () => {
    await page.goto(`${here.base}/mail/#/find/hello`)
    await page.locator('.m mark').first().waitFor()
    assert.match((await page.locator('.m mark').first().textContent()) ?? '', /^hello$/i)
  })
  assert.deepEqual(
    problems.filter((problem) => !problem.includes('502')),
    [],
  )
})

test('an invitation is read as it is meant, and answered with its own lines', () => {
  const read = readInvitation(INVITATION)
  assert.equal(read?.method, 'REQUEST')
  assert.equal(read?.summary, 'Bridge, second look')
  assert.equal(read?.start?.date.toISOString(), '2026-12-09T09:00:00.000Z')
  assert.deepEqual(read?.attendees, [{ email: 'ann@here.test', name: 'Ann', answer: 'NEEDS-ACTION' }])
  const answer = answerTo(read as never, { name: 'Ann "E"\r\nX:1', email: 'ann@here.test' }, 'DECLINED', new Date(0))
  assert.match(answer, /\r\nUID:42@example\.org\r\nSEQUENCE:3\r\n/)
  assert.match(answer, /\r\nATTENDEE;PARTSTAT=DECLINED;CN="Ann EX:1":mailto:ann@here\.test\r\n/)
  assert.equal(readInvitation('BEGIN:VCALENDAR\r\nEND:VCALENDAR'), undefined)
  for (const text of ['', 'BEGIN:VEVENT', `BEGIN:VEVENT\r\nDTSTART:99999999T999999Z\r\n${'A;'.repeat(50_000)}`])
    readInvitation(text)
})

test('only RFC 8058 makes an unsubscription one click', () => {
  assert.equal(oneClickUrl('<https://a.example/x>', 'List-Unsubscribe=One-Click'), 'https://a.example/x')
  assert.equal(oneClickUrl('<https://a.example/x>', ''), undefined)
  assert.equal(oneClickUrl('<http://a.example/x>, <mailto:x@a.example>', 'List-Unsubscribe=One-Click'), undefined)
})
