/** The web mail's screens: axe finds nothing in any state, in both themes and at three widths. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { look } from '../support/web-looks.ts'
import { afterAll, fileMail, IN_BROWSER, logIn, openPage, startBrowser, startWebMail } from '../support/web-mail.ts'
import { samples } from '../support/web-mail-samples.ts'

async function startOnce(t: ReturnType<typeof afterAll>) {
  const here = await startWebMail(t)
  const browser = await startBrowser(t)
  await fileMail(here.base, 'ann', samples())
  return { here, browser }
}

const end = afterAll()
let started: ReturnType<typeof startOnce> | undefined
/** One server and one browser for all tests of this file. */
const start = () => {
  started ??= startOnce(end)
  return started
}

for (const [width, height] of [
  [1280, 800],
  [820, 1100],
  [390, 844],
] as const)
  test(`axe finds nothing on any screen, light and dark, at ${width} px`, IN_BROWSER, async () => {
    const { here, browser } = await start()
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
    // A server that does not answer, and one that refuses.
    const silent = '**/jmap/api'
    await page.route(silent, () => undefined)
    await page.goto(`${here.base}/mail/#/find/loading`)
    await page.locator('.m .ghost').first().waitFor()
    await see('loading')
    await page.unroute(silent)
    await page.route(silent, (route) => route.fulfill({ status: 400, json: { detail: 'The filter is too long' } }))
    await page.goto(`${here.base}/mail/#/find/refused`)
    await page.getByRole('alert').getByText('The filter is too long').waitFor()
    await see('error')
    await page.unroute(silent)
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
      problems.filter((problem) => !/ERR_INTERNET_DISCONNECTED|status of 400/.test(problem)),
      [],
    )
    await page.context().close()
  })

test('compact rows, and right to left', IN_BROWSER, async () => {
  const { here, browser } = await start()
  const { page } = await openPage(browser, here.base)
  await logIn(page, 'ann')
  await page.locator('.m .fr').first().waitFor()
  await page.evaluate("document.documentElement.dataset.density = 'compact'")
  assert.deepEqual(await look(page, 'compact-1280'), [])
  await page.getByRole('row', { name: /Contract for the harbour bridge/ }).click()
  await page.locator('.txt').first().waitFor()
  await page.evaluate("document.documentElement.dir = 'rtl'; delete document.documentElement.dataset.density")
  assert.deepEqual(await look(page, 'right-to-left-1280'), [])
  assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true)
  await page.context().close()
})
