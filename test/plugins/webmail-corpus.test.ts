/**
 * Messages as real programs write them, shown at the widths of a desktop and a phone: nothing overflows, nothing is lost.
 *
 * IEMS_MAIL_CORPUS names a folder of .eml files that are shown as well; with IEMS_SCREENSHOTS they are put on sheets.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { missing } from 'iems/testing'
import { longForm } from '../support/long-form.ts'
import { CHROMIUM, fileMail, logIn, openPage, startBrowser, startWebMail } from '../support/web-mail.ts'
import { drawn, eachOpened, faultsOf, mailOf, sheet } from '../support/web-mail-corpus.ts'

const FOLDER = process.env.IEMS_MAIL_CORPUS
const PICTURES = process.env.IEMS_SCREENSHOTS
const PER_SHEET = 15
const long = longForm(FOLDER !== undefined)

long(
  'a folder of messages',
  {
    skip: missing(CHROMIUM),
    timeout: 3_600_000,
  },
  async (t) => {
    const here = await startWebMail(t)
    const browser = await startBrowser(t)
    const mail = await mailOf(FOLDER as string)
    for (let at = 0; at < mail.length; at += 20) await fileMail(here.base, 'ann', mail.slice(at, at + 20))
    const { page } = await openPage(browser, here.base)
    await logIn(page, 'ann')
    const faults: string[] = []
    const shots = new Map<number, { name: string; png: Buffer }[]>([
      [1280, []],
      [390, []],
    ])
    await eachOpened(page, mail, async ({ name }) => {
      for (const [width, pictures] of shots) {
        await page.setViewportSize({ width, height: width === 390 ? 844 : 800 })
        await page.evaluate(
          `document.documentElement.dataset.theme = '${width === 390 ? 'dark' : 'light'}'; dispatchEvent(new Event('iems-theme')); ${drawn}`,
        )
        for (const fault of await faultsOf(page)) faults.push(`${name}, ${width}: ${fault}`)
        if (PICTURES)
          pictures.push({
            name,
            png: await page.screenshot(width === 1280 ? { clip: { x: 625, y: 92, width: 655, height: 650 } } : {}),
          })
      }
      await page.setViewportSize({ width: 1280, height: 800 })
    })
    if (PICTURES)
      for (const [width, pictures] of shots)
        for (let at = 0; at < pictures.length; at += PER_SHEET)
          await sheet(
            browser,
            pictures.slice(at, at + PER_SHEET),
            width === 390 ? 230 : 365,
            join(PICTURES, `corpus-${width}-${String(at / PER_SHEET).padStart(2, '0')}.png`),
          )
    t.diagnostic(`${mail.length} messages`)
    assert.deepEqual(faults, [])
  },
)
