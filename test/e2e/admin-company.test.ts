/** A small company set up through the browser alone, from the first start to the first mail from outside. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { freePort, tempFolder } from '../support/running-server.ts'
import { shot } from '../support/web-looks.ts'
import { IN_BROWSER, openPage, startBrowser } from '../support/web-mail.ts'

const root = resolve(import.meta.dirname, '../..')

test('a company from nothing through the browser to its first mail from outside', IN_BROWSER, async (t) => {
  const folder = await tempFolder(t)
  const [mx, web] = [await freePort(), await freePort()]
  await writeFile(
    join(folder, 'iems.config.ts'),
    `
import { defineConfig } from 'iems'
import { http } from 'iems/plugins/http'
import { smtpIn } from 'iems/plugins/smtp-in'
import { mailServer } from 'iems/presets'
export default defineConfig(mailServer({
  domain: 'bridges.test', address: '127.0.0.1', outgoing: 'none', protection: 'none',
  without: ['submission', 'imap', 'pop3', 'ldap', 'sieve'],
  channels: { mx: smtpIn({ listen: '127.0.0.1:${mx}' }), web: http({ listen: '127.0.0.1:${web}' }) },
}))
`,
  )
  const child = spawn(process.execPath, ['--conditions=source', join(root, 'core/cli/main.ts'), 'start'], {
    cwd: folder,
  })
  t.after(() => child.kill('SIGKILL'))
  let screen = ''
  child.stderr.on('data', (part) => {
    screen += part
  })
  while (!/shown this once/.test(screen)) await once(child.stderr, 'data')
  const [, password = ''] = /shown this once: (\S+)/.exec(screen) ?? []
  const base = `http://127.0.0.1:${web}`
  const browser = await startBrowser(t)
  const { page, problems } = await openPage(browser, base, {}, '/admin/')
  await page.getByLabel('Address or name').fill('admin')
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('Mail flows.').waitFor()
  await shot(page, 'admin-company-1-start')

  await page.getByRole('link', { name: 'Domains' }).click()
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByLabel('Name').fill('harbour.test')
  await page.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByRole('heading', { name: 'harbour.test' }).waitFor()
  await page.getByRole('link', { name: 'People' }).click()
  for (const [name, full] of [
    ['ann', 'Ann Ekström'],
    ['bilal', 'Bilal Haddad'],
    ['carol', 'Carol Nwosu'],
  ] as const) {
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByLabel('Login name').fill(name)
    await page.getByLabel('Full name').fill(full)
    await page.getByLabel('Addresses').fill(`${name}@harbour.test`)
    await page.getByLabel('Password').fill(`${name} opens the harbour`)
    await page.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByRole('heading', { name: full }).waitFor()
  }
  await page.getByRole('button', { name: 'Groups' }).click()
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByLabel('Name', { exact: true }).fill('board')
  await page.getByLabel('Addresses').fill('board@harbour.test')
  await page.getByLabel('Who may write to it').selectOption('anyone')
  await page.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByRole('heading', { name: 'board' }).waitFor()
  await page.getByLabel('Addresses of new members').fill('ann@harbour.test, carol@harbour.test')
  await page.getByRole('complementary').getByRole('button', { name: 'Add' }).click()
  await page.getByText('carol@harbour.test').waitFor()
  await page.getByRole('button', { name: 'Aliases' }).click()
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByLabel('Address', { exact: true }).fill('info@harbour.test')
  await page.getByLabel('Goes to').fill('bilal@harbour.test')
  await page.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByRole('heading', { name: 'info@harbour.test' }).waitFor()
  await shot(page, 'admin-company-2-people')

  for (const to of ['board@harbour.test', 'info@harbour.test'])
    await promisify(execFile)('swaks', [
      ...['--server', `127.0.0.1:${mx}`, '--from', 'stranger@example.org', '--to', to, '--timeout', '20'],
      ...['--header', `Subject: First mail for ${to}`, '--body', 'Hello harbour.'],
    ])
  await page.goto(`${base}/admin/#/trace?q=board@harbour.test`)
  await page.locator('main tbody a').first().click()
  await page.getByText('All 2 recipients have it.').or(page.getByText('It was delivered.')).waitFor()
  await shot(page, 'admin-company-3-trace')
  await page.getByRole('link', { name: 'Today' }).click()
  await page.getByRole('row', { name: /^Received 2/ }).waitFor()
  await shot(page, 'admin-company-4-today')
  assert.deepEqual(problems, [])

  for (const [name, subject] of [
    ['carol', 'First mail for board@harbour.test'],
    ['bilal', 'First mail for info@harbour.test'],
  ] as const) {
    const { page: mail } = await openPage(browser, base)
    await mail.getByLabel('Address or name').fill(name)
    await mail.getByLabel('Password', { exact: true }).fill(`${name} opens the harbour`)
    await mail.getByRole('button', { name: 'Sign in' }).click()
    await mail.getByRole('row', { name: new RegExp(subject) }).click()
    await mail.getByText('Hello harbour.').first().waitFor()
    await shot(mail, `admin-company-5-${name}`)
  }
})
