/** The pages of mailing lists in Chromium: axe on each, on a desktop and a phone, with and without script. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import { http } from 'iems/plugins/http'
import type { Page } from 'playwright-core'
import { lists } from '../../plugins/lists/index.ts'
import { TOKENS } from '../../plugins/lists/web/style.ts'
import { createDirectoryKernel } from '../support/directory.ts'
import { runCommand } from '../support/lists.ts'
import { movingClock } from '../support/moving-clock.ts'
import { look } from '../support/web-looks.ts'
import { IN_BROWSER, startBrowser } from '../support/web-mail.ts'

const LIST = 'bridge@here.test'
const PAGE = `/lists/${encodeURIComponent(LIST)}`

async function start(t: TestContext) {
  const here = await createDirectoryKernel(t, {
    clock: movingClock(),
    channels: {
      web: http({ listen: '127.0.0.1:0', limits: { requestsPerMinute: 100_000 } }),
      lists: lists({ site: 'https://here.test' }),
    },
  })
  await here.make({ add: { kind: 'domain', name: 'here.test' } })
  for (const name of ['ann', 'bob'])
    await here.make({ add: { kind: 'account', name, addresses: [`${name}@here.test`], password: `${name}-secret` } })
  const command = (words: string, values: Record<string, unknown>) => runCommand(here, words, { list: LIST, ...values })
  await runCommand(here, 'list add', {
    address: LIST,
    description: 'Harbour bridge',
    info: 'News on the harbour bridge.',
    dmarc: 'none',
    archive: 'public',
    owners: ['ann@here.test'],
    explicit: 'no',
    post: 'anyone',
    topics: ['Survey: *survey*', 'Lighting: *light*'],
  })
  await command('list join', { address: 'bob@here.test' })
  let count = 0
  async function post(from: string, subject: string, body: string, head = ''): Promise<void> {
    const sender = /<(.*)>/.exec(from)?.[1] ?? from
    const content = `From: ${from}\r\nTo: ${LIST}\r\nSubject: ${subject}\r\nMessage-ID: <p${++count}@far.test>\r\nDate: Tue, 24 Nov 2026 0${count}:00:00 +0000\r\n${head}\r\n${body}\r\n`
    const session = here.session()
    await session.submit({ from: sender, to: [LIST], content })
    await here.deliver()
  }
  const file = `MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n`
  await post(
    'Harbour Authority <office@far.test>',
    'Closure of berth 14',
    'Dear neighbours,\r\n\r\nberth 14 closes on 9 December. See https://far.test/berth.',
  )
  await post(
    'Ingrid Aas <ingrid@far.test>',
    'Re: Closure of berth 14',
    '--b\r\nContent-Type: text/plain\r\n\r\n> berth 14 closes\r\n\r\nUnload on the south side, ask ingrid@far.test about porcupines.\r\n--b\r\nContent-Type: text/html; name="south.html"\r\nContent-Disposition: attachment; filename="south.html"\r\n\r\n<script>alert(1)</script>\r\n--b--',
    `References: <p1@far.test>\r\n${file}`,
  )
  await post(
    'Bob <bob@here.test>',
    'Re: Closure of berth 14',
    'Settled.',
    'References: <p1@far.test> <p2@far.test>\r\n',
  )
  await command('list set', { post: 'members' })
  await post('Stranger <x@far.test>', 'A question', 'May I post here?')
  return { ...here, command, base: `http://127.0.0.1:${here.listener('web').port}` }
}

async function signIn(page: Page, name: string): Promise<void> {
  await page.getByLabel('Address or name').fill(name)
  await page.getByLabel('Password').fill(`${name}-secret`)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`**${PAGE}`)
}

const SIZES = [
  [390, 844],
  [1280, 900],
] as const

/** Pages whose form on a phone differs most; a theme and a width change colours and sizes alone. */
const ON_PHONE = new Set(['list', 'options', 'held', 'thread', 'month'])

/** Looks at the page on a phone and on a desktop: axe, and nothing wider than the screen. */
function looker(page: Page) {
  const found: string[] = []
  const see = async (name: string) => {
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height })
      if (width > 400 || ON_PHONE.has(name)) found.push(...(await look(page, `lists-${name}-${width}`)))
      const overflow = Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'))
      if (overflow > 0) found.push(`${name}: ${overflow} px too wide at ${width}`)
    }
  }
  return { found, see }
}

test(
  'subscribing, options, moderation, settings and members on pages; axe finds nothing on a desktop and a phone',
  IN_BROWSER,
  async (t) => {
    const here = await start(t)
    const browser = await startBrowser(t)
    const context = await browser.newContext({ locale: 'en-GB', reducedMotion: 'reduce' })
    context.setDefaultTimeout(20_000)
    const page = await context.newPage()
    const problems: string[] = []
    page.on('console', (message) => void (message.type() === 'error' && problems.push(message.text())))
    page.on('pageerror', (error) => void problems.push(String(error)))
    const { found, see } = looker(page)
    const linkFor = (address: string, path: string) => {
      const letter = here.delivered.findLast(({ to }) => to[0] === address)?.content ?? ''
      const [link = ''] = new RegExp(`/lists/${path}/[a-z2-7]{24}`).exec(letter) ?? []
      return here.base + link
    }

    await page.goto(`${here.base}/lists`)
    await see('overview')
    await page.getByRole('link', { name: 'Harbour bridge' }).click()
    await see('list')
    await page.getByLabel('Your e-mail address', { exact: true }).fill('zoe@z.test')
    // A form that is sent at once comes from a program.
    await here.clock.advance(2100)
    await page.getByRole('button', { name: 'Subscribe' }).click()
    await page.getByRole('status').waitFor()
    await see('asked')
    await here.deliver()
    await page.goto(linkFor('zoe@z.test', 'confirm'))
    await see('confirm')
    await page.getByRole('button', { name: 'Join the list' }).click()
    await page.getByText('Done: zoe@z.test').waitFor()
    await here.deliver()

    await page.goto(here.base + PAGE)
    await page.getByLabel('Your e-mail address, for a link to your options').fill('zoe@z.test')
    await here.clock.advance(2100)
    await page.getByRole('button', { name: 'Send the link' }).click()
    await page.getByRole('status').waitFor()
    await here.deliver()
    await page.goto(linkFor('zoe@z.test', 'options'))
    await see('options')
    await page.getByLabel('Mail', { exact: true }).selectOption('mime')
    await page.getByLabel('Survey').check()
    await page.getByLabel('Language').selectOption('de')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('heading', { name: 'Saved' }).waitFor()
    const members = (await here.command('list members', {})).flatMap((one) => ('value' in one ? [one.value] : []))
    const zoe = (members as Record<string, unknown>[]).find(({ address }) => address === 'zoe@z.test')
    assert.deepEqual([zoe?.delivery, zoe?.topics, zoe?.language], ['mime', ['Survey'], 'de'])

    // Signed in: a member's star and answer, then an owner's moderation, settings and members.
    await page.goto(`${here.base}/lists/login?to=${encodeURIComponent(PAGE)}`)
    await see('login')
    await signIn(page, 'ann')
    await see('list-owner')
    await page.getByRole('link', { name: /await a decision/ }).click()
    await page.getByText('May I post here?').waitFor()
    await see('held')
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.getByText('Nothing awaits a decision').waitFor()
    await here.deliver()
    await page.goto(`${here.base}${PAGE}/settings`)
    await see('settings')
    await page.getByLabel('Subject prefix').fill('[Bridge]')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.waitForURL(`**${PAGE}`)
    await page.getByRole('link', { name: 'Members', exact: true }).click()
    await see('members')
    await page.getByLabel('Members', { exact: true }).fill('new@z.test\nnot an address\nAnn <ann@here.test>')
    await page.getByRole('button', { name: 'Change' }).click()
    await page.getByText('2 members done, 1 fault').waitFor()
    await see('members-changed')
    await page.goto(`${here.base}${PAGE}/members/new%40z.test`)
    await see('member')
    await page.goto(`${here.base}${PAGE}/recent`)
    await page.getByRole('link', { name: /^A question/ }).click()
    await page.getByRole('button', { name: 'Star' }).click()
    await page.getByRole('button', { name: 'Remove the star' }).waitFor()
    await page.goto(`${here.base}${PAGE}/starred`)
    await see('starred')
    await page.getByRole('link', { name: /^A question/ }).click()
    await page.getByRole('link', { name: 'Reply here' }).click()
    await see('reply')
    await page.getByLabel('Your answer').fill('Of course you may.')
    await page.getByRole('button', { name: 'Send to the list' }).click()
    await page.getByRole('heading', { name: 'The answer is sent' }).waitFor()
    await here.deliver()
    await page.goto(`${here.base}${PAGE}/search?q=course`)
    await page.getByRole('link', { name: /A question/ }).click()
    await page.getByText('Of course you may.').waitFor()
    await page.getByRole('link', { name: 'Remove or redact' }).click()
    await see('edit')
    await page.getByLabel('Text of the post').fill('Removed on request.')
    await page.getByRole('button', { name: 'Replace the text' }).click()
    await page.getByText('An owner of the list changed the text').waitFor()
    await page.getByText('Removed on request.').waitFor()

    assert.deepEqual(found, [])
    assert.deepEqual(problems, [])
  },
)

test(
  'the archive is read and searched with and without script; files are offered and not shown',
  IN_BROWSER,
  async (t) => {
    const here = await start(t)
    const browser = await startBrowser(t)
    for (const [javaScriptEnabled, viewport] of [
      [true, { width: 1280, height: 900 }],
      [false, { width: 1280, height: 900 }],
      [false, { width: 390, height: 844 }],
    ] as const) {
      const context = await browser.newContext({ viewport, javaScriptEnabled, locale: 'en-GB' })
      context.setDefaultTimeout(20_000)
      const page = await context.newPage()
      const { found, see } = javaScriptEnabled ? looker(page) : { found: [], see: async () => {} }
      await page.goto(here.base + PAGE)
      await page.getByRole('link', { name: 'November 2026' }).click()
      await see('month')
      await page.getByRole('link', { name: 'Authors' }).click()
      await page.getByRole('heading', { name: /Ingrid Aas/ }).waitFor()
      await see('authors')
      await page.getByRole('link', { name: 'Threads' }).click()
      await page.getByRole('link', { name: 'Closure of berth 14' }).click()
      await page.getByText('answers Harbour Authority').waitFor()
      await page.getByText('answers Ingrid Aas').waitFor()
      assert.equal(await page.getByText('ingrid@far.test').count(), 0)
      await see('thread')
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('link', { name: 'south.html' }).click(),
      ])
      assert.equal(download.suggestedFilename(), 'south.html')
      await page.getByRole('searchbox').fill('porcupines')
      await page.getByRole('searchbox').press('Enter')
      await page.getByText('1 post', { exact: true }).waitFor()
      await see('search')
      await page
        .getByRole('main')
        .getByRole('link', { name: /Closure of berth 14/ })
        .click()
      await page.getByRole('link', { name: 'Permanent link' }).waitFor()
      await see('message')
      assert.deepEqual(found, [])
      await context.close()
    }
    const file = await fetch(`${here.base}${PAGE}/message/${await hashOf(here.base)}/file/0`)
    assert.equal(file.headers.get('content-type'), 'application/octet-stream')
    assert.match(file.headers.get('content-disposition') ?? '', /^attachment;/)
    assert.match(file.headers.get('content-security-policy') ?? '', /sandbox/)
  },
)

async function hashOf(base: string): Promise<string> {
  const search = await (await fetch(`${base}${PAGE}/search?q=porcupines`)).text()
  return /\/message\/([A-Z2-7]{32})/.exec(search)?.[1] ?? ''
}

test('the tokens of the pages are those of the design', async () => {
  const css = await readFile(new URL('../../plugins/web/app/ui/tokens.css', import.meta.url), 'utf8')
  for (const [name, value] of TOKENS) assert.ok(css.includes(`--${name}: ${value};`), `${name}: ${value}`)
})
