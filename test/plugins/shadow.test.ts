/** Shadow mode: a changed threshold over a thousand messages names exactly those whose fate differs, and changes none. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Key, key } from '../../core/index.ts'
import { overlayStore } from '../../core/store/overlay.ts'
import { createTestKernel, memoryStore } from '../../core/testing/index.ts'
import { antispam } from '../../plugins/filter/antispam/index.ts'
import { shadow } from '../../plugins/operation/shadow/index.ts'
import { tempFolder } from '../support/running-server.ts'

const MESSAGES = 1000
/** Only the score of the header counts, also on a busy machine. */
const RULES = `{
  content: { standard: false, rulesTime: '30 s', rules: [1, 2, 4, 8].map((score) => ({ name: 'r' + score, header: 'X-Test-' + score, pattern: /yes/, score })) },
  reputation: { bad: 0, good: 0 },
  client: { noName: 0, falseName: 0 },
  hello: { notAName: 0, ours: 0, unknown: 0, otherAddress: 0 },
  sender: { unknown: 0, noMail: 0 },
}`
const rules: Parameters<typeof antispam>[0] = new Function(`return ${RULES}`)()

const scoreOf = (n: number) => n % 16
const message = (n: number) =>
  `${[1, 2, 4, 8].map((bit) => `X-Test-${bit}: ${scoreOf(n) & bit ? 'yes' : 'no'}\r\n`).join('')}From: a@far.test\r\nSubject: m${n}\r\n\r\nHello\r\n`
/** The fate of a score by the thresholds. */
const fate = (score: number, { tag, quarantine, refuse }: Record<'tag' | 'quarantine' | 'refuse', number>) => {
  if (score >= refuse) return 'refused'
  const base = score >= quarantine ? 'held' : 'accepted'
  return score >= tag ? `${base}, X-Spam-Flag: YES` : base
}

test('a changed threshold names exactly the messages whose fate differs', async (t) => {
  const here = { tag: 4, junk: 100, quarantine: 8, refuse: 12 }
  const next = { tag: 6, junk: 100, quarantine: 9, refuse: 12 }
  const folder = await tempFolder(t)
  const path = join(folder, 'next.config.ts')
  await writeFile(
    path,
    `import { defineConfig } from 'iems'
import { antispam } from 'iems/plugins/antispam'
import { smtpOut } from 'iems/plugins/smtp-out'
export default defineConfig({
  hostname: 'mx.test', dns: { servers: [] },
  channels: { out: smtpOut({ domains: ['*'] }, { accepts: 'anyone' }) },
  plugins: [antispam({ thresholds: ${JSON.stringify(next)}, ...${RULES} })],
})
`,
  )
  const kernel = await createTestKernel(t, {
    plugins: [antispam({ thresholds: here, ...rules }), shadow({ config: path, waiting: MESSAGES })],
  })
  const expected = new Map<string, string>()
  for (let n = 0; n < MESSAGES; n++) {
    await kernel.session().submit({ from: `s${n}@far.test`, to: ['ann@here.test'], content: message(n) })
    const [was, is] = [fate(scoreOf(n), here), fate(scoreOf(n), next)]
    if (was !== is) expected.set(`m${n}`, `${was} → ${is}`)
  }
  const report = await kernel.command('shadow report')
  const values = report.flatMap((one) => ('value' in one ? [one.value as Record<string, unknown>] : []))
  const changed = values.filter((one) => 'subject' in one) as {
    subject: string
    here: { what: string }
    shadow: { what: string }
  }[]
  assert.deepEqual(new Map(changed.map((one) => [one.subject, `${one.here.what} → ${one.shadow.what}`])), expected)
  assert.ok(expected.size > 100)
  const { compared, skipped, failed } = values.at(-1) as Record<string, number>
  assert.deepEqual([compared, skipped, failed], [MESSAGES, 0, 0])
})

test('a shadow that cannot start is a problem, and mail goes on', async (t) => {
  const kernel = await createTestKernel(t, { plugins: [shadow({ config: '/nowhere/next.config.ts' })] })
  const { reply } = await kernel.session().submit({ from: 'a@far.test', to: ['ann@here.test'] })
  assert.equal(reply.code, 250)
  const last = (await kernel.command('shadow report')).at(-1)
  assert.match(JSON.stringify(last), /1 failed in the shadow/)
})

test('an overlay reads what the store has, keeps its own changes, and leaves the store as it is', async () => {
  const base = memoryStore()
  const text = (value: string) => Buffer.from(value)
  await base.commit(['a', 'b', 'c', 'd'].map((name) => ({ put: key('k', name), value: text(`old ${name}`) })))
  const overlay = overlayStore(base, { maxChanges: 1000 })
  const seen = async (options: object = {}) => {
    const found: string[] = []
    for await (const [, value] of overlay.scan({ from: key('k'), to: key('k', 1), ...options }))
      found.push(Buffer.from(value).toString())
    return found
  }
  assert.equal(
    await overlay.commit([
      { put: key('k', 'b'), value: text('new b') },
      { del: key('k', 'c') },
      { put: key('k', 'e'), value: text('new e') },
    ]),
    true,
  )
  assert.deepEqual(await seen(), ['old a', 'new b', 'old d', 'new e'])
  assert.deepEqual(await seen({ reverse: true, limit: 2 }), ['new e', 'old d'])
  const check = (at: Key, is: 'absent' | 'present' | Buffer) =>
    overlay.commit([{ put: key('x'), value: text('x') }], [{ key: at, is }])
  assert.deepEqual(
    [
      await check(key('k', 'c'), 'absent'),
      await check(key('k', 'c'), 'present'),
      await check(key('k', 'b'), text('old b')),
      await check(key('k', 'a'), text('old a')),
    ],
    [true, false, false, true],
  )
  assert.deepEqual(
    [Buffer.from((await base.get(key('k', 'c'))) ?? '').toString(), await base.get(key('x'))],
    ['old c', undefined],
  )
  const staged = await base.blobs.stage(
    (async function* () {
      yield text('body')
    })(),
  )
  const { id, ops } = await staged.keep()
  await base.commit(ops)
  assert.equal(Buffer.concat(await Array.fromAsync(overlay.blobs.open(id))).toString(), 'body')
})
