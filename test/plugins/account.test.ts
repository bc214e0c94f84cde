/** Self-service for account holders, in a browser: every page, its changes as mail and logins see them, its looks. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { account } from 'iems/plugins/account'
import { mailsort } from 'iems/plugins/mailsort'
import type { Page } from 'playwright-core'
import { readZip } from '../../core/index.ts'
import { codeAt } from '../../plugins/directory/store/totp.ts'
import { builtFolder } from '../../plugins/web/app/assets.ts'
import { tempFolder } from '../support/running-server.ts'
import { look } from '../support/web-looks.ts'
import { IN_BROWSER, openPage, startBrowser, startWebMail } from '../support/web-mail.ts'

const SETTINGS: Parameters<typeof account>[0] = {
  forwarding: 'own',
  aliases: { domains: ['here.test'], max: 1 },
  servers: { imap: { host: 'imap.here.test' }, smtp: { host: 'smtp.here.test', port: 587, security: 'starttls' } },
}

async function start(t: Parameters<typeof startBrowser>[0] & Parameters<typeof tempFolder>[0]) {
  await builtFolder('account')
  const here = await startWebMail(t, {}, {}, [mailsort(), account(SETTINGS)])
  const browser = await startBrowser(t)
  const base = here.base.replace('127.0.0.1', 'localhost')
  return { here, browser, base }
}

async function enter(page: Page, name: string, password = `${name}-secret`): Promise<void> {
  await page.getByLabel('Address or name').fill(name)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

const go = async (page: Page, name: string) => {
  await page.getByRole('link', { name, exact: true }).click()
  await page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
}
const said = (page: Page, text: string) => page.getByRole('status').getByText(text).waitFor()

test('an account holder looks after the account', IN_BROWSER, async (t) => {
  const { here, browser, base } = await start(t)
  const { page, problems } = await openPage(browser, base)
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('WebAuthn.enable')
  await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      ...{ protocol: 'ctap2', transport: 'internal', hasResidentKey: true },
      ...{ hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
    },
  })
  const ann = (await here.directory.byName('account', 'ann')) as { readonly id: string }
  const web = (name: string, password: string) =>
    fetch(`${here.base}/api/login`, {
      headers: { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` },
    })
  await page.goto(`${base}/account/`)
  await enter(page, 'ann')
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  await page.getByText('ann@here.test').last().waitFor()

  await t.test('a passkey is made, and signs in', async () => {
    await go(page, 'Password and security')
    await page.getByLabel('Name', { exact: true }).fill('Laptop')
    await page.getByRole('button', { name: 'Add a passkey…' }).click()
    await said(page, 'The passkey is ready.')
    await page.getByText('Laptop', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await page.getByRole('heading', { name: 'Password and security' }).waitFor()
  })

  await t.test('a new password asks for confirmation when the sign-in is old, and ends other browsers', async () => {
    const other = await openPage(browser, base)
    await other.page.goto(`${base}/account/`)
    await enter(other.page, 'ann')
    await other.page.getByRole('heading', { name: 'Overview' }).waitFor()
    await here.clock.advance(20 * 60_000)
    await page.getByLabel('New password', { exact: true }).fill('short-1')
    await page.getByLabel('New password again').fill('another')
    await page.getByRole('button', { name: 'Set password' }).click()
    await page.getByText('The two passwords differ.').waitFor()
    await page.getByLabel('New password', { exact: true }).fill('ann-secret-2')
    await page.getByLabel('New password again').fill('ann-secret-2')
    await page.getByRole('button', { name: 'Set password' }).click()
    const dialog = page.getByRole('dialog', { name: 'Confirm that it is you' })
    await dialog.getByLabel('Password').fill('wrong')
    await dialog.getByRole('button', { name: 'Confirm', exact: true }).click()
    await dialog.getByRole('alert').getByText(/./).waitFor()
    await dialog.getByRole('button', { name: 'Use a passkey' }).click()
    await said(page, 'The password is set.')
    assert.deepEqual([(await web('ann', 'ann-secret')).status, (await web('ann', 'ann-secret-2')).status], [401, 200])
    await other.page.reload()
    await other.page.getByRole('button', { name: 'Sign in', exact: true }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'Password and security' }).waitFor()
  })

  await t.test('an app password opens its protocols alone, and the second factor makes it needed', async () => {
    await go(page, 'App passwords')
    await page.getByLabel('Name').fill('Reader')
    await page.getByLabel('Sending (SMTP)').uncheck()
    await page.getByRole('button', { name: 'Make password' }).click()
    const password = (await page.locator('.secret').textContent()) ?? ''
    assert.match(password, /^(?:[a-z2-9]{5}-){5}[a-z2-9]$/)
    const opens = async (protocol: 'IMAP' | 'SMTP', given: string) => {
      const session = here.openSession({ protocol, remote: { address: '192.0.2.1' } })
      const answer = await session.auth({ kind: 'password', username: 'ann', password: given })
      session.close()
      return answer.kind === 'identity'
    }
    assert.deepEqual([await opens('IMAP', password), await opens('SMTP', password)], [true, false])
    await go(page, 'Password and security')
    await page.getByRole('button', { name: 'Set up a second factor…' }).click()
    const secret = ((await page.locator('.secret').textContent()) ?? '').replaceAll(' ', '')
    await page.getByRole('img', { name: 'QR code for your authenticator app' }).waitFor()
    await page.getByLabel('Code that the app shows').fill('000000')
    await page.getByRole('button', { name: 'Turn on' }).click()
    await said(page, 'The code does not fit.')
    await page.getByLabel('Code that the app shows').fill(codeAt(secret, Math.floor(here.clock.now() / 30_000)))
    await page.getByRole('button', { name: 'Turn on' }).click()
    await said(page, 'The second factor is on.')
    assert.deepEqual([await opens('IMAP', 'ann-secret-2'), await opens('IMAP', password)], [false, true])
    await page.getByRole('button', { name: 'Turn off' }).click()
    await said(page, 'The second factor is off.')
    await go(page, 'App passwords')
    await page.getByRole('button', { name: 'Remove: Reader' }).click()
    await page.getByText('No app passwords yet.').waitFor()
    assert.equal(await opens('IMAP', password), false)
  })

  await t.test('other browsers are listed and ended', async () => {
    const other = await openPage(browser, base)
    await other.page.goto(`${base}/account/`)
    await enter(other.page, 'ann', 'ann-secret-2')
    await other.page.getByRole('heading', { name: 'Overview' }).waitFor()
    await go(page, 'Signed-in browsers')
    await page.getByText('This browser').waitFor()
    await page.getByRole('button', { name: 'End all others' }).click()
    await said(page, 'Signed out')
    await page.getByRole('button', { name: 'End all others' }).waitFor({ state: 'detached' })
    await other.page.reload()
    await other.page.getByRole('button', { name: 'Sign in', exact: true }).waitFor()
  })

  await t.test('an address of one’s own, a forward, and an answer while away', async () => {
    await go(page, 'Addresses and forwarding')
    await page.getByLabel('New address').fill('bob')
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page.locator('.toast.error').waitFor()
    await page.getByLabel('New address').fill('harbour')
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByText('harbour@here.test').waitFor()
    await here.send('eve@example.org', 'harbour@here.test', 'By alias')
    assert.deepEqual(await here.inbox('ann'), ['By alias'])
    await page.getByLabel('To, one address in each line').fill('eve@outside.test')
    await page.getByRole('button', { name: 'Save' }).click()
    await said(page, 'Mail is forwarded only within this server')
    await page.getByLabel('To, one address in each line').fill('bob@here.test')
    await page.getByRole('button', { name: 'Save' }).click()
    await said(page, 'Saved')
    await here.send('eve@example.org', 'ann@here.test', 'Forwarded')
    assert.deepEqual(await here.inbox('bob'), ['Forwarded'])
    await page.getByRole('button', { name: 'Remove: harbour@here.test' }).click()
    await page.getByText('harbour@here.test').waitFor({ state: 'detached' })
    await go(page, 'Vacation')
    await page.getByLabel('Answer messages by itself').check()
    await page.getByLabel('Until').fill('2099-12-24T18:00')
    await page.getByLabel('Subject').fill('Away')
    await page.getByLabel('Message', { exact: true }).fill('Back on Monday.')
    await page.getByRole('button', { name: 'Save' }).click()
    await said(page, 'Saved')
    await page.reload()
    assert.equal(await page.getByLabel('Until').inputValue(), '2099-12-24T18:00')
    await here.send('bob@here.test', 'ann@here.test', 'Hello?')
    assert.ok((await here.inbox('bob')).includes('Away'))
  })

  await t.test('what was held back is released, and everything is downloaded', async () => {
    const inbox = await here.mail.find(ann.id, 'INBOX')
    const junk = (await here.mail.mailboxes(ann.id)).find(({ specialUse }) => specialUse === '\\Junk')
    assert.ok(inbox && junk)
    await here.mail.move(inbox, [[1, 1]], junk)
    await go(page, 'Junk')
    await page.getByRole('button', { name: 'Not junk: By alias' }).click()
    await page.getByText('Nothing is held back.').waitFor()
    assert.ok((await here.inbox('ann')).includes('By alias'))
    await go(page, 'Your data')
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download' }).click(),
    ])
    assert.equal(download.suggestedFilename(), 'ann.zip')
    const path = join(await tempFolder(t), 'ann.zip')
    await writeFile(path, await readFile(await download.path()))
    const files = new Map<string, string>()
    for await (const { name, open } of readZip(path, { files: 1000, size: 1_000_000 }))
      files.set(name, Buffer.concat(await Array.fromAsync(open())).toString())
    assert.match(files.get('INBOX/00000001.eml') ?? '', /Subject: Forwarded|Subject: By alias/)
    assert.match(files.get('sieve/web mail.sieve') ?? '', /vacation/)
    assert.equal(files.get('contacts.json'), '[]')
    const shown = JSON.parse(files.get('account.json') ?? '{}')
    assert.deepEqual([shown.name, shown.passkeys[0].name, 'password' in shown], ['ann', 'Laptop', false])
    assert.doesNotMatch([...files.values()].join(''), /publicKey|sha256|argon2/)
  })

  await t.test('the set-up help names the servers, and Thunderbird reads the code', async () => {
    await go(page, 'Set up devices')
    const outgoing = await page.getByRole('region', { name: 'Outgoing (SMTP)' }).innerText()
    assert.match(outgoing.replace(/\s+/g, ' '), /Server smtp\.here\.test Port 587 Security STARTTLS User name ann/)
    await page.getByRole('button', { name: 'Android' }).click()
    await page.getByRole('img', { name: /Thunderbird on Android/ }).waitFor()
  })

  await t.test('the language is the account’s, in every browser and application', async () => {
    await go(page, 'Overview')
    // By keyboard, as a letter chooses in a list.
    await page.getByLabel('Language of the pages').focus()
    await page.keyboard.type('D')
    await page.getByRole('heading', { level: 1, name: 'Übersicht' }).waitFor()
    const entry = await here.directory.byId(ann.id)
    assert.ok(entry?.kind === 'account')
    assert.deepEqual(entry.attributes.preferredlanguage, ['de'])
    const other = await openPage(browser, base)
    await enter(other.page, 'ann', 'ann-secret-2')
    await other.page.locator('html[lang=de] .mail').waitFor()
    await other.page.goto(`${base}/mail/plain`)
    await other.page.locator('html[lang=de] h1').getByText('Posteingang').waitFor()
    await page.getByLabel('Sprache der Seiten').selectOption('')
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
    assert.equal(await page.getByLabel('Language of the pages').inputValue(), '')
    await other.page.context().close()
  })
  assert.deepEqual(
    problems.filter((problem) => !/status of (400|403|409)/.test(problem)),
    [],
  )
})

const PAGES = [
  ...['Overview', 'Password and security', 'App passwords', 'Signed-in browsers', 'Addresses and forwarding'],
  ...['Vacation', 'Junk', 'Set up devices', 'Your data'],
]

test('the pages at three widths, in both themes: axe finds nothing', IN_BROWSER, async (t) => {
  const { here, browser, base } = await start(t)
  const ann = (await here.directory.byName('account', 'ann')) as { readonly id: string }
  await here.make({ set: ann.id, to: { quota: 5_000_000 } })
  await here.directory.addAppPassword(ann.id, { name: 'Thunderbird at home', scopes: ['imap', 'smtp'] }, 'test')
  const junk = (await here.mail.mailboxes(ann.id)).find(({ specialUse }) => specialUse === '\\Junk')
  await here.send('news@shop.example', 'ann@here.test', '40 % off, today alone')
  const inbox = await here.mail.find(ann.id, 'INBOX')
  assert.ok(inbox && junk)
  await here.mail.move(inbox, [[1, 1]], junk)
  for (const width of [1280, 820, 390]) {
    const { page, problems } = await openPage(browser, base, { viewport: { width, height: 800 } })
    await page.goto(`${base}/account/`)
    const found = width === 1280 ? await look(page, `account-login-${width}`) : []
    await enter(page, 'ann')
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    for (const name of PAGES) {
      await go(page, name)
      await page.getByText('Loading', { exact: true }).waitFor({ state: 'detached' })
      if (name === 'Set up devices') await page.getByRole('button', { name: 'Android' }).click()
      if (name === 'Password and security') await page.getByRole('button', { name: 'Set up a second factor…' }).click()
      if (name === 'Password and security') await page.locator('.qr').waitFor()
      if (name === 'Overview') await page.getByLabel('Language of the pages').waitFor()
      if (width === 820 && !name.startsWith('Set')) continue
      found.push(...(await look(page, `account-${name.split(' ')[0]?.toLowerCase()}-${width}`)))
      const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
      assert.equal(overflow, 0, `${name} at ${width} is too wide`)
    }
    await here.clock.advance(20 * 60_000)
    await go(page, 'App passwords')
    await page.getByRole('button', { name: 'Remove: Thunderbird at home' }).click()
    await page.getByRole('dialog').waitFor()
    found.push(...(await look(page, `account-confirm-${width}`)))
    assert.deepEqual(found, [])
    assert.deepEqual(
      problems.filter((problem) => !/status of 403/.test(problem)),
      [],
    )
    await page.context().close()
  }
})
