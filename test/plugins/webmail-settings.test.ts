/** The web mail's settings, and what plugins add to it: rules, vacation, signatures, modules of a stranger's package. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { mailsort } from 'iems/plugins/mailsort'
import { tempFolder } from '../support/running-server.ts'
import { look } from '../support/web-looks.ts'
import { fileMail, IN_BROWSER, logIn, openPage, startBrowser, startWebMail } from '../support/web-mail.ts'
import { type Sample, samples } from '../support/web-mail-samples.ts'
import { createStranger } from '../support/web-mail-stranger.ts'

test('settings and plugins in a browser', IN_BROWSER, async (t) => {
  const folder = await tempFolder(t)
  const module = join(folder, 'added.js')
  await writeFile(
    module,
    `export function mount(element, host) {
       element.textContent = host.email ? 'Aside of ' + host.email.subject : 'Added settings, ' + host.language
       return () => element.replaceChildren()
     }
     export const run = async (host) => {
       if (host.email) return host.say('Action on ' + host.email.subject)
       host.change({ subject: host.draft.subject + ' [seen]', cc: [{ name: 'Carol', email: 'carol@example.org' }] })
       host.insert('<p>Added by a stranger</p>')
     }
     export const check = ({ draft }) => draft.subject === '' ? 'Strangers want a subject.' : undefined`,
  )
  const here = await startWebMail(t, {}, {}, [mailsort(), createStranger(pathToFileURL(module))()])
  const browser = await startBrowser(t)
  const [first, ...others] = samples()
  await fileMail(here.base, 'ann', [{ ...(first as Sample), keywords: { stranger: true } }, ...others])
  const { page, problems } = await openPage(browser, here.base)
  await logIn(page, 'ann')

  await t.test('a rule made in the form sorts what comes in', async () => {
    await page.getByRole('button', { name: /^Account/ }).click()
    await page.getByRole('menuitem', { name: 'Customers' }).waitFor()
    assert.equal(await page.getByRole('menuitem', { name: 'For few' }).count(), 0)
    await page.getByRole('menuitem', { name: 'Settings' }).click()
    await page.getByText('No rules yet.').waitFor()
    await page.getByRole('button', { name: 'New rule' }).click()
    await page.getByLabel('Name', { exact: true }).fill('Lists aside')
    await page.getByLabel('What').selectOption('subject')
    await page.getByLabel('Value').fill('[list]')
    await page.getByLabel('Folder', { exact: true }).selectOption('Archive')
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByText('Saved', { exact: true }).waitFor()
    assert.deepEqual(await look(page, 'rules-1280'), [])
    await page.reload()
    await page.getByRole('button', { name: 'Lists aside', exact: true }).waitFor()
    await here.send('eve@example.org', 'ann@here.test', '[list] News')
    assert.deepEqual((await here.inbox('ann')).includes('[list] News'), false)
  })

  await t.test('the answer while one is away', async () => {
    await page.getByRole('link', { name: 'Vacation' }).click()
    await page.getByLabel('Answer messages by itself').check()
    await page.getByLabel('Subject').fill('Away')
    await page.getByLabel('Message', { exact: true }).fill('Back on Monday.')
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByText('Saved', { exact: true }).waitFor()
    assert.deepEqual(await look(page, 'vacation-1280'), [])
    await here.send('bob@here.test', 'ann@here.test', 'Hello?')
    assert.deepEqual(await here.inbox('bob'), ['Away'])
    const [, body = ''] = (await here.source('bob', 1)).split('\r\n\r\n', 2)
    assert.match(body + Buffer.from(body, 'base64').toString(), /Back on Monday\./)
  })

  await t.test('a signature stands in new messages', async () => {
    await page.getByRole('link', { name: 'Names and signatures' }).click()
    await page.getByLabel('Signature').fill('Ann, Harbour Office')
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByText('Saved', { exact: true }).waitFor()
    assert.deepEqual(await look(page, 'identities-1280'), [])
    await page.getByRole('link', { name: 'Back to mail' }).click()
    await page.locator('.m .fr').first().waitFor()
    await page.keyboard.press('c')
    await page.locator('.ed', { hasText: 'Ann, Harbour Office' }).waitFor()
  })

  await t.test('a stranger’s plugin keeps a message back, stands beside messages and in the settings', async () => {
    await page.getByRole('combobox', { name: 'To' }).fill('bob@here.test')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.getByText('Not sent: Strangers want a subject.').waitFor()
    await page.locator('.composer').getByRole('button', { name: 'More' }).click()
    await page.getByRole('menuitem', { name: 'Do something' }).click()
    await page.locator('.ed', { hasText: 'Added by a stranger' }).waitFor()
    assert.equal(await page.getByLabel('Subject').inputValue(), ' [seen]')
    await page.getByRole('button', { name: 'Discard draft' }).click()
    await page.getByRole('row', { name: /Minutes of Tuesday/ }).click()
    await page.getByText('Aside of Minutes of Tuesday').waitFor()
    await page
      .getByRole('row', { name: /, Odd$/ })
      .first()
      .locator('.tag', { hasText: 'Odd' })
      .waitFor()
    await page.getByText('A banner for ann').waitFor()
    await page.getByRole('button', { name: 'More' }).click()
    await page.getByRole('menuitem', { name: 'Do something' }).click()
    await page.getByText('Action on Minutes of Tuesday').waitFor()
    await page.goto(`${here.base}/mail/#/settings/plugin-stranger`)
    await page.getByText('Added settings, en').waitFor()
  })

  await t.test('axe finds nothing on the settings at the widths of a tablet and a phone', async () => {
    const found: string[] = []
    for (const [width, height] of [
      [820, 1100],
      [390, 844],
    ] as const) {
      await page.setViewportSize({ width, height })
      for (const [name, heading] of [
        ['rules', 'Rules'],
        ['vacation', 'Vacation'],
        ['identities', 'Names and signatures'],
      ] as const) {
        await page.goto(`${here.base}/mail/#/settings/${name}`)
        await page.getByRole('heading', { name: heading }).first().waitFor()
        found.push(...(await look(page, `${name}-${width}`)))
        if (await page.evaluate('document.documentElement.scrollWidth > innerWidth'))
          found.push(`${name}, ${width}: wider than the screen`)
      }
    }
    assert.deepEqual(found, [])
  })
  assert.deepEqual(problems, [])
})
