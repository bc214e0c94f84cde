/** The web mail's screens: axe finds nothing in any state, in both themes and at three widths. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { look, shot } from '../support/web-looks.ts'
import { fileMail, logIn, openPage, startBrowser, startWebMail } from '../support/web-mail.ts'
import { samples } from '../support/web-mail-samples.ts'

test('axe finds nothing on any screen, light and dark, at three widths', { timeout: 180_000 }, async (t) => {
  const here = await startWebMail(t)
  const browser = await startBrowser(t)
  await fileMail(here.base, 'ann', samples())
  for (const [width, height] of [
    [1280, 800],
    [820, 1100],
    [390, 844],
  ] as const)
    await t.test(`${width} px`, async () => {
      const { page, problems } = await openPage(browser, here.base, { viewport: { width, height } })
      const found: string[] = []
      const see = async (name: string) => void found.push(...(await look(page, `${name}-${width}`)))
      await page.getByLabel('Address or name').waitFor()
      await see('login')
      await logIn(page, 'ann')
      await page.locator('.m .fr').first().waitFor()
      await see('list')
      await page.goto(`${here.base}/mail/#/find/nothing-like-this`)
      await page.getByText('No message fits').waitFor()
      await see('nothing-found')
      await page.goto(`${here.base}/mail/#/`)
      await page.getByRole('row', { name: /Contract for the harbour bridge/ }).click()
      await page.locator('.txt').first().waitFor()
      await see('conversation')
      if (width <= 820) await page.keyboard.press('u')
      await page.getByRole('row', { name: /garden furniture/ }).click()
      await page.frameLocator('iframe.frame').getByText('See all offers').waitFor()
      await see('html')
      await page.keyboard.press('f')
      await page.locator('.ed').waitFor()
      await see('compose')
      await page.keyboard.press('Escape')
      await page.locator('.composer').waitFor({ state: 'detached' })
      await page.keyboard.press('?')
      await page.getByRole('dialog').waitFor()
      await see('keys')
      await page.keyboard.press('Escape')
      await page.context().setOffline(true)
      await page.evaluate('dispatchEvent(new Event("online"))')
      await page.getByText(/^Offline\./).waitFor()
      await see('offline')
      assert.deepEqual(found, [])
      assert.deepEqual(
        problems.filter((problem) => !problem.includes('ERR_INTERNET_DISCONNECTED')),
        [],
      )
      await page.context().close()
    })
  await t.test('compact rows', async () => {
    const { page } = await openPage(browser, here.base)
    await logIn(page, 'ann')
    await page.locator('.m .fr').first().waitFor()
    await page.evaluate("document.documentElement.dataset.density = 'compact'")
    assert.deepEqual(await look(page, 'compact-1280'), [])
    await shot(page, 'compact')
    await page.context().close()
  })
})
