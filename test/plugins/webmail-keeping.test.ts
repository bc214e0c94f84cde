/** What people keep apart in the web mail: snoozed conversations, labels, shared mailboxes, contacts. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { ImapFlow } from 'imapflow'
import { readVcards } from '../../plugins/web/mail/store/vcard.ts'
import { look, shot } from '../support/web-looks.ts'
import { fileMail, IN_BROWSER, logIn, openPage, startBrowser, startWebMail, until } from '../support/web-mail.ts'
import { samples } from '../support/web-mail-samples.ts'

const TWO_DAYS_MS = 172_800_000
const PHONE = { width: 390, height: 844 }
const WIDE = { width: 1280, height: 800 }

const VCARDS = [
  ...['BEGIN:VCARD', 'VERSION:3.0', 'N:Žák;Émile;;;', 'FN:Émile Žák\\, Brücken', 'item1.EMAIL;TYPE="a:b":emile@exam'],
  ...[' ple.org', 'EMAIL;TYPE=WORK:e2@example.org', 'NOTE:one\\ntwo', 'END:VCARD', 'BEGIN:VCARD', 'VERSION:2.1'],
  ...['N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Ng;F=61=79', 'EMAIL:fay@example.org', 'END:VCARD', ''],
].join('\r\n')

/** A push service that keeps what the server sends. */
async function startPushService(t: Pick<TestContext, 'after'>) {
  const got: string[] = []
  let arrived = () => {}
  const server = createServer(async (request, response) => {
    got.push(await text(request))
    response.writeHead(201).end()
    arrived()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  /** The next push of a type, and no earlier one. */
  async function next(type: string): Promise<string> {
    for (;;) {
      const at = got.findIndex((one) => one.includes(`"${type}"`))
      const [found] = at < 0 ? [] : got.splice(0, at + 1).slice(-1)
      if (found !== undefined) return found
      await new Promise<void>((resolve) => {
        arrived = resolve
      })
    }
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/push`, next }
}

test('snooze, labels, shared mailboxes and contacts in a browser', IN_BROWSER, async (t) => {
  const here = await startWebMail(t, { push: { allow: ['127.0.0.0/8'] } })
  const browser = await startBrowser(t)
  await fileMail(here.base, 'ann', samples())
  const { page, problems } = await openPage(browser, here.base)
  await logIn(page, 'ann')
  const row = (name: RegExp) => page.getByRole('row', { name })
  const link = (name: string) => page.getByRole('link', { name, exact: true })

  await t.test(
    'a label is made, given to several conversations, found, coloured for other browsers, and seen by IMAP',
    async () => {
      await row(/Contract for the harbour bridge/).waitFor()
      await row(/Contract for the harbour bridge/)
        .locator('.sel')
        .click()
      await row(/Minutes of Tuesday/)
        .locator('.sel')
        .click()
      await page.keyboard.press('l')
      await page.getByRole('menuitem', { name: 'New label…' }).click()
      await page.getByLabel('Name').fill('Bau & Brücken')
      await page.getByRole('button', { name: 'Green' }).click()
      assert.deepEqual(await look(page, 'label-dialog-1280'), [])
      await page.getByRole('button', { name: 'Create label' }).click()
      await page.getByText('Label Bau & Brücken added to 2').waitFor()
      await row(/Minutes of Tuesday.*Bau & Brücken/).waitFor()
      await page.getByRole('button', { name: 'Clear selection' }).click()
      await link('Bau & Brücken').click()
      await page.getByRole('grid', { name: 'Bau & Brücken' }).waitFor()
      await row(/Contract.*Bau & Brücken/).click()
      await page.locator('.subj .lab').waitFor()
      assert.deepEqual(await look(page, 'labels-1280'), [])
      const imap = new ImapFlow({
        host: '127.0.0.1',
        port: here.listener('imap').port,
        secure: false,
        auth: { user: 'ann', pass: 'ann-secret' },
        logger: false,
      })
      await imap.connect()
      await imap.mailboxOpen('INBOX')
      const found = await imap.search({ keyword: 'bau-brucken' })
      assert.ok(found && found.length >= 2)
      // What another program sets is shown too.
      await imap.messageFlagsAdd({ subject: 'garden furniture' }, ['$label1'])
      await imap.logout()
      await page.getByRole('link', { name: /^Inbox/ }).click()
      await row(/garden furniture.*Important/).waitFor()
      // Another browser has the same colours; the settings change both.
      const other = await openPage(browser, here.base)
      await logIn(other.page, 'ann')
      await other.page.locator('.nav .dot.l3').waitFor()
      await page.goto(`${here.base}/mail/#/settings/labels`)
      await page.getByRole('button', { name: 'Violet' }).click()
      await other.page.locator('.nav .dot.l5').waitFor()
      await page.getByLabel('Name').fill('Bridges')
      await page.getByLabel('Name').press('Enter')
      await other.page.getByRole('link', { name: 'Bridges' }).waitFor()
      assert.deepEqual(await look(page, 'label-settings-1280'), [])
      await other.page.context().close()
      await page.getByRole('button', { name: 'Remove label Bridges' }).click()
      await page.getByText('No labels yet.').waitFor()
      await page.keyboard.press('z')
      await page.getByRole('button', { name: 'Remove label Bridges' }).waitFor()
      await page.getByRole('link', { name: 'Back to mail' }).click()
    },
  )

  await t.test(
    'snoozed conversations leave, are undone, wait in their mailbox, and come back unread and on top',
    async () => {
      await row(/Contract for the harbour bridge/).click()
      await page.keyboard.press('b')
      await page.getByRole('menuitem', { name: /^Tomorrow/ }).waitFor()
      assert.deepEqual(await look(page, 'snooze-menu-1280'), [])
      await page.getByRole('menuitem', { name: /^Tomorrow/ }).click()
      await page.getByText(/^Comes back: tomorrow/).waitFor()
      await row(/Contract for the harbour bridge/).waitFor({ state: 'detached' })
      await page.keyboard.press('z')
      await row(/Contract for the harbour bridge/).waitFor()
      await row(/Contract for the harbour bridge/).click()
      await page.keyboard.press('b')
      await page.getByRole('menuitem', { name: 'Pick a time…' }).click()
      await page.getByLabel('Day and time').fill('2020-01-01T08:00')
      await page.getByText('This time has passed.').waitFor()
      const tomorrow = new Date(Date.now() + 86_400_000).toLocaleDateString('sv-SE')
      await page.getByLabel('Day and time').fill(`${tomorrow}T08:00`)
      assert.deepEqual(await look(page, 'snooze-time-1280'), [])
      await page.getByRole('dialog').getByRole('button', { name: 'Snooze' }).click()
      await page.getByText(/^Comes back: tomorrow/).waitFor()
      await page.getByRole('link', { name: /^Snoozed/ }).click()
      await row(/Contract.*snoozed until tomorrow/).waitFor()
      assert.deepEqual(await look(page, 'snoozed-1280'), [])
      await page.setViewportSize(PHONE)
      assert.deepEqual(await look(page, 'snoozed-390'), [])
      await row(/Contract/)
        .locator('.sel')
        .click()
      await shot(page, 'selected-390')
      assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true)
      await page.getByRole('checkbox', { name: 'Clear selection' }).click()
      await page.setViewportSize(WIDE)
      await here.advance(TWO_DAYS_MS)
      await page.getByText('Nothing here').waitFor()
      await page.keyboard.press('g')
      await page
        .getByRole('grid', { name: 'Inbox' })
        .getByRole('row', { name: /unread.*Contract/ })
        .waitFor()
      assert.match((await page.locator('.m').first().textContent()) ?? '', /Contract for the harbour bridge/)
      await shot(page, 'snooze-back-1280')
    },
  )

  await t.test(
    'a mailbox is shared by its owner, read, filed into and out of by rights, and refused where they end',
    async () => {
      const bob = await openPage(browser, here.base)
      await fileMail(here.base, 'bob', samples().slice(0, 2))
      await logIn(bob.page, 'bob')
      await bob.page.getByRole('link', { name: /^Inbox/ }).click()
      await bob.page.getByRole('button', { name: 'Share', exact: true }).click()
      await bob.page.getByText('Only you see this mailbox.').waitFor()
      await bob.page.getByLabel('Add a person or a group').fill('ann')
      await bob.page.getByRole('button', { name: /Ann Ekström/ }).click()
      await bob.page.getByLabel('Rights of Ann Ekström').waitFor()
      assert.deepEqual(await look(bob.page, 'share-1280'), [])
      // Ann's open page shows it by itself, below its owner.
      await page.getByRole('heading', { name: 'bob@here.test', exact: true }).waitFor()
      const subject = ((await bob.page.locator('.m .su').last().textContent()) ?? '').slice(0, 12)
      await page
        .locator('h2:has-text("bob@here.test") + ul')
        .getByRole('link', { name: /^Inbox/ })
        .click()
      const shared = page.getByRole('row', { name: new RegExp(subject) })
      await shared.click()
      await page.locator('.txt').first().waitFor()
      await page.keyboard.press('#')
      await page.getByText(/^(You do not have the right|The server refuses)/).waitFor()
      await shared.waitFor()
      assert.deepEqual(await look(page, 'shared-1280'), [])
      // A search beside it is one in that mailbox.
      await page.getByLabel('Search mail of bob@here.test').fill(subject)
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'Results · bob@here.test' }).waitFor()
      await shared.waitFor()
      await page
        .locator('h2:has-text("bob@here.test") + ul')
        .getByRole('link', { name: /^Inbox/ })
        .click()
      // With more rights she moves it into her own Archive, and takes it back.
      await bob.page.getByLabel('Rights of Ann Ekström').selectOption('write')
      await until(bob.page, `document.querySelector('.shares select')?.value === 'write'`)
      await shared.click()
      await page.keyboard.press('v')
      await page.getByRole('menuitem', { name: 'Archive' }).click()
      await page.getByText('Moved to Archive').waitFor()
      await shared.waitFor({ state: 'detached' })
      await page.keyboard.press('z')
      await shared.waitFor()
      await shared.click()
      await page.locator('.answer').getByRole('button', { name: 'Reply', exact: true }).click()
      await page.locator('.ed').waitFor()
      await page.keyboard.press('Escape')
      await page.locator('.composer').waitFor({ state: 'detached' })
      // Bob ends it.
      await bob.page.getByRole('button', { name: 'No longer share with Ann Ekström' }).click()
      await page.getByRole('heading', { name: 'bob@here.test', exact: true }).waitFor({ state: 'detached' })
      assert.deepEqual(bob.problems, [])
      await bob.page.context().close()
    },
  )

  await t.test('contacts are added, imported, grouped, written to and exported', async () => {
    await page.goto(`${here.base}/mail/#/contacts`)
    await page.getByRole('button', { name: /^Bob Lindqvist/ }).waitFor()
    await page.getByRole('button', { name: 'New contact' }).click()
    await page.getByLabel('Name', { exact: true }).fill('Dora Example')
    await page.getByLabel('Email address', { exact: true }).fill('dora')
    await page.getByText('“dora” is no address.').waitFor()
    await page.getByLabel('Email address', { exact: true }).fill('dora@example.org')
    assert.deepEqual(await look(page, 'contact-form-1280'), [])
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Dora Example saved').waitFor()
    await page.locator('input[type="file"]').setInputFiles({
      name: 'all.vcf',
      mimeType: 'text/vcard',
      buffer: Buffer.from(VCARDS),
    })
    await page.getByText('2 contacts imported').waitFor()
    await page.getByRole('button', { name: 'More' }).click()
    await page.getByRole('menuitem', { name: 'New group' }).click()
    await page.getByLabel('Name', { exact: true }).fill('Bridge team')
    for (const name of ['Dora', 'Émile']) {
      await page.getByLabel('Add a member').fill(name)
      await page
        .getByRole('button', { name: new RegExp(`^${name}`) })
        .last()
        .click()
    }
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('button', { name: /^Bridge team.*2 members/ }).waitFor()
    assert.deepEqual(await look(page, 'contacts-1280'), [])
    const saving = page.waitForEvent('download')
    await page.getByRole('button', { name: 'More' }).click()
    await page.getByRole('menuitem', { name: 'Export all as vCard' }).click()
    const file = await readFile(await (await saving).path(), 'utf8')
    assert.deepEqual(
      readVcards(file).map(({ name, emails, members }) => [name, ...emails, members.length]),
      [
        ['Bridge team', 2],
        ['Dora Example', 'dora@example.org', 0],
        ['Émile Žák, Brücken', 'emile@example.org', 'e2@example.org', 0],
        ['Fay Ng', 'fay@example.org', 0],
      ],
    )
    await page.getByRole('button', { name: /^Fay Ng/ }).click()
    await page.getByRole('button', { name: 'Delete Fay Ng' }).click()
    await page.getByRole('button', { name: /^Fay Ng/ }).waitFor({ state: 'detached' })
    await page.keyboard.press('z')
    await page.getByRole('button', { name: /^Fay Ng/ }).waitFor()
    await page.setViewportSize(PHONE)
    assert.deepEqual(await look(page, 'contacts-390'), [])
    await page.setViewportSize(WIDE)
    await page.keyboard.press('c')
    await page.getByRole('combobox', { name: 'To' }).fill('bridge')
    await page.getByRole('option', { name: /Bridge team/ }).click()
    await page.getByTitle('dora@example.org').waitFor()
    await page.getByTitle('emile@example.org').waitFor()
    await page.getByRole('button', { name: 'Discard draft' }).click()
    await page.locator('.composer').waitFor({ state: 'detached' })
  })

  await t.test(
    'new mail is notified by a push service, with its sender only if the person wants it, until the sign-out',
    async () => {
      const service = await startPushService(t)
      const { page: phone, problems: others } = await openPage(browser, here.base)
      await phone.context().grantPermissions(['notifications'], { origin: here.base })
      // A stand-in for the browser's own service: pushes without encryption, which the test hands over.
      await phone.addInitScript(`
      PushManager.prototype.subscribe = async () => ({ endpoint: '${service.url}', getKey: () => null })
      PushManager.prototype.getSubscription = async () => null
    `)
      const cdp = await phone.context().newCDPSession(phone)
      let registrationId = ''
      cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
        registrationId =
          registrations.find(({ scopeURL }) => scopeURL.endsWith('/mail/'))?.registrationId ?? registrationId
      })
      await cdp.send('ServiceWorker.enable')
      await phone.reload()
      await logIn(phone, 'bob')
      const deliver = async (type: string) => {
        const data = await service.next(type)
        await cdp.send('ServiceWorker.deliverPushMessage', { origin: here.base, registrationId, data })
      }
      await phone.goto(`${here.base}/mail/#/settings/notifications`)
      await phone.getByLabel('Notify me of new mail').click()
      await deliver('PushVerification')
      await phone.getByLabel('Show the sender and the subject').click()
      await until(phone, `document.querySelectorAll('.sw:checked').length === 2`)
      assert.deepEqual(await look(phone, 'notifications-1280'), [])
      const shown = () =>
        phone.evaluate(`navigator.serviceWorker.getRegistration('/mail/').then(async (worker) =>
        (await worker.getNotifications()).map(({ title, body }) => title + ': ' + body))`) as Promise<string[]>
      // A page in sight needs no notification.
      await phone.goto(`${here.base}/mail/plain`)
      await here.send('eve@example.org', 'bob@here.test', 'Pushed')
      await deliver('StateChange')
      for (let left = 200; (await shown()).length === 0 && left > 0; left--)
        await new Promise((go) => setTimeout(go, 50))
      assert.deepEqual(await shown(), ['eve@example.org: Pushed'])
      await phone.goto(`${here.base}/mail/`)
      await phone.getByRole('button', { name: /^Account/ }).click()
      await phone.getByRole('menuitem', { name: 'Sign out' }).click()
      await phone.getByRole('button', { name: 'Sign in' }).waitFor()
      assert.deepEqual(others, [])
      await phone.context().close()
      const answer = await fetch(`${here.base}/jmap/api`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from('bob:bob-secret').toString('base64')}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({
          using: ['urn:ietf:params:jmap:core'],
          methodCalls: [['PushSubscription/get', { ids: null }, 'a']],
        }),
      })
      assert.match(await answer.text(), /"list":\[\]/)
    },
  )

  await t.test('without script the Inbox is read, page by page, after the same login', async () => {
    const { page: plain, problems: others } = await openPage(browser, here.base, { javaScriptEnabled: false })
    await plain.getByLabel('Address or name').fill('ann')
    await plain.getByLabel('Password').fill('wrong')
    await plain.getByRole('button', { name: 'Sign in' }).click()
    await plain.getByText('Address and password do not fit.').waitFor()
    await plain.getByLabel('Address or name').fill('ann')
    await plain.getByLabel('Password').fill('ann-secret')
    await plain.getByRole('button', { name: 'Sign in' }).click()
    await plain.getByRole('link', { name: /garden furniture/ }).click()
    await plain.locator('pre', { hasText: 'Only this week' }).waitFor()
    await shot(plain, 'plain-message')
    await plain.getByRole('link', { name: 'Back to the Inbox' }).click()
    await plain.getByRole('button', { name: 'Sign out' }).click()
    await plain.getByRole('button', { name: 'Sign in' }).waitFor()
    await plain.context().close()
    assert.deepEqual(others, [])
    await page.goto(`${here.base}/mail/plain`)
    await page.setViewportSize(PHONE)
    assert.deepEqual(await look(page, 'plain-390'), [])
  })
  assert.deepEqual(problems, [])
})
