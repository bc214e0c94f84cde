/** The web mail in a real browser, beside swaks and IMAP: what people do with it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { missing } from 'iems/testing'
import { ImapFlow } from 'imapflow'
import { builtFolder } from '../../plugins/web/app/assets.ts'
import { shot } from '../support/web-looks.ts'
import { fileMail, IN_BROWSER, logIn, openPage, startBrowser, startWebMail, until } from '../support/web-mail.ts'
import { samples } from '../support/web-mail-samples.ts'

const MAX_INBOX_BROTLI = 180_000
const MAX_LATER_BROTLI = 60_000
/** Longer than the server holds a message for an undo. */
const AFTER_UNDO_MS = 11_000

test('web mail in a browser', IN_BROWSER, async (t) => {
  const here = await startWebMail(t)
  const browser = await startBrowser(t)
  await fileMail(here.base, 'ann', samples())
  const imapOf = async (user: string) => {
    const client = new ImapFlow({
      host: '127.0.0.1',
      port: here.listener('imap').port,
      secure: false,
      auth: { user, pass: `${user}-secret` },
      logger: false,
    })
    await client.connect()
    return client
  }
  await t.test('log in, read, answer; the recipient sees it by IMAP', async () => {
    const { page, problems } = await openPage(browser, here.base)
    await page.getByLabel('Address or name').fill('ann')
    await page.getByLabel('Password', { exact: true }).fill('wrong')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('Address and password do not fit.').waitFor()
    await logIn(page, 'ann')
    await page.getByRole('row', { name: /Contract for the harbour bridge/ }).click()
    await page.getByText('only clause 7 needs the date').first().waitFor()
    await page.locator('.answer').getByRole('button', { name: 'Reply', exact: true }).click()
    await page.locator('.ed').waitFor()
    await page.keyboard.type('Good, then 9 December it is.')
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.getByText('Sent to Bob Lindqvist').waitFor()
    await here.advance(AFTER_UNDO_MS)
    const imap = await imapOf('bob')
    const box = await imap.mailboxOpen('INBOX')
    assert.equal(box.exists, 1)
    const got = await imap.fetchOne('1', { source: true, envelope: true })
    assert.ok(got)
    assert.equal(got.envelope?.subject, 'Re: Contract for the harbour bridge')
    assert.equal(got.envelope?.inReplyTo, '<c3@here.test>')
    assert.match(String(got.source), /Good, then 9 December it is\./)
    await imap.logout()
    assert.deepEqual(problems, [])
    await page.context().close()
  })

  await t.test('mail of swaks appears by itself; archive and undo; what IMAP reads is read here', async () => {
    const { page, problems } = await openPage(browser, here.base)
    await logIn(page, 'ann')
    await page.getByRole('row', { name: /Minutes of Tuesday/ }).waitFor()
    await here.send('eve@example.org', 'ann@here.test', 'Just now', 'Live.')
    const fresh = page.getByRole('row', { name: /Just now/ })
    await fresh.waitFor()
    await fresh.click()
    await page.getByText('Live.').first().waitFor()
    await page.keyboard.press('e')
    await fresh.waitFor({ state: 'detached' })
    await page.keyboard.press('z')
    await fresh.waitFor()
    const imap = await imapOf('ann')
    await imap.mailboxOpen('INBOX')
    const minutes = page.getByRole('row', { name: /Minutes of Tuesday/ })
    await page.getByRole('row', { name: /unread.*Minutes of Tuesday/ }).waitFor()
    await imap.messageFlagsAdd({ subject: 'Minutes of Tuesday' }, ['\\Seen'])
    await page.getByRole('row', { name: /^(?!unread).*Minutes of Tuesday/ }).waitFor()
    await minutes.dragTo(page.getByRole('link', { name: 'Archive' }))
    await minutes.waitFor({ state: 'detached' })
    await page.getByText('Moved to Archive').waitFor()
    await imap.mailboxOpen('Archive')
    assert.deepEqual(await imap.search({ subject: 'Minutes of Tuesday' }), [1])
    await imap.logout()
    await page.keyboard.press('z')
    await minutes.waitFor()
    assert.deepEqual(problems, [])
    await page.context().close()
  })

  await t.test('write; sending is undone; the draft is kept, found, continued and thrown away', async () => {
    const { page, problems } = await openPage(browser, here.base)
    await logIn(page, 'ann')
    await page.keyboard.press('c')
    await page.getByRole('combobox', { name: 'To' }).fill('bob@here.test')
    await page.keyboard.press('Enter')
    await page.getByLabel('Subject').fill('Too early')
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.getByText(/^Sent to Bob/).waitFor()
    await page.getByRole('button', { name: /^Undo/ }).click()
    await page.getByRole('heading', { name: 'Too early' }).waitFor()
    await page.getByRole('button', { name: 'Cc / Bcc' }).click()
    await page.getByRole('combobox', { name: 'Bcc' }).fill('carol@example.org')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Escape')
    await page.locator('.composer').waitFor({ state: 'detached' })
    await page.getByRole('link', { name: 'Drafts' }).click()
    await page.getByRole('row', { name: /Too early/ }).click()
    await page.getByTitle('carol@example.org').waitFor()
    await page.getByRole('button', { name: 'Discard draft' }).click()
    await page.getByText('Nothing here').waitFor()
    await here.advance(AFTER_UNDO_MS)
    assert.deepEqual(await here.inbox('bob'), ['Re: Contract for the harbour bridge'])
    assert.deepEqual(problems, [])
    await page.context().close()
  })

  await t.test(
    'a conversation and a message are printed without what stands around them',
    {
      skip: missing('/usr/bin/pdftotext'),
    },
    async () => {
      const { page, problems } = await openPage(browser, here.base, { colorScheme: 'dark' })
      await logIn(page, 'ann')
      await page.getByRole('row', { name: /Contract for the harbour bridge/ }).click()
      await page.getByText('only clause 7 needs the date').first().waitFor()
      await page.locator('.hd-toggle').first().click()
      await page.locator('.way > .folded').first().waitFor()
      await page.evaluate(
        "window.print = () => { document.title = 'printed ' + [...document.querySelectorAll('.way > li')].filter((one) => one.checkVisibility()).length }",
      )
      await page.getByRole('button', { name: 'Print' }).click()
      await until(page, "document.title.startsWith('printed')")
      assert.equal(await page.locator('.way > .folded').count(), 0)
      const text = execFileSync('pdftotext', ['-layout', '-', '-'], { input: await page.pdf() }).toString()
      assert.match(text, /Contract for the harbour bridge/)
      assert.match(text, /only clause 7 needs the date/)
      for (const chrome of ['Inbox', 'Compose', 'Reply', 'Search', 'Forward', 'Minutes of Tuesday'])
        assert.ok(!text.includes(chrome), `${chrome} is printed`)
      await page.emulateMedia({ media: 'print' })
      assert.equal(await page.evaluate("getComputedStyle(document.querySelector('.conv h1')).color"), 'rgb(29, 27, 24)')
      await page.emulateMedia({ media: 'screen' })
      await page.evaluate(
        "window.print = () => { document.title = document.querySelectorAll('.way.one > .printed').length + ' of one' }",
      )
      await page.getByRole('button', { name: 'More' }).last().click()
      await page.getByRole('menuitem', { name: 'Print this message' }).click()
      await until(page, "document.title === '1 of one'")
      assert.deepEqual(problems, [])
      await page.context().close()
    },
  )

  await t.test('everything by keyboard, to the sign-out', async () => {
    const { page, problems } = await openPage(browser, here.base)
    await page.getByLabel('Address or name').waitFor()
    await page.keyboard.type('ann')
    await page.keyboard.press('Tab')
    await page.keyboard.type('ann-secret')
    await page.keyboard.press('Enter')
    await page.locator('.m .fr').first().waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('subject:minutes')
    await page.keyboard.press('Enter')
    await page.getByRole('grid', { name: 'Results' }).waitFor()
    await page.getByRole('row', { name: /Minutes/ }).waitFor()
    await page.getByRole('button', { name: 'Keep this search' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'subject:minutes' }).waitFor()
    await page.getByRole('button', { name: 'Do not keep' }).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.press('Escape')
    await page.getByRole('grid', { name: 'Inbox' }).getByRole('row').nth(1).waitFor()
    await page.getByRole('grid', { name: 'Inbox' }).focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press(' ')
    await page.getByText('1 selected').waitFor()
    await page.keyboard.press('x')
    await page.keyboard.press('Enter')
    await page.locator('.conv h1').waitFor()
    await page.keyboard.press('s')
    await page.getByRole('button', { name: 'Remove star' }).waitFor()
    await page.keyboard.press('v')
    await page.getByRole('menuitem', { name: 'Archive' }).waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('r')
    await page.locator('.ed').waitFor()
    await page.keyboard.type('By keys alone')
    await page.keyboard.press('Control+Enter')
    await page.getByText(/^Sent to/).waitFor()
    await page.keyboard.press('z')
    await page.locator('.composer').waitFor()
    await page.keyboard.press('Escape')
    await page.locator('.composer').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: /^Account/ }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('menuitem', { name: 'Sign out' }).waitFor()
    await page.keyboard.press('End')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
    assert.deepEqual(problems, [])
    await page.context().close()
  })

  await t.test('German, and a draft that survives a closed window while the server is away', async () => {
    const { page } = await openPage(browser, here.base, { locale: 'de-DE' })
    await logIn(page, 'ann')
    await page.getByRole('link', { name: 'Posteingang' }).waitFor()
    await page.getByRole('button', { name: 'Schreiben' }).click()
    await page.getByLabel('Betreff').waitFor()
    await page.context().setOffline(true)
    await page.getByLabel('Betreff').fill('Nicht verloren')
    await page.locator('.ed').click()
    await page.keyboard.type('Text')
    await page.getByText('Auf diesem Gerät gesichert').waitFor()
    await page.context().setOffline(false)
    await page.reload()
    await page.getByRole('heading', { name: 'Nicht verloren' }).waitFor()
    await page
      .getByText(/^Gesichert/)
      .or(page.locator('.ed', { hasText: 'Text' }))
      .first()
      .waitFor()
    await shot(page, 'german-draft')
    await page.context().close()
  })
})

test('what a browser loads to the inbox keeps to its budget in octets', { timeout: 180_000 }, async (t) => {
  const folder = await builtFolder('mail')
  const assets = join(folder, 'assets')
  const sizes = new Map<string, number>()
  for (const file of await readdir(assets)) {
    if (!/\.(js|css)$/.test(file)) continue
    const path = join(assets, file)
    const smaller = await readFile(`${path}.br`).catch(() => readFile(path))
    sizes.set(file, smaller.length)
  }
  const isLater = (file: string) =>
    /^(conversation|composer|compose|replies|draft-box|device|offline|de|in-german|sanitise|settings|inner-message|image-senders|message)-/.test(
      file,
    )
  const first = [...sizes].filter(([file]) => !isLater(file)).reduce((sum, [, size]) => sum + size, 0)
  const later = [...sizes].filter(([file]) => isLater(file))
  const largest = Math.max(...later.map(([, size]) => size))
  t.diagnostic(
    `${first} octets to the inbox (limit ${MAX_INBOX_BROTLI}), a later part at most ${largest} (limit ${MAX_LATER_BROTLI})`,
  )
  assert.ok(first <= MAX_INBOX_BROTLI, `${first} octets to the inbox`)
  for (const [file, size] of later) assert.ok(size <= MAX_LATER_BROTLI, `${file}: ${size} octets`)
})
