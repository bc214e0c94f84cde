/** A mailbox of 100,000 conversations in the web mail: only what is in sight is asked for, drawn and kept. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missing } from 'iems/testing'
import { CHROMIUM, logIn, openPage, startBrowser, startWebMail, until } from '../support/web-mail.ts'

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

test('a jump in 100,000 conversations loads one window, draws a screen, and forgets what is far', {
  skip: missing(CHROMIUM),
  timeout: 120_000,
}, async (t) => {
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
})
