/**
 * `node probe-page.js ADDRESS PASSWORD`: a person logs in to the web mail, and sees what the plugin `packed-probe` adds.
 */
import { chromium } from 'playwright-core'

const [address = '', password = ''] = process.argv.slice(2)
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
const page = await browser.newPage({ ignoreHTTPSErrors: true, locale: 'en-GB' })
page.setDefaultTimeout(60_000)
await page.goto(new URL('/mail/', address).href)
await page.getByLabel('Address or name').fill('admin@example.org')
await page.getByLabel('Password', { exact: true }).fill(password)
await page.getByRole('button', { name: 'Sign in' }).click()
await page.getByRole('row', { name: /Hello/ }).click()
await page.getByText('Seen by the probe').waitFor()
await page.getByText('The probe sees Hello').waitFor()
await page.keyboard.press('r')
await page.locator('.composer').getByRole('button', { name: 'More' }).click()
await page.getByRole('menuitem', { name: 'Probe it' }).click()
await page.getByRole('heading', { name: 'Re: Hello (probed)' }).waitFor()
await browser.close()
