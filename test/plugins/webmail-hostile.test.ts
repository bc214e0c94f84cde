/** Hostile HTML in the web mail: no request leaves, nothing runs, nothing escapes from its frame. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { imageType } from '../../plugins/web/mail/images.ts'
import { hostileHtml } from '../support/hostile-html.ts'
import { shot } from '../support/web-looks.ts'
import {
  afterAll,
  fileMail,
  IN_BROWSER,
  logIn,
  openPage,
  startBrowser,
  startTrap,
  startWebMail,
  until,
} from '../support/web-mail.ts'
import { type Sample, samples } from '../support/web-mail-samples.ts'

const end = afterAll()
let started:
  | Promise<readonly [Awaited<ReturnType<typeof startWebMail>>, Awaited<ReturnType<typeof startBrowser>>]>
  | undefined
/** One server and one browser for most tests of this file. */
const start = () => {
  started ??= Promise.all([startWebMail(end), startBrowser(end)])
  return started
}

/** Messages of one conversation: all of them are open at once, each in a frame of its own. */
const PER_CONVERSATION = 16

/** Chromium reports what the policy refuses to the sanitiser's inert document; handlers that run call `hit`. */
const INERT =
  /^(?:Executing inline event handler violates|Applying inline style violates|Setting the document's base URI|Loading media from {2}'\S*\/track')/

function hostileMail(trap: string): Sample[] {
  return hostileHtml(trap).map(({ name, html }, index) => {
    const first = index - (index % PER_CONVERSATION)
    const head = [
      'From: Mallory <mallory@example.org>',
      'To: bob@here.test',
      `Subject: ${index === first ? '' : 'Re: '}Hostile ${first / PER_CONVERSATION}`,
      `Message-ID: <h${index}@example.org>`,
      ...(index === first ? [] : [`References: <h${first}@example.org>`]),
      'MIME-Version: 1.0',
      'Content-Type: text/html; charset=utf-8',
      'Content-Transfer-Encoding: base64',
    ]
    const lines =
      Buffer.from(`${html}<p>end of ${name}</p>`)
        .toString('base64')
        .match(/.{1,76}/g) ?? []
    return { age: 300 - index, text: `${head.join('\r\n')}\r\n\r\n${lines.join('\r\n')}\r\n` }
  })
}

test('hostile mail asks nothing of other servers and runs nothing, shown and quoted', IN_BROWSER, async (t) => {
  const [here, browser] = await start()
  const trap = await startTrap(t)
  const mail = hostileMail(trap.origin)
  await fileMail(here.base, 'bob', mail)
  const { page, problems } = await openPage(browser, here.base)
  const opened: string[] = []
  page.on('popup', () => opened.push('popup'))
  page.on('dialog', () => opened.push('dialog'))
  page.on('framenavigated', (frame) => {
    if (!frame.url().startsWith(`${here.base}/mail/`)) opened.push(frame.url())
  })
  await page.exposeFunction('hit', (what: string) => trap.asked.push(`script ${what}`))
  await logIn(page, 'bob')
  for (let index = 0; index < mail.length / PER_CONVERSATION; index++) {
    await page.getByRole('row', { name: new RegExp(`Hostile ${index}\\b`) }).click()
    const count = Math.min(PER_CONVERSATION, mail.length - index * PER_CONVERSATION)
    await until(
      page,
      `document.querySelectorAll('.way > li.open :is(.frame, .txt)').length === ${count} &&
       [...document.querySelectorAll('iframe.frame')].every((frame) => !['', 'Message', undefined].includes(frame.contentDocument?.title))`,
    )
    // What a frame shows stays inside of it: the page's own controls are on top where they stand.
    const covered = await page.evaluate(`(() => {
      const box = document.querySelector('.tools .ib:not(.narrow)').getBoundingClientRect()
      return !document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2).closest('.tools')
    })()`)
    assert.equal(covered, false)
    await page.locator('.answer').getByRole('button', { name: 'Reply', exact: true }).click()
    await page.locator('.ed blockquote').waitFor()
    await page.getByRole('button', { name: 'Discard draft' }).click()
    await page.locator('.composer').waitFor({ state: 'detached' })
  }
  await shot(page, 'hostile')
  assert.deepEqual(trap.asked, [])
  assert.deepEqual(opened, [])
  assert.deepEqual(
    problems.filter((problem) => !INERT.test(problem)),
    [],
  )
  await page.context().close()
})

test('the frame alone, without the sanitiser, lets nothing out but names to be looked up', IN_BROWSER, async (t) => {
  const [here, browser] = await start()
  const trap = await startTrap(t)
  await fileMail(here.base, 'ann', samples())
  const { page } = await openPage(browser, here.base)
  await page.exposeFunction('hit', (what: string) => trap.asked.push(`script ${what}`))
  await logIn(page, 'ann')
  await page.getByRole('row', { name: /garden furniture/ }).click()
  await page.frameLocator('iframe.frame').getByText('See all offers').waitFor()
  const bodies = hostileHtml(trap.origin)
    .filter(({ html }) => html.length < 10_000)
    .map(({ html }) => html)
  await page.evaluate(`(async () => {
    const inside = document.querySelector('iframe.frame').contentDocument
    let shown = inside.documentElement
    for (const html of ${JSON.stringify(bodies)}) {
      // The inert parser of the frame's own document: its policy is the only wall.
      const next = new inside.defaultView.DOMParser().parseFromString(html, 'text/html')
      const [root] = Node.prototype.cloneNode.call(next, true).childNodes.values().filter(({ nodeType }) => nodeType === 1)
      Document.prototype.adoptNode.call(inside, root)
      Node.prototype.replaceChild.call(inside, root, shown)
      shown = root
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
    }
  })()`)
  assert.deepEqual(trap.asked, [])
  assert.equal(await page.evaluate('location.pathname'), '/mail/')
  await page.context().close()
})

const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYPj/HwADAgH/eqMW3QAAAABJRU5ErkJggg==',
  'base64',
)

test('remote images come through the server when the reader allows it, and only images', IN_BROWSER, async (t) => {
  const asked: { readonly url: string; readonly headers: readonly string[] }[] = []
  const server = createServer((request, response) => {
    asked.push({ url: request.url ?? '', headers: Object.keys(request.headers).sort() })
    if (request.url === '/moved.png') response.writeHead(302, { location: '/logo.png' }).end()
    else if (request.url === '/loop.png') response.writeHead(302, { location: '/loop.png' }).end()
    else if (request.url?.endsWith('.png')) response.end(PIXEL)
    else response.writeHead(200, { 'content-type': 'image/png' }).end('<svg xmlns="http://www.w3.org/2000/svg"/>')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const here = await startWebMail(t, {}, { images: { allow: ['127.0.0.0/8'] } })
  const [, browser] = await start()
  const html = ['logo', 'moved', 'loop'].map((name) => `<img src="${origin}/${name}.png" alt="${name}">`).join('')
  const text = `From: Shop <shop@example.org>\r\nSubject: Offers\r\nContent-Type: text/html\r\n\r\n<img src="${origin}/vector.svg">${html}<p>offers\r\n`
  await fileMail(here.base, 'ann', [{ age: 1, text }])
  const { page } = await openPage(browser, here.base)
  await logIn(page, 'ann')
  await page.getByRole('row', { name: /Offers/ }).click()
  await page.getByText('4 remote images are not loaded.').waitFor()
  await page.frameLocator('iframe.frame').getByText('offers').waitFor()
  assert.deepEqual(asked, [])
  await page.getByRole('button', { name: 'Always from this sender' }).click()
  const shown = `[...document.querySelector('iframe.frame').contentDocument.images]`
  await until(
    page,
    `${shown}.every(({ complete }) => complete) && ${shown}.some(({ naturalWidth }) => naturalWidth > 0)`,
  )
  assert.deepEqual(await page.evaluate(`${shown}.map(({ naturalWidth }) => naturalWidth)`), [0, 1, 1, 0])
  assert.deepEqual(
    asked.filter(({ url }) => url === '/logo.png').map(({ headers }) => headers),
    [
      ['accept', 'connection', 'host'],
      ['accept', 'connection', 'host'],
    ],
  )
  await page.reload()
  await until(page, `document.querySelector('iframe.frame')?.contentDocument.images.length === 4`)
  await page.context().close()
})

test('the image proxy asks no address inside, serves nobody without a login, and knows images by their octets', async () => {
  const [here] = await start()
  const authorization = `Basic ${Buffer.from('ann:ann-secret').toString('base64')}`
  const ask = async (url: string, headers: Record<string, string> = { authorization }) =>
    (await fetch(`${here.base}/mail/image?url=${encodeURIComponent(url)}`, { headers })).status
  const inside = ['127.0.0.1', '[::1]', 'localhost', '10.0.0.1', '169.254.169.254', '[::ffff:127.0.0.1]', '0x7f000001']
  for (const host of inside) assert.equal(await ask(`https://${host}/`), 502, host)
  for (const url of ['file:///etc/passwd', 'ftp://example.org/', 'data:image/png,x', 'x', '//example.org/'])
    assert.equal(await ask(url), 400, url)
  assert.equal(await ask('https://example.org/', {}), 401)
  assert.equal(await ask('https://example.org/', { authorization, 'sec-fetch-dest': 'document' }), 403)
  assert.equal(imageType(PIXEL), 'image/png')
  for (const text of ['', '<svg', '<html>', 'RIFF....WAVE', '%PDF-1.7'])
    assert.equal(imageType(Buffer.from(text)), undefined)
})
