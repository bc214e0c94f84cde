/** The administration's screens: axe finds nothing on any, in both themes and at three widths. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { builtFolder } from '../../plugins/web/app/assets.ts'
import { fill, openAdmin, startAdmin } from '../support/web-admin.ts'
import { lookAtWidths } from '../support/web-looks.ts'
import { IN_BROWSER, startBrowser } from '../support/web-mail.ts'

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

/** More than one page of a list. */
const MANY = 150

test('axe finds nothing on any screen, light and dark, and nothing is wider than the page', IN_BROWSER, async (t) => {
  await builtFolder('admin')
  const here = await startAdmin(t)
  await fill(here)
  const browser = await startBrowser(t)
  const found: string[] = []
  const { page, problems } = await openAdmin(browser, here.base, 'admin')
  for (const [place, text] of SCREENS) {
    await visit(page, here.base, place, text)
    if (place === 'log') {
      await page.getByText('No line yet').waitFor()
      await here.ask('admin', 'POST', '/api/v1/commands/run', { words: 'account list', values: {} })
      await page.getByText(/command=account list/).waitFor()
    }
    found.push(...(await lookAtWidths(page, `admin-${place.replace(/\W+/g, '-')}`)))
  }
  for (let index = 0; index < MANY; index++)
    await here.submit({
      from: 'admin@here.test',
      to: [`r${index}@many.test`],
      content: `Subject: Number ${index}\r\n\r\nText\r\n`,
    })
  // By keyboard to the end of a list whose last page was not read yet.
  await visit(page, here.base, 'queue?hop=many.test', /^r\d+@many.test$/)
  await page.getByRole('grid').focus()
  await page.keyboard.press('End')
  await page.locator(`[aria-rowindex="${MANY}"]`, { hasText: '@many.test' }).waitFor()
  await page.keyboard.press(' ')
  await page.getByText('1 selected').waitFor()
  found.push(...(await lookAtWidths(page, 'admin-queue-end')))
  assert.deepEqual(found, [])
  assert.deepEqual(problems, [])
  await page.context().close()
})
