/** The administration's screens: axe finds nothing on any, in both themes and at three widths. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { missing } from 'iems/testing'
import type { Page } from 'playwright-core'
import { builtFolder } from '../../plugins/web/app/assets.ts'
import { fill, openAdmin, startAdmin } from '../support/web-admin.ts'
import { look } from '../support/web-looks.ts'
import { CHROMIUM, startBrowser } from '../support/web-mail.ts'

const SCREENS: readonly (readonly [place: string, text: string | RegExp])[] = [
  ['today', /Mail flows/],
  ['trace', 'sofia@legal.test, user@here.test'],
  ['queue', 'legal.test'],
  ['people', 'Support Person'],
  ['people/group', 'Nothing here yet'],
  ['domains', 'other.test'],
  ['lists', 'news@lists.here.test'],
  ['lists/news@lists.here.test', 'a@example.org'],
  ['protection', 'stranger@bad.test'],
  ['components', 'directory/history'],
  ['log', /command/],
  ['metrics', 'iems_events_total'],
  ['plugins', 'Hooks: '],
  ['configuration', 'messageSize'],
  ['commands/account add', 'display-name'],
  ['keys', 'No key yet'],
  ['history', 'list import'],
]

async function start(t: TestContext) {
  await builtFolder('admin')
  const here = await startAdmin(t)
  await fill(here)
  return { here, browser: await startBrowser(t) }
}

const visit = async (page: Page, base: string, place: string, text: string | RegExp) => {
  await page.goto(`${base}/admin/#/${place}`)
  await page.locator('main').getByText(text).first().waitFor()
}

for (const [width, height] of [
  [1280, 800],
  [820, 1100],
  [390, 844],
] as const)
  test(`axe finds nothing on any screen, light and dark, at ${width} px`, {
    skip: missing(CHROMIUM),
    timeout: 110_000,
  }, async (t) => {
    const { here, browser } = await start(t)
    const viewport = { width, height }
    const found: string[] = []
    const { page, problems } = await openAdmin(browser, here.base, 'admin', { viewport })
    for (const [place, text] of SCREENS) {
      await visit(page, here.base, place, text)
      found.push(...(await look(page, `admin-${place.replace(/\W+/g, '-')}-${width}`)))
      const isWide = await page.evaluate('document.documentElement.scrollWidth > innerWidth')
      if (isWide) found.push(`${place} is wider than the page at ${width} px`)
    }
    assert.deepEqual(found, [])
    assert.deepEqual(problems, [])
    await page.context().close()
  })
