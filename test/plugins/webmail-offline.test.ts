/** The web mail without its server: it starts, shows what was seen last, and is level with the server again after. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { look } from '../support/web-looks.ts'
import { fileMail, IN_BROWSER, logIn, openPage, startBrowser, startWebMail, until } from '../support/web-mail.ts'
import { samples } from '../support/web-mail-samples.ts'

test(
  'a start without the server shows the mail that was seen last; a sign-out leaves nothing of it',
  IN_BROWSER,
  async (t) => {
    const here = await startWebMail(t)
    const browser = await startBrowser(t)
    await fileMail(here.base, 'ann', samples())
    const { page } = await openPage(browser, here.base)
    await logIn(page, 'ann')
    await page.getByRole('row', { name: /Contract for the harbour bridge/ }).click()
    await page.getByText('only clause 7 needs the date').first().waitFor()
    await page.evaluate('navigator.serviceWorker.ready')
    const kept = `new Promise((resolve) => { const ask = indexedDB.open('iems-mail'); ask.onsuccess = () => {
    const all = ask.result.transaction('snapshots').objectStore('snapshots').getAll()
    all.onsuccess = () => { ask.result.close(); resolve(all.result.flatMap(({ bodies }) => bodies).length) } } })`
    while ((await page.evaluate(kept)) === 0) await page.evaluate('new Promise((resolve) => setTimeout(resolve, 100))')
    await page.goto(`${here.base}/mail/#/`)
    await page.context().setOffline(true)
    await page.reload()
    await page.getByText(/^Offline\./).waitFor()
    await page.getByRole('row', { name: /Contract for the harbour bridge/ }).click()
    await page.getByText('only clause 7 needs the date').first().waitFor()
    assert.deepEqual(await look(page, 'offline-start-1280'), [])
    // What is sent now waits on this device, also while its window is away.
    await page.keyboard.press('c')
    await page.getByRole('combobox', { name: 'To' }).fill('bob@here.test')
    await page.keyboard.press('Enter')
    await page.getByLabel('Subject').fill('From the train')
    await page.locator('.ed').fill('Written without a network')
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.getByText('This is sent as soon as it is.').waitFor()
    const waiting = `new Promise((resolve) => { const ask = indexedDB.open('iems-mail'); ask.onsuccess = () => {
    const all = ask.result.transaction('drafts').objectStore('drafts').getAll()
    all.onsuccess = () => { ask.result.close(); resolve(all.result.filter(({ draft }) => draft.isWaiting).length) } } })`
    while ((await page.evaluate(waiting)) === 0)
      await page.evaluate('new Promise((resolve) => setTimeout(resolve, 100))')
    await page.reload()
    await page.getByText('This is sent as soon as it is.').waitFor()
    await here.send('eve@example.org', 'ann@here.test', 'While away')
    await page.context().setOffline(false)
    await page.getByText(/^Sent to /).waitFor()
    await page.getByRole('row', { name: /While away/ }).waitFor()
    await here.advance(11_000)
    assert.deepEqual(await here.inbox('bob'), ['From the train'])
    await page.getByRole('button', { name: /^Account/ }).click()
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
    assert.equal(await page.evaluate(kept), 0)
    await until(page, 'navigator.serviceWorker.controller !== null')
    const manifest = (await (await fetch(`${here.base}/mail/manifest.webmanifest`)).json()) as {
      readonly start_url: string
    }
    assert.equal(manifest.start_url, '/mail/')
    await page.context().close()
  },
)
