/**
 * Messages as they come from real programs: those of a folder, or small ones made after them. What a page shows of each
 * is measured, and pictures of many are put on one sheet.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { until } from './web-mail.ts'
import type { Sample } from './web-mail-samples.ts'

export interface CorpusMail extends Sample {
  readonly name: string
}

const MAX_SIZE = 1_500_000

/** Every message of a folder and those below, each with a subject and a thread of its own. */
export async function mailOf(folder: string): Promise<CorpusMail[]> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.eml')).sort()
  const found: CorpusMail[] = []
  for (const name of names) {
    const octets = await readFile(join(folder, name))
    if (octets.length <= MAX_SIZE)
      found.push({ name, age: found.length + 1, text: Buffer.from(apart(octets.toString('latin1')), 'latin1') })
  }
  return found
}

/** Without what joins messages to conversations. */
const apart = (text: string): string => {
  const end = /\r?\n\r?\n/.exec(text)?.index ?? text.length
  const head = text.slice(0, end).replace(/^(?:message-id|in-reply-to|references):.*(?:\r?\n[ \t].*)*\r?\n?/gim, '')
  return head + text.slice(end)
}

/** What is wrong with the message that the page shows, at its present width. */
export const faultsOf = (page: Page): Promise<string[]> =>
  page.evaluate(`(() => {
    const found = []
    if (document.documentElement.scrollWidth > innerWidth) found.push('the page is wider than the screen')
    const body = document.querySelector('.conv .body')
    if (body && body.scrollWidth > body.clientWidth + 1) found.push('the conversation is wider than its pane')
    for (const frame of document.querySelectorAll('iframe.frame')) {
      const inside = frame.contentDocument
      if (!inside?.body) { found.push('an empty frame'); continue }
      const isSmallest = Number(inside.body.style.zoom || 1) <= 0.4
      if (inside.documentElement.scrollWidth > inside.documentElement.clientWidth + 1 && !isSmallest) found.push('the message is wider than its frame')
      if (inside.documentElement.scrollHeight > frame.clientHeight + 2) found.push('the end of the message is cut off')
    }
    const text = [...document.querySelectorAll('.way .txt')].map((one) => one.innerText).join('')
    const open = document.querySelector('.way > li.open')
    if (open && !open.querySelector('.frame, .txt')) found.push('no content')
    if (/\\ufffd/.test(text)) found.push('characters that were not decoded')
    return found
  })()`)

const BODIES = "[...document.querySelectorAll('iframe.frame')].map((frame) => frame.contentDocument.body)"

/** The text that a reader sees of the open message. */
export const shownText = (page: Page): Promise<string> =>
  page.evaluate(`[...document.querySelectorAll('.way .txt'), ...${BODIES}].map((one) => one.innerText).join('\\n')`)

/** Images of the message that were loaded. */
export const shownImages = (page: Page): Promise<number> =>
  page.evaluate(`(async () => {
    const images = ${BODIES}.flatMap((body) => [...body.querySelectorAll('img[src]')])
    await Promise.all(images.map((image) => image.decode().catch(() => undefined)))
    return images.filter((image) => image.naturalWidth > 0).length
  })()`)

/** Two frames later: what changed size has been measured again. */
export const drawn = 'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))'

/** Opens one message after the other, the newest first; `see` is called while it is shown. */
export async function eachOpened<M extends CorpusMail>(
  page: Page,
  mail: readonly M[],
  see: (one: M) => Promise<void>,
): Promise<void> {
  await page.locator('.list').focus()
  await page.keyboard.press('Home')
  await page.keyboard.press('Enter')
  for (const [index, one] of mail.entries()) {
    await until(
      page,
      `document.querySelector('.tools .wide')?.textContent.startsWith('${index + 1} ') &&
       document.querySelector('.way > li.open :is(.frame, .txt, .note.bad)') &&
       [...document.querySelectorAll('iframe.frame')].every((frame) => !['', 'Message', undefined].includes(frame.contentDocument?.title))`,
    )
    await see(one)
    if (index < mail.length - 1) await page.keyboard.press('j')
  }
}

interface Picture {
  readonly name: string
  readonly png: Buffer
}

/** Puts pictures on a sheet, as many in a row as fit. */
export async function sheet(
  browser: Browser,
  pictures: readonly Picture[],
  width: number,
  path: string,
): Promise<void> {
  const page = await browser.newPage({ viewport: { width: 1900, height: 400 } })
  const cells = pictures.map(
    ({ name, png }) =>
      `<figure style="margin:0;width:${width}px"><figcaption style="font:11px sans-serif;overflow:hidden;white-space:nowrap">${name.replaceAll('<', '')}</figcaption><img style="width:100%;border:1px solid #999" src="data:image/png;base64,${png.toString('base64')}"></figure>`,
  )
  await page.setContent(`<body style="margin:4px;display:flex;flex-wrap:wrap;gap:6px">${cells.join('')}</body>`)
  await page.screenshot({ path, fullPage: true })
  await page.close()
}
