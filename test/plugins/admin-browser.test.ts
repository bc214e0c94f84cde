/** The administration in a real browser: what administrators, support and domain administrators do with it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtFolder } from '../../plugins/web/app/assets.ts'
import { strangersPages } from '../support/admin-stranger.ts'
import { fill, openAdmin, startAdmin } from '../support/web-admin.ts'
import { look, lookAtWidths, shot } from '../support/web-looks.ts'
import { IN_BROWSER, openPage, startBrowser } from '../support/web-mail.ts'

const QUARTER_MS = 16 * 60_000

test('administration in a browser', IN_BROWSER, async (t) => {
  await builtFolder('admin')
  const stranger = strangersPages()
  const here = await startAdmin(t, { plugins: [stranger.plugin] })
  await fill(here)
  const browser = await startBrowser(t)
  const names = async (kind: 'account' | 'group' | 'domain') =>
    (await Array.fromAsync(here.directory.list(kind))).map(({ name }) => name)

  await t.test('each role sees its own screens', async () => {
    for (const [who, screens, text] of [
      [
        'support',
        ['Today', 'Trace', 'Queue', 'Greylist', 'Components', 'Metrics', 'Plugins', 'Commands'],
        /Mail flows/,
      ],
      ['domain', ['People', 'Domains'], 'Support Person'],
    ] as const) {
      const { page, problems } = await openAdmin(browser, here.base, who)
      await page.locator('main').getByText(text).first().waitFor()
      const links = await page.getByRole('navigation', { name: 'Administration' }).getByRole('link').allInnerTexts()
      assert.deepEqual(
        links.map((link) => link.replace(/\s*\d+$/, '').trim()),
        screens,
      )
      assert.deepEqual(problems, [])
      await page.context().close()
    }
    const { page } = await openAdmin(browser, here.base, 'user')
    await page.getByText('Your role includes no part of the administration.').waitFor()
    await page.context().close()
  })

  // One login for what administrators do: each part starts at the first screen.
  const { page, problems } = await openAdmin(browser, here.base, 'admin')
  const start = async (place = '') => {
    problems.length = 0
    await page.evaluate(
      "document.querySelectorAll(':is(.job, .toast) [aria-label=Close]').forEach((one) => one.click())",
    )
    await page.goto(`${here.base}/admin/#/${place}`)
  }

  await t.test('people: added, found, changed, suspended, deleted', async () => {
    await start()
    await page.getByRole('link', { name: 'People' }).click()
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByLabel('Login name').fill('ann')
    await page.getByLabel('Full name').fill('Ann Ekström')
    await page.getByLabel('Addresses').fill('ann@here.test, ann.ekstrom@here.test')
    await page.getByLabel('Password').fill('correct horse battery')
    assert.deepEqual(await look(page, 'admin-add-1280'), [])
    await page.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByRole('heading', { name: 'Ann Ekström' }).waitFor()
    const ann = await here.directory.byName('account', 'ann')
    assert.deepEqual(ann?.addresses, ['ann@here.test', 'ann.ekstrom@here.test'])
    assert.deepEqual(await look(page, 'admin-person-1280'), [])
    await page.getByRole('button', { name: 'Edit' }).click()
    await page.getByLabel('Storage in GB').fill('5')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('0 B of 5 GB').first().waitFor()
    await page.getByRole('button', { name: 'Suspend' }).click()
    await page.getByText('Suspended: gets mail').waitFor()
    assert.equal((await here.directory.byName('account', 'ann'))?.status, 'suspended')
    await page.getByPlaceholder('Name or address').fill('ekstrom')
    await page.locator('.note-count', { hasText: /^1$/ }).waitFor()
    // The password was shown a while ago, so that deleting asks for it again.
    await here.clock.advance(QUARTER_MS)
    await page.getByRole('button', { name: 'Delete…' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('heading', { name: 'Confirm your password' }).waitFor()
    assert.deepEqual(await look(page, 'admin-confirm-1280'), [])
    await page.getByRole('dialog').getByLabel('Password').fill('wrong')
    await page.getByRole('button', { name: 'Confirm', exact: true }).click()
    await page.getByRole('alert').getByText('invalid').waitFor()
    await page.getByRole('dialog').getByLabel('Password').fill('admin-secret')
    await page.getByRole('button', { name: 'Confirm', exact: true }).click()
    await page.getByText('is deleted').waitFor()
    assert.ok(!(await names('account')).includes('ann'))
    await page.getByRole('button', { name: 'Deleted' }).click()
    await page.getByRole('row', { name: /Ann Ekström/ }).waitFor()
    await page.getByRole('checkbox', { name: 'Select all' }).click()
    assert.deepEqual(await look(page, 'admin-removed-1280'), [])
    await page.getByRole('toolbar').getByRole('button', { name: 'Restore' }).click()
    await page.getByText('1 restored, 0 faults').waitFor()
    await page.getByText('Nothing to restore').waitFor()
    assert.ok((await names('account')).includes('ann'))
    assert.deepEqual(
      problems.filter((one) => !one.includes('403')),
      [],
    )
  })

  await t.test('a failing next hop: seen on Today, opened, held, released, traced, removed', async () => {
    await start()
    await page.getByText('legal.test does not take our mail').waitFor()
    await page.locator('li', { hasText: 'legal.test does not' }).getByRole('link', { name: 'Open queue' }).click()
    await page.getByRole('grid', { name: 'Deliveries to legal.test' }).waitFor()
    await page.getByRole('checkbox', { name: 'Select all' }).click()
    await shot(page, 'admin-queue-selected-1280')
    await page.getByRole('toolbar').getByRole('button', { name: 'Hold' }).click()
    await page.getByText('2 changed').waitFor()
    assert.equal(await here.queue.count({ nexthop: 'legal.test', held: true }), 2)
    await page.getByRole('button', { name: 'Close' }).click()
    await page.goto(`${here.base}/admin/#/protection`)
    await page.getByRole('row', { name: /sofia@legal.test/ }).click()
    await page.getByText('Text of the letter.').waitFor()
    assert.deepEqual(await lookAtWidths(page, 'admin-held-message'), [])
    await page.getByRole('button', { name: 'Release' }).click()
    await page.getByText('1 changed').waitFor()
    await page.goto(`${here.base}/admin/#/trace?q=${encodeURIComponent('admin@here.test → sofia@legal.test')}`)
    await page.getByText('Understood as').waitFor()
    await page.locator('main tbody a').first().click()
    await page.getByText('1 of 2 recipients has it').or(page.getByText('1 of 2 recipients have it')).waitFor()
    await page.getByText('451 4.7.1 Come back later').first().waitFor()
    await page.getByRole('button', { name: 'Explain the route' }).click()
    await page.locator('.route li').first().waitFor()
    assert.deepEqual(await look(page, 'admin-trace-story-1280'), [])
    assert.deepEqual(problems, [])
  })

  await t.test(
    'by keyboard alone: Ctrl K to a command, its form, its output; a list walked, opened, selected',
    async () => {
      await start()
      await page.keyboard.press('Control+k')
      await page.getByRole('combobox').waitFor()
      await page.keyboard.type('domain add')
      await page.getByRole('option', { name: /^domain add/ }).waitFor()
      assert.deepEqual(await look(page, 'admin-palette-1280'), [])
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'domain add' }).waitFor()
      await page.getByRole('textbox', { name: 'Name', exact: true }).focus()
      await page.keyboard.type('third.test')
      await page.keyboard.press('Enter')
      await page.getByText('Done').waitFor()
      assert.ok((await names('domain')).includes('third.test'))
      await page.keyboard.press('Control+k')
      await page.keyboard.type('people')
      await page.keyboard.press('Enter')
      const grid = page.getByRole('grid', { name: 'People' })
      await grid.focus()
      for (const key of ['ArrowDown', 'ArrowDown', ' ']) await page.keyboard.press(key)
      await page.getByText('1 selected').waitFor()
      await page.keyboard.press('Enter')
      await page.getByRole('complementary').getByRole('heading', { level: 2 }).waitFor()
      await page.keyboard.press('Control+k')
      await page.keyboard.type('support pers')
      await page.getByRole('option', { name: /Support Person/ }).waitFor()
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'Support Person' }).waitFor()
      assert.deepEqual(problems, [])
    },
  )

  await t.test('pages of a plugin: a table with a filter and an action, a form, figures, a module', async () => {
    await start()
    await page.getByRole('link', { name: 'Protection' }).click()
    await page.getByRole('button', { name: 'Greylist' }).click()
    await page.getByText('sender0@example.net').waitFor()
    assert.deepEqual(await look(page, 'admin-page-table-1280'), [])
    await page.getByRole('button', { name: 'More' }).click()
    await page.getByText('sender150@example.net').waitFor()
    await page.getByRole('button', { name: 'Look g1', exact: true }).press('Enter')
    await page.getByRole('region', { name: 'Text' }).getByText('<b>Kept</b> of g1').waitFor()
    assert.deepEqual(await lookAtWidths(page, 'admin-page-preview'), [])
    await page.keyboard.press('Escape')
    // All that fit, also those that were not read yet.
    await page.getByRole('checkbox', { name: 'Select all' }).click()
    await page.getByText(`${stranger.greylist.size} selected`).waitFor()
    await page.getByRole('checkbox', { name: 'Clear the selection' }).click()
    await page.getByLabel('Sender').fill('sender24')
    await page.getByRole('button', { name: 'Filter', exact: true }).click()
    await page.getByText('11 in all').waitFor()
    await page.getByRole('checkbox', { name: 'Select g24', exact: true }).check()
    await page.getByRole('button', { name: 'Forget' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Forget' }).click()
    await page.getByText('g24 is forgotten').waitFor()
    await page.getByText('10 in all').waitFor()
    assert.ok(!stranger.greylist.has('g24'))
    await page.getByRole('link', { name: 'Grey settings' }).click()
    await page.getByLabel('Delay').fill('90')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('alert').getByText(/60/).waitFor()
    await page.getByLabel('Delay').fill('9')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Saved').waitFor()
    assert.equal(stranger.settings.delay, 9)
    await page.getByRole('link', { name: 'Grey figures' }).click()
    await page.getByRole('img', { name: /Tries by hour/ }).waitFor()
    assert.deepEqual(await look(page, 'admin-page-figures-1280'), [])
    await page.getByRole('link', { name: 'Map' }).click()
    await page.getByText('A map in en').waitFor()
    await page.getByRole('button', { name: 'Ask the server' }).click()
    await page.getByText('Map of admin').waitFor()
    assert.deepEqual(await look(page, 'admin-page-module-1280'), [])
    assert.deepEqual(
      problems.filter((one) => !one.includes('400')),
      [],
    )
  })

  await t.test('a domain with what is wrong in its DNS and the cure; reports as a chart and a table', async () => {
    await start()
    await page.getByRole('link', { name: 'Domains' }).click()
    await page.getByRole('row', { name: /^Domain here\.test/ }).click()
    await page.getByText('here.test has no DMARC record').waitFor()
    await page.getByText('Publish the record below').waitFor()
    assert.deepEqual(await look(page, 'admin-domain-1280'), [])
    await page.getByRole('link', { name: 'Protection' }).click()
    await page.getByRole('button', { name: 'DMARC reports' }).press('Enter')
    await page.getByRole('row', { name: '203.0.113.9 here.test 0 3 reject' }).waitFor()
    await page.getByRole('row', { name: '192.0.2.1 here.test 80 0' }).waitFor()
    assert.deepEqual(await lookAtWidths(page, 'admin-dmarc'), [])
    await page.getByRole('button', { name: 'TLS reports' }).click()
    await page.getByRole('img', { name: /Reported by day/ }).waitFor()
    await page.getByRole('row', { name: /2026-11-26 here.test Example 40 2/ }).waitFor()
    assert.deepEqual(await look(page, 'admin-reports-1280'), [])
    assert.deepEqual(problems, [])
  })

  await t.test(
    'held posts of a list: one rejected with a reason after a look, the others approved in bulk',
    async () => {
      await start('lists')
      await page.getByText('3 entries to decide').click()
      await page.getByRole('row', { name: /Cheap watches/ }).waitFor()
      // By keyboard there and back: a preview closes with Escape, and the list has the focus again.
      const held = page.getByRole('grid', { name: 'Held' })
      await held.focus()
      for (const key of ['End', 'Enter']) await page.keyboard.press(key)
      await page.getByText('Text of the letter.').waitFor()
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      await page.locator('[role=grid]:focus').waitFor()
      await page.getByRole('row', { name: /Cheap watches/ }).click()
      await page.getByText('Text of the letter.').waitFor()
      assert.deepEqual(await lookAtWidths(page, 'admin-held-post'), [])
      await page.getByRole('dialog').getByRole('button', { name: 'Reject…' }).click()
      await page.getByLabel('Reason for the authors').fill('No advertisements')
      assert.deepEqual(await look(page, 'admin-reject-1280'), [])
      await page.getByRole('dialog').getByRole('button', { name: 'Reject', exact: true }).click()
      await page.locator('.note-count', { hasText: '2 held' }).waitFor()
      await page.getByRole('checkbox', { name: 'Select all' }).click()
      assert.deepEqual(await look(page, 'admin-held-selected-1280'), [])
      await page.getByRole('toolbar').getByRole('button', { name: 'Approve' }).click()
      await page.getByText('Nothing awaits a decision').waitFor()
      await page.getByText('2 decided, 0 faults').waitFor()
      const { records } = (await here.ask('admin', 'GET', '/api/v1/history?limit=2')).json
      assert.deepEqual(
        records.map(({ what }: { what: string }) => what),
        ['list.approve', 'list.reject'],
      )
      assert.deepEqual(problems, [])
    },
  )

  await t.test('ten thousand members pasted at once, with a line for each fault', async () => {
    await start('lists/news@lists.here.test')
    await page.getByRole('button', { name: 'Add members' }).click()
    const pasted = Array.from({ length: 10_000 }, (_, index) =>
      index % 2500 === 7 ? `no address ${index}` : `m${index}@example.com`,
    )
    // As a paste does it; typing ten thousand lines takes longer than a test has.
    await page.getByLabel('Text of the file').waitFor()
    const paste = (lines: readonly string[]) =>
      page.evaluate(`{
        const field = document.getElementById('input')
        field.setRangeText(${JSON.stringify(lines.join('\n'))})
        field.dispatchEvent(new Event('input', { bubbles: true }))
      }`)
    await paste(pasted)
    // The connection breaks and the page is gone; the work goes on, and the next page shows it.
    const following = '**/api/v1/tasks/*/lines*'
    await page.route(following, (route) => route.abort())
    await page.getByRole('button', { name: 'Do it' }).click()
    await page.getByText('The connection is lost; the work goes on').waitFor()
    await page.reload()
    await page.getByRole('complementary', { name: 'list import' }).waitFor()
    await page.unroute(following)
    await page.getByText(/^9.?996 members done, 4 faults$/).waitFor()
    await page.getByRole('row', { name: '8 not an address', exact: true }).waitFor()
    assert.equal(await page.getByRole('row', { name: /^\d+ not an address$/ }).count(), 4)
    await shot(page, 'admin-pasted-1280')
    await page.getByRole('button', { name: 'Close' }).click()
    await start('lists')
    await page.getByRole('heading', { name: 'Lists' }).waitFor()
    await start('lists/news@lists.here.test')
    await page.getByText('9,998 members').waitFor()
    // Work without an end is cancelled where it is shown.
    await start('commands/grey walk')
    await page.getByRole('button', { name: 'Run', exact: true }).click()
    await page.getByText(/^\d+ of 100,000$/).waitFor()
    await page.getByRole('button', { name: 'Cancel', exact: true }).click()
    await page.getByRole('status').getByText('Cancelled').waitFor()
    assert.deepEqual(
      problems.filter((one) => !one.includes('ERR_FAILED')),
      [],
    )
  })

  await t.test('German where the browser asks for it, or the administrator chooses it', async () => {
    const german = await openPage(browser, here.base, { locale: 'de-DE' }, '/admin/')
    await german.page.getByRole('button', { name: 'Anmelden' }).waitFor()
    await german.page.context().close()
    await start()
    await page.getByRole('button', { name: /^Account of/ }).click()
    await page.getByRole('menuitem', { name: 'Deutsch' }).click()
    await page.getByRole('heading', { name: /^(Die Post läuft|Etwas ist gestört)/ }).waitFor()
    assert.equal(await page.locator('html').getAttribute('lang'), 'de')
    const navigation = page.getByRole('navigation', { name: 'Verwaltung' })
    assert.deepEqual(await navigation.getByRole('heading').allInnerTexts(), ['Verwalten', 'System'])
    await navigation.getByRole('link', { name: 'Personen' }).click()
    await page
      .getByRole('button', { name: 'Letzte Anmeldung' })
      .or(page.getByText('Letzte Anmeldung'))
      .first()
      .waitFor()
    await navigation.getByRole('link', { name: 'Komponenten' }).click()
    await page.getByText('läuft').first().waitFor()
    await page.getByRole('cell', { name: 'wiederkehrend' }).first().waitFor()
    // What the server refuses, and what it has done, in the same language.
    await navigation.getByRole('link', { name: 'Personen' }).click()
    await page.getByRole('button', { name: 'Hinzufügen' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Anmeldename').fill('eva')
    await dialog.getByLabel('Adressen').fill('no-address')
    await dialog.getByRole('button', { name: 'Hinzufügen' }).click()
    await dialog.getByText('muss eine Adresse sein (RFC 5321), etwa ann@example.org').waitFor()
    await dialog.getByLabel('Adressen').fill('user@here.test')
    await dialog.getByRole('button', { name: 'Hinzufügen' }).click()
    await dialog.getByText('user@here.test ist vergeben').waitFor()
    assert.deepEqual(
      problems.filter((one) => !/status of (400|409)/.test(one)),
      [],
    )
  })
})
