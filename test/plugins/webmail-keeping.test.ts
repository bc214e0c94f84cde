/** What people keep apart in the web mail: snoozed conversations and labels. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missing } from 'iems/testing'
import { ImapFlow } from 'imapflow'
import { look, shot } from '../support/web-looks.ts'
import { CHROMIUM, fileMail, logIn, openPage, startBrowser, startWebMail, until } from '../support/web-mail.ts'
import { samples } from '../support/web-mail-samples.ts'

const TWO_DAYS_MS = 172_800_000
const PHONE = { width: 390, height: 844 }
const WIDE = { width: 1280, height: 800 }

test('snooze and labels in a browser', { skip: missing(CHROMIUM), timeout: 150_000 }, async (t) => {
  const here = await startWebMail(t)
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
      const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)
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
  assert.deepEqual(problems, [])
})
