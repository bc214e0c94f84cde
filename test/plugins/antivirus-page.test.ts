/** What a rescan took from mailboxes, on the Protection page and by the API: listed, released to the mailbox, removed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { antivirus } from 'iems/plugins/antivirus'
import { missing } from 'iems/testing'
import { builtFolder } from '../../plugins/web/app/assets.ts'
import { attached, CLAMD, startClamd } from '../support/antivirus.ts'
import type { Json } from '../support/jmap.ts'
import { openAdmin, startAdmin } from '../support/web-admin.ts'
import { look } from '../support/web-looks.ts'
import { IN_BROWSER, startBrowser } from '../support/web-mail.ts'

const NEW = 'a virus that nobody knows yet'

test('what a rescan took from mailboxes is listed, released and removed in the administration', {
  ...IN_BROWSER,
  skip: missing(CLAMD) || IN_BROWSER.skip,
}, async (t) => {
  await builtFolder('admin')
  const clamd = await startClamd(t)
  const here = await startAdmin(t, { plugins: [antivirus({ servers: [clamd.server] })] })
  const { ask, inbox } = here
  const rescan = () => here.command('antivirus rescan', { options: { since: '1 day' } })
  const infected = (subject: string) => attached(NEW).replace('Subject: Hello', `Subject: ${subject}`)
  for (const subject of ['Plans', 'Minutes', 'Offer'])
    await here.submit({ from: 'ann@a.test', to: ['user@here.test'], content: infected(subject) })
  await here.submit({ from: 'ann@a.test', to: ['far@other.test'], content: infected('Far away') })
  await here.deliver()
  await clamd.learn({ 'New-Virus': NEW })
  await rescan()
  assert.deepEqual([await inbox('user'), await inbox('far')], [[], []])

  const path = '/api/v1/pages/antivirus-quarantine'
  const rows = async (search = ''): Promise<Json[]> =>
    (await ask('admin', 'POST', `${path}/rows`, { filter: { search } })).json.rows
  const act = (action: string, ids: readonly string[]) => ask('admin', 'POST', `${path}/actions/${action}`, { ids })
  assert.equal((await rows()).length, 4)
  const [far] = await rows('far AWAY')
  assert.deepEqual(
    [far?.account, far?.mailbox, far?.subject, far?.why],
    ['far', 'INBOX', 'Far away', 'antivirus: virus New-Virus.UNOFFICIAL'],
  )
  assert.match(far?.taken, /^\d{4}-\d\d-\d\d \d\d:\d\d$/)
  for (const who of ['support', 'domain'] as const)
    assert.equal((await ask(who, 'POST', `${path}/rows`, {})).status, 404)

  await t.test('by the API, with a line for what is gone', async () => {
    const released = await act('release', [far?.id, 'taken-none'])
    assert.deepEqual(released.lines, [
      { fault: 'It is not in quarantine any more', at: 'taken-none' },
      { text: '1 released', value: { count: 1 } },
      { end: 'done' },
    ])
    assert.deepEqual(await inbox('far'), ['Far away'])
    const [offer] = await rows('offer')
    assert.deepEqual((await act('remove', [offer?.id])).lines[0]?.value, { count: 1 })
    assert.equal((await rows()).length, 2)
    const { records } = (await ask('admin', 'GET', '/api/v1/history')).json
    assert.deepEqual(
      records.slice(0, 2).map(({ what, about }: Json) => [what, about]),
      [
        ['page.remove', 'antivirus-quarantine'],
        ['page.release', 'antivirus-quarantine'],
      ],
    )
  })

  await t.test('on the Protection page', async () => {
    const { page, problems } = await openAdmin(await startBrowser(t), here.base, 'admin')
    await page.goto(`${here.base}/admin/#/protection`)
    await page.getByRole('button', { name: 'Taken back' }).click()
    const row = (name: string) => page.getByRole('row', { name: new RegExp(name) })
    await row('Minutes').waitFor()
    assert.deepEqual(await look(page, 'admin-taken-back-1280'), [])
    await row('Plans').getByRole('checkbox').click()
    await page.getByRole('button', { name: 'Release', exact: true }).click()
    await page.getByText('1 released').waitFor()
    await row('Plans').waitFor({ state: 'detached' })
    assert.deepEqual(await inbox('user'), ['Plans'])
    await row('Minutes').getByRole('checkbox').click()
    await page.getByRole('button', { name: 'Remove…' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Remove…' }).click()
    await page.getByText('1 removed').waitFor()
    await page.getByText('No row fits.').waitFor()
    assert.deepEqual(problems, [])
  })
  await rescan()
  assert.deepEqual([await inbox('user'), await inbox('far')], [['Plans'], ['Far away']])
})
