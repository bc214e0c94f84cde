/** The administration's screens: axe finds nothing on any, in both themes and at three widths. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
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
  ['lists/news@lists.here.test/held', 'Regatta on Sunday'],
  ['protection', 'stranger@bad.test'],
  ['components', 'directory/history'],
  ['certificates', 'No listener speaks TLS'],
  ['log', 'Live log'],
  ['metrics', 'iems_events_total'],
  ['plugins', 'Hooks: '],
  ['configuration', 'messageSize'],
  ['commands/account add', 'display-name'],
  ['keys', 'No key yet'],
  ['history', 'list import'],
]

const visit = async (page: Page, base: string, place: string, text: string | RegExp) => {
  await page.goto(`${base}/admin/#/${place}`)
  await page.locator('main').getByText(text).first().waitFor()
}

const WIDTHS = [
  [1280, 800],
  [820, 1100],
  [390, 844],
] as const

test('axe finds nothing on any screen, light and dark, and nothing is wider than the page', {
  skip: missing(CHROMIUM),
  timeout: 170_000,
}, async (t) => {
  await builtFolder('admin')
  const here = await startAdmin(t)
  await fill(here)
  const browser = await startBrowser(t)
  const found: string[] = []
  const { page, problems } = await openAdmin(browser, here.base, 'admin')
  for (const [place, text] of SCREENS) {
    await page.setViewportSize({ width: 1280, height: 800 })
    await visit(page, here.base, place, text)
    if (place === 'log') {
      await page.getByText('No line yet').waitFor()
      await here.ask('admin', 'POST', '/api/v1/commands/run', { words: 'account list', values: {} })
      await page.getByText(/command=account list/).waitFor()
    }
    for (const [width, height] of WIDTHS) {
      await page.setViewportSize({ width, height })
      // In between nothing but the widths of columns changes.
      if (width !== 820 || process.env.IEMS_TEST_LONG || process.env.IEMS_SCREENSHOTS)
        found.push(...(await look(page, `admin-${place.replace(/\W+/g, '-')}-${width}`)))
      if (await page.evaluate('document.documentElement.scrollWidth > innerWidth'))
        found.push(`${place} is wider than the page at ${width} px`)
    }
  }
  assert.deepEqual(found, [])
  assert.deepEqual(problems, [])
  await page.context().close()
})
