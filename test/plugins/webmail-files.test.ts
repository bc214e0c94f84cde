/** Files in every form that mail carries them in, sent by swaks, as a reader sees and saves them in the browser. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { tempFolder } from '../support/running-server.ts'
import { writeTnef } from '../support/tnef-writer.ts'
import { look } from '../support/web-looks.ts'
import { fileMail, IN_BROWSER, logIn, openPage, startBrowser, startWebMail } from '../support/web-mail.ts'
import { drawn, eachOpened, faultsOf, shownImages, shownText } from '../support/web-mail-corpus.ts'
import { kinds } from '../support/web-mail-kinds.ts'

const PICTURES = process.env.IEMS_SCREENSHOTS
/** Chromium reports styles of the inert document that the sanitiser reads. */
const INERT = /^Applying inline style violates/
const FIXTURES = join(import.meta.dirname, '../fixtures/attachments')
const digest = (octets: Uint8Array) => createHash('sha256').update(octets).digest('hex')
const fixture = (path: string) => readFileSync(join(FIXTURES, path))
const DATA = Buffer.from(Array.from({ length: 3000 }, (_, index) => (index * index) % 251))
const base64 = (octets: Buffer) => (octets.toString('base64').match(/.{1,76}/g) ?? []).join('\r\n')

interface Case {
  readonly subject: string
  readonly content: Buffer
  /** Names with the digests of their octets. */
  readonly files: Readonly<Record<string, string>>
  readonly text?: string
  /** What must not be seen. */
  readonly hidden?: string
}

const subjected = (subject: string, path: string) =>
  Buffer.from(
    fixture(path)
      .toString('latin1')
      .replace(/^Subject: .*$/m, `Subject: ${subject}`),
    'latin1',
  )

const mixed = (subject: string, parts: readonly string[]) =>
  Buffer.from(
    [
      'From: Carol <carol@example.org>\r\nTo: ann@here.test',
      `Subject: ${subject}`,
      'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n',
      ...parts.map((part) => `--b\r\n${part}`),
      '--b--\r\n',
    ].join('\r\n'),
  )

const HELLO = 'Content-Type: text/plain\r\n\r\nHello.'
const part = (header: string, octets: Buffer) =>
  `${header}\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64(octets)}`

/** Outlook's form: HTML with an image in it, and a file whose long name is Unicode. */
const WINMAIL = writeTnef({
  properties: [
    { id: 0x1013, binary: Buffer.from('<html><body><p>Rich <b>text</b> of Outlook</p></body></html>') },
    { id: 0x3fde, number: 65001 },
  ],
  files: [{ title: 'UMSATZ~1.BIN', octets: DATA, properties: [{ id: 0x3707, text: 'Umsätze 2026.bin', wide: true }] }],
})

const made = JSON.parse(fixture('made.json').toString()) as Record<
  string,
  { readonly files: readonly { readonly name: string; readonly sha256: string }[] }
>
const filesOf = (path: string) =>
  Object.fromEntries((made[path]?.files ?? []).map(({ name, sha256 }) => [name, sha256]))

const CASES: readonly Case[] = [
  {
    subject: 'Two uuencoded',
    content: subjected('Two uuencoded', 'uuencode/two-files.eml'),
    files: filesOf('uuencode/two-files.eml'),
    text: 'Two:',
    hidden: 'begin 644',
  },
  {
    subject: 'By uuencode -m',
    content: subjected('By uuencode -m', 'uuencode/base64-begin.eml'),
    files: filesOf('uuencode/base64-begin.eml'),
    hidden: 'begin-base64',
  },
  {
    subject: 'No file',
    content: subjected('No file', 'uuencode/not-a-file.eml'),
    files: {},
    text: 'begin',
  },
  {
    subject: 'In yEnc',
    content: subjected('In yEnc', 'yenc/single.eml'),
    files: filesOf('yenc/single.eml'),
    hidden: '=ybegin',
  },
  {
    subject: 'By Outlook',
    content: mixed('By Outlook', [HELLO, part('Content-Type: application/ms-tnef; name="winmail.dat"', WINMAIL)]),
    files: { 'Umsätze 2026.bin': digest(DATA) },
  },
  {
    subject: 'By Macintosh',
    content: mixed('By Macintosh', [
      HELLO,
      `Content-Type: application/mac-binhex40\r\n\r\n${fixture('binhex/resume.hqx')}`,
    ]),
    files: { 'Résumé 1.txt': 'eeca45dc6d5f6dd09edb57bbf43624c2418911334967292a07b542da122a8adb' },
  },
  {
    subject: 'Names',
    content: mixed('Names', [
      HELLO,
      // RFC 2231 with continuations, RFC 2047 where it is not allowed but usual, and octets of UTF-8.
      part(
        'Content-Type: application/octet-stream\r\nContent-Disposition: attachment;\r\n filename*0*=utf-8\'\'%D0%9E%D1%82%D1%87;\r\n filename*1*=%D1%91%D1%82%20;\r\n filename*2="2026.bin"',
        DATA,
      ),
      part(
        'Content-Type: application/octet-stream; name="=?iso-2022-jp?B?GyRCSnM5cBsoQi5iaW4=?="\r\nContent-Disposition: attachment',
        DATA,
      ),
      part(
        'Content-Type: application/octet-stream\r\nContent-Disposition: attachment;\r\n filename="=?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?Q?_aus_K=C3=B6ln.bin?="',
        DATA,
      ),
      part('Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename="日本.bin"', DATA),
    ]),
    files: Object.fromEntries(
      ['Отчёт 2026.bin', '報告.bin', 'Grüße aus Köln.bin', '日本.bin'].map((name) => [name, digest(DATA)]),
    ),
  },
]

async function open(page: Page, subject: string): Promise<void> {
  await page.getByRole('row', { name: new RegExp(`\\b${subject}\\b`) }).click()
  await page.getByRole('heading', { level: 1, name: subject, exact: true }).waitFor()
  await page.locator('.way li.open :is(.txt, .frame)').first().waitFor({ state: 'attached' })
}

test('files of older formats and foreign names are seen and saved as their senders had them', IN_BROWSER, async (t) => {
  const here = await startWebMail(t)
  const browser = await startBrowser(t)
  const folder = await tempFolder(t)
  const inner = join(folder, 'inner.eml')
  await writeFile(
    inner,
    mixed('Outer', [
      HELLO,
      `Content-Type: message/rfc822\r\n\r\nFrom: Dora <dora@example.org>\r\nTo: carol@example.org\r\nSubject: Within\r\n\r\n${fixture('uuencode/two-files.eml').toString('latin1').split('\r\n\r\n').slice(1).join('\r\n\r\n')}`,
    ]),
  )
  await here.sendFile('carol@example.org', 'ann@here.test', inner)
  for (const [index, { content }] of CASES.entries()) {
    const path = join(folder, `${index}.eml`)
    await writeFile(path, content)
    await here.sendFile('carol@example.org', 'ann@here.test', path)
  }
  const { page, problems } = await openPage(browser, here.base)
  await logIn(page, 'ann')

  /** What a reader gets with "Save". */
  async function saved(name: string): Promise<{ readonly name: string; readonly octets: Buffer }> {
    const coming = page.waitForEvent('download')
    await page.getByRole('link', { name: `Save ${name}`, exact: true }).click()
    const download = await coming
    return { name: download.suggestedFilename(), octets: await readFile(await download.path()) }
  }

  for (const { subject, files, text, hidden } of CASES)
    await t.test(subject, async () => {
      await open(page, subject)
      const names = await page.locator('.files li > .cut').allTextContents()
      assert.deepEqual(names, Object.keys(files))
      for (const [name, wanted] of Object.entries(files)) {
        const file = await saved(name)
        assert.equal(file.name, name)
        assert.equal(digest(file.octets), wanted)
      }
      const shown = await page.locator('.way').innerText()
      if (text) assert.ok(shown.includes(text))
      if (hidden) assert.ok(!shown.includes(hidden))
      if (subject === 'By Outlook') await page.frameLocator('iframe.frame').getByText('of Outlook').waitFor()
      if (subject === 'Names') assert.deepEqual(await look(page, 'files-1280'), [])
    })

  await t.test('a file in a message within a message', async () => {
    await open(page, 'Outer')
    await page.getByRole('button', { name: /^Open / }).click()
    const dialog = page.getByRole('dialog', { name: 'Within' })
    await dialog.getByText('Two:').waitFor()
    assert.equal(digest((await saved('one.bin')).octets), made['uuencode/two-files.eml']?.files[0]?.sha256)
    assert.ok(!(await dialog.innerText()).includes('begin 644'))
    await page.keyboard.press('Escape')
  })

  await t.test('the kinds of messages that real programs write', async () => {
    const mail = kinds()
    await fileMail(here.base, 'bob', mail)
    const { page, problems: others } = await openPage(browser, here.base)
    await logIn(page, 'bob')
    await page.getByRole('row').first().waitFor()
    await page.evaluate("document.documentElement.dataset.theme = 'dark'; dispatchEvent(new Event('iems-theme'))")
    const faults: string[] = []
    await eachOpened(page, mail, async ({ name, shows, holds }) => {
      for (const width of [390, 1280]) {
        await page.setViewportSize({ width, height: 800 })
        await page.evaluate(drawn)
        for (const fault of await faultsOf(page)) faults.push(`${name}, ${width}: ${fault}`)
        if (PICTURES) await page.screenshot({ path: join(PICTURES, `kind-${name.replace(/\W+/g, '-')}-${width}.png`) })
      }
      const shown = await shownText(page)
      for (const text of shows)
        if (!shown.includes(text)) faults.push(`${name}: "${text}" is not shown, but "${shown.slice(0, 80)}"`)
      if (
        !(await page.evaluate(
          `(() => { const inside = document.querySelector('iframe.frame')?.contentDocument; return ${holds} })()`,
        ))
      )
        faults.push(`${name}: not so: ${holds}`)
      if (/photo|image of/i.test(name) && (await shownImages(page)) !== 1)
        faults.push(`${name}: its image is not shown`)
    })
    assert.deepEqual(faults, [])
    // An answer keeps the HTML of the original and its image.
    await page.goto(`${here.base}/mail/#/find/subject:image`)
    await page.getByRole('row', { name: /An image of the text/ }).click()
    await page.locator('.answer').getByRole('button', { name: 'Reply', exact: true }).click()
    await page.locator('.ed blockquote', { hasText: 'See the sketch' }).waitFor()
    await page.locator('.ed').evaluate('(place) => place.querySelector("blockquote img").decode()')
    await page.getByRole('button', { name: 'Discard draft' }).click()
    assert.deepEqual(
      others.filter((problem) => !INERT.test(problem)),
      [],
    )
    await page.context().close()
  })

  await t.test('a long conversation opens its latest messages, in the order that the reader wants', async () => {
    const long = Array.from({ length: 60 }, (_, index) => ({
      age: 200 - index,
      text: [
        'From: Dora <dora@example.org>',
        'To: bob@here.test',
        `Subject: ${index === 0 ? '' : 'Re: '}Long`,
        `Message-ID: <long${index}@example.org>`,
        ...(index === 0 ? [] : ['References: <long0@example.org>']),
        `\r\nNumber ${index}\r\n`,
      ].join('\r\n'),
    }))
    await fileMail(here.base, 'bob', long)
    const { page } = await openPage(browser, here.base, { viewport: { width: 390, height: 844 }, hasTouch: true })
    await logIn(page, 'bob')
    // By touch, rows are selected by their box, and the menu of what to do with them is in sight.
    await page.locator('.list .sel').first().tap()
    await page.getByRole('toolbar', { name: '1 selected' }).waitFor()
    await page.getByRole('button', { name: 'Move', exact: false }).first().tap()
    await page.getByRole('menuitem', { name: 'Archive' }).tap({ trial: true })
    await page.keyboard.press('Escape')
    await page.goto(`${here.base}/mail/#/find/subject:Long`)
    await page.getByRole('row', { name: /Long/ }).first().tap()
    await page.locator('.way > li').nth(59).waitFor({ state: 'attached' })
    await page.locator('.way').getByText('Number 59').first().waitFor()
    assert.equal(await page.locator('.way > li.open').count(), 20)
    assert.match(await page.locator('.way > li').last().innerText(), /Number 59/)
    await page.evaluate(
      "localStorage.setItem('iems-newest-first', 'yes'); dispatchEvent(new Event('iems-newest-first'))",
    )
    await page.locator('.way > li').first().getByText('Number 59').first().waitFor()
    await page.context().close()
  })

  await t.test('a forwarded one goes out as a file of today', async () => {
    await open(page, 'Two uuencoded')
    await page.locator('.answer').getByRole('button', { name: 'Forward', exact: true }).click()
    await page.getByRole('combobox', { name: 'To' }).fill('bob@here.test')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.getByText(/^Sent to/).waitFor()
    await here.advance(11_000)
    const source = await here.source('bob', kinds().length + 61)
    assert.match(source, /filename="?two\.bin/)
    assert.ok(!source.includes('begin 644'))
  })
  // Neither do the rows of the list show what is meant for programs.
  assert.doesNotMatch(await page.getByRole('grid').innerText(), /begin 644 (?:one|two)|=ybegin|begin-base64/)
  assert.deepEqual(problems, [])
})
