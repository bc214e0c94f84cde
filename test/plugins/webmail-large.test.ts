/** A mailbox of 100,000 conversations in the web mail: only what is in sight is asked for, drawn and kept. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { missing } from 'iems/testing'
import type { MailboxRef } from '../../plugins/mailbox/store/api.ts'
import { longForm } from '../support/long-form.ts'
import { CHROMIUM, IN_BROWSER, logIn, openPage, startBrowser, startWebMail, until } from '../support/web-mail.ts'

const TOTAL = 100_000
type Call = [
  method: string,
  given: { readonly position?: number; readonly limit?: number; readonly ids?: readonly string[] },
  id: string,
]

/** The answers of a server with that many conversations of one message each. */
function answers(calls: readonly Call[], accountId: string): unknown[] {
  const [query] = calls
  const { position = 0, limit = 0 } = query?.[1] ?? {}
  const ids = Array.from(
    { length: Math.max(0, Math.min(limit, TOTAL - position)) },
    (_, index) => `e${position + index}`,
  )
  const threads = ids.map((id) => `t${id.slice(1)}`)
  const emails = ids.map((id, index) => ({
    ...{ id, threadId: threads[index], mailboxIds: {}, keywords: { $seen: true }, to: null, cc: null, bcc: null },
    from: [{ name: `Sender ${id.slice(1)}`, email: 'a@example.org' }],
    ...{ replyTo: null, subject: `Subject ${id.slice(1)}`, receivedAt: '2026-01-01T00:00:00Z', sentAt: null },
    ...{ preview: '', hasAttachment: false, messageId: null, references: null },
  }))
  const given: Readonly<Record<string, object>> = {
    'Email/query': { ids, position, total: TOTAL, queryState: 's', canCalculateChanges: false },
    'Email/get': { list: emails, notFound: [], state: 's' },
    'Thread/get': { list: threads.map((id, index) => ({ id, emailIds: [ids[index]] })), notFound: [], state: 's' },
  }
  return calls.map(([method, , id]) => [method, { accountId, ...given[method] }, id])
}

test(
  'a jump in 100,000 conversations loads one window, draws a screen, and forgets what is far',
  IN_BROWSER,
  async (t) => {
    const here = await startWebMail(t)
    const browser = await startBrowser(t)
    const { page, problems } = await openPage(browser, here.base)
    const positions: number[] = []
    await page.route('**/jmap/api', async (route) => {
      const { methodCalls } = route.request().postDataJSON() as { methodCalls: Call[] }
      if (methodCalls[0]?.[0] !== 'Email/query') return route.continue()
      positions.push(methodCalls[0][1].position ?? 0)
      await route.fulfill({ json: { methodResponses: answers(methodCalls, 'a'), sessionState: 's' } })
    })
    await logIn(page, 'ann')
    await page.getByText('100,000 conversations').waitFor()
    await page.getByRole('row', { name: /Subject 0\b/ }).waitFor()
    const rows = `document.querySelectorAll('.list [role="row"]').length`
    assert.ok(Number(await page.evaluate(rows)) < 60)
    positions.length = 0
    for (const part of [0.5, 0.99, 0.1, 0.75, 0.33]) {
      await page.evaluate(
        `(() => { const list = document.querySelector('.list'); list.scrollTop = list.scrollHeight * ${part} })()`,
      )
      await page.getByRole('row', { name: new RegExp(`Subject ${Math.round(TOTAL * part) + 3}\\b`) }).waitFor()
      assert.ok(Number(await page.evaluate(rows)) < 60)
    }
    // A window or two for each jump, never what lies between.
    assert.ok(positions.length <= 15, `${positions.length} requests`)
    await page.getByRole('grid').focus()
    await page.keyboard.press('End')
    await page.getByRole('row', { name: /Subject 99999\b/ }).waitFor()
    await until(page, `document.activeElement.getAttribute('aria-rowcount') === '${TOTAL}'`)
    assert.deepEqual(problems, [])
    await page.context().close()
  },
)

/** Longer than a frame may take to stay unnoticed, in milliseconds (W3C Long Tasks). */
const LONG_TASKS = `new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) (window.longTasks ??= []).push(Math.round(duration))
}).observe({ type: 'longtask' })`

longForm(process.env.IEMS_TEST_LONG === '1')(
  'a real mailbox of 100,000 messages is scrolled, searched, opened and selected',
  { skip: missing(CHROMIUM), timeout: 3_600_000 },
  async (t) => {
    const total = Number(process.env.IEMS_WEBMAIL_MESSAGES ?? TOTAL)
    const here = await startWebMail(t)
    const ann = (await here.directory.byName('account', 'ann')) as { readonly id: string }
    const inbox = (await here.mail.find(ann.id, 'INBOX')) as MailboxRef
    const messages = function* (from: number, to: number) {
      for (let number = from; number < to; number++) {
        const text = `From: Sender ${number} <s${number}@example.org>\r\nTo: ann@here.test\r\nSubject: Subject ${number}\r\nMessage-ID: <${number}@example.org>\r\n\r\nLine ${number} word${number % 1000}.\r\n`
        yield { content: Readable.from([Buffer.from(text)]), flags: ['\\Seen'], received: number * 60_000 }
      }
    }
    for (let from = 0; from < total; from += 500)
      await here.mail.append(inbox, messages(from, Math.min(total, from + 500)))
    const browser = await startBrowser(t)
    const { page, problems } = await openPage(browser, here.base)
    await page.evaluate(LONG_TASKS)
    const measured = async (name: string, run: () => Promise<unknown>) => {
      const began = performance.now()
      await run()
      const took = Math.round(performance.now() - began)
      const tasks = (await page.evaluate('(window.longTasks ?? []).splice(0)')) as number[]
      t.diagnostic(`${name}: ${took} ms, tasks over 50 ms: ${tasks.length === 0 ? 'none' : tasks.join(' ')}`)
    }
    await measured('from the login to the drawn Inbox', async () => {
      await logIn(page, 'ann')
      await page.getByText(`${total.toLocaleString('en')} conversations`).waitFor()
    })
    for (const part of [0.5, 0.99, 0.1])
      await measured(`a jump to ${part * 100} %`, async () => {
        await page.evaluate(
          `(() => { const list = document.querySelector('.list'); list.scrollTop = list.scrollHeight * ${part} })()`,
        )
        await page
          .getByRole('row', { name: new RegExp(`Subject ${total - Math.round(total * part) - 4}\\b`) })
          .waitFor()
      })
    await page.locator('.list').hover()
    await measured('100 turns of the wheel', async () => {
      for (let turn = 0; turn < 100; turn++) await page.mouse.wheel(0, 400)
    })
    await measured('a conversation opened', async () => {
      await page.locator('.m .fr').nth(10).click()
      await page.locator('.txt').first().waitFor()
    })
    for (let step = 0; step < 10; step++) await page.keyboard.press('j')
    await measured('ten more by the key j', async () => page.locator('.txt').first().waitFor())
    await measured('a search for a word of 100 messages', async () => {
      await page.goto(`${here.base}/mail/#/find/word7`)
      await page.locator('.m mark').first().waitFor()
    })
    await measured('the whole search archived', async () => {
      await page.getByLabel('Select all loaded').click()
      if ((await page.getByRole('button', { name: /^Select all/ }).count()) > 0)
        await page.getByRole('button', { name: /^Select all/ }).click()
      await page.getByRole('toolbar').getByRole('button', { name: 'Archive' }).first().click()
      await page.getByText(/archived|messages changed/).waitFor()
    })
    t.diagnostic(`${Math.round(Number(await page.evaluate('performance.memory.usedJSHeapSize / 1e6')))} MB of heap`)
    assert.deepEqual(problems, [])
    await page.context().close()
  },
)
