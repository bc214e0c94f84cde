/**
 * What pages of the browser tests look like: axe on each state, and pictures of it for those who look.
 *
 * IEMS_SCREENSHOTS names a folder for the pictures, IEMS_SCREENS those that are wanted.
 */
import { join } from 'node:path'
import axe from 'axe-core'
import type { Page } from 'playwright-core'

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
const FOLDER = process.env.IEMS_SCREENSHOTS
/** Beginnings of the names that are wanted; all without it. */
const WANTED = process.env.IEMS_SCREENS?.split(' ') ?? ['']

export async function shot(page: Page, name: string): Promise<void> {
  if (FOLDER && WANTED.some((start) => name.startsWith(start)))
    await page.screenshot({ path: join(FOLDER, `${name}.png`), animations: 'disabled' })
}

/** Rules of axe that the page breaks, with the elements. Frames hold what strangers wrote and are left out. */
async function violations(page: Page, isOnlyAboutColours: boolean): Promise<string[]> {
  if (!(await page.evaluate('"axe" in window'))) await page.evaluate(axe.source)
  const rules = isOnlyAboutColours ? "'color-contrast'" : JSON.stringify(TAGS)
  const found = (await page.evaluate(
    `axe.run({ exclude: ['iframe'] }, { runOnly: [${rules}].flat(), resultTypes: ['violations'] })`,
  )) as axe.AxeResults
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 140)).join(' | ')}`)
}

/** Looks at the page in both themes; answers what axe finds. All rules once; what a theme changes are colours. */
export async function look(page: Page, name: string): Promise<string[]> {
  const found: string[] = []
  for (const theme of ['light', 'dark']) {
    await page.evaluate(`document.documentElement.dataset.theme = '${theme}'; dispatchEvent(new Event('iems-theme'))`)
    await shot(page, `${name}-${theme}`)
    found.push(...(await violations(page, theme === 'dark')).map((one) => `${name}, ${theme}: ${one}`))
  }
  return found
}

/** A wide window, a tablet and a phone. */
const WIDTHS = [
  [1280, 800],
  [820, 1100],
  [390, 844],
] as const

/**
 * `look` at three widths in the state that the page has; nothing may be wider than the page. The middle width is looked
 * at only for pictures and in the long form: against the others nothing but the widths of columns changes there.
 */
export async function lookAtWidths(page: Page, name: string): Promise<string[]> {
  const found: string[] = []
  for (const [width, height] of WIDTHS) {
    await page.setViewportSize({ width, height })
    if (width !== 820 || process.env.IEMS_TEST_LONG || FOLDER) found.push(...(await look(page, `${name}-${width}`)))
    if (await page.evaluate('document.documentElement.scrollWidth > innerWidth'))
      found.push(`${name} is wider than the page at ${width} px`)
  }
  await page.setViewportSize({ width: 1280, height: 800 })
  return found
}
