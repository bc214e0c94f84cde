/** Bounces, complaints and digests. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createListsKernel, fieldsOf, LIST, type ListsKernel } from '../support/lists.ts'

const DAY = 86_400_000

async function start(t: { after: (end: () => unknown) => void }, settings: Record<string, unknown> = {}) {
  const kernel = await createListsKernel(t as never)
  await kernel.iems('list add', {
    address: LIST,
    dmarc: 'none',
    welcome: '',
    owners: ['owner@o.test'],
    bounceScore: 2,
    ...settings,
  })
  for (const address of ['ann@a.test', 'bob@b.test']) await kernel.iems('list join', { list: LIST, address })
  return kernel
}

const reportOf = (status: string, action = 'failed', address = 'bob@b.test') =>
  `MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=r\r\n\r\n--r\r\n\r\nSorry\r\n--r\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.b.test\r\n\r\nFinal-Recipient: rfc822; ${address}\r\nAction: ${action}\r\nStatus: ${status}\r\n\r\n--r--\r\n`

async function bounce(kernel: ListsKernel, to: string, head: string, from = '') {
  const { reply } = await kernel
    .session()
    .submit({ from, to: [to], content: `From: MAILER-DAEMON@b.test\r\nSubject: failure\r\n${head}` })
  assert.equal(reply.code, 250)
  await kernel.deliver()
}

const stateOf = async (kernel: ListsKernel, address = 'bob@b.test') =>
  (await kernel.rows('list members', { list: LIST })).find((one) => one.address === address)?.bounce as
    | { score: number; state: string }
    | undefined

async function returnPath(kernel: ListsKernel): Promise<string> {
  const { sent } = await kernel.post({ from: 'ann@a.test' })
  return sent.find(({ to }) => to[0] === 'bob@b.test')?.from ?? ''
}

test('bounces add up once a day, a probe that comes back suspends, warnings follow, then removal; owners are informed', async (t) => {
  const kernel = await start(t)
  const path = await returnPath(kernel)
  await bounce(kernel, path, reportOf('5.1.1'))
  await bounce(kernel, path, reportOf('5.1.1'))
  assert.deepEqual([(await stateOf(kernel))?.score, (await stateOf(kernel))?.state], [1, 'counting'])
  await kernel.advance(2 * DAY)
  await bounce(kernel, path, reportOf('5.1.1'))
  assert.equal((await stateOf(kernel))?.state, 'probing')
  const probe = kernel.delivered.at(-1)
  assert.deepEqual(probe?.to, ['bob@b.test'])
  assert.match(probe?.from ?? '', /^dev-bounces\+[a-z2-7]{24}@lists\.test$/)
  await bounce(kernel, probe?.from ?? '', reportOf('5.1.1'))
  assert.equal((await stateOf(kernel))?.state, 'suspended')
  const { sent } = await kernel.post({ from: 'ann@a.test' })
  assert.deepEqual(
    sent.flatMap(({ to }) => to),
    ['ann@a.test'],
  )
  const before = kernel.delivered.length
  for (let day = 0; day < 35; day++) await kernel.advance(DAY)
  const letters = kernel.delivered.slice(before)
  assert.equal(letters.filter(({ to }) => to[0] === 'bob@b.test').length, 2)
  assert.equal(letters.filter(({ to }) => to[0] === 'owner@o.test').length, 1)
  assert.deepEqual(
    (await kernel.rows('list members', { list: LIST })).map(({ address }) => address),
    ['ann@a.test'],
  )
})

test('a suspended member who answers a warning gets posts again; a probe that does not come back clears the score', async (t) => {
  const kernel = await start(t, { bounceScore: 1 })
  await bounce(kernel, await returnPath(kernel), reportOf('5.1.1'))
  await bounce(kernel, kernel.delivered.at(-1)?.from ?? '', reportOf('5.1.1'))
  const warning = kernel.delivered.findLast(({ to }) => to[0] === 'bob@b.test')
  const [confirm = ''] =
    /dev-confirm\+[a-z2-7]{24}@lists\.test/.exec(fieldsOf(warning as { content: string }, 'From')[0] ?? '') ?? []
  await kernel.post({ from: 'bob@b.test', to: confirm })
  assert.equal(await stateOf(kernel), undefined)
  await kernel.advance(2 * DAY)
  await bounce(kernel, await returnPath(kernel), reportOf('5.2.1'))
  assert.equal((await stateOf(kernel))?.state, 'probing')
  await kernel.advance(6 * DAY)
  assert.equal(await stateOf(kernel), undefined)
})

const PLAIN = 'Content-Type: text/plain\r\n\r\n'
for (const [what, head, score, from = ''] of [
  ['a temporary failure', reportOf('4.2.2'), 0.5],
  ['a delay', reportOf('4.4.7', 'delayed'), undefined],
  ['a success', reportOf('2.0.0', 'relayed'), undefined],
  [
    'qmail',
    `${PLAIN}Hi. This is the qmail-send program at b.test.\r\nThis is a permanent error; I've given up.\r\n\r\n<bob@b.test>:\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n`,
    1,
  ],
  [
    'exim',
    `X-Failed-Recipients: bob@b.test\r\n${PLAIN}This is a permanent error. The following address failed:\r\n  bob@b.test\r\n    Unrouteable address\r\n`,
    1,
  ],
  ['a full mailbox in words', `${PLAIN}The mailbox is full, quota exceeded\r\n`, 0.5],
  ['a vacation notice', `Auto-Submitted: auto-replied\r\n${PLAIN}I am away; user unknown\r\n`, undefined],
  [
    'a warning',
    `${PLAIN}Warning: your message has not yet been delivered. You do not need to resend it.\r\n`,
    undefined,
  ],
  ['a person who writes there', `${PLAIN}Hello, nice list\r\n`, undefined, 'x@far.test'],
] as const)
  test(`a member's score after ${what}: ${score ?? 'none'}`, async (t) => {
    const kernel = await start(t)
    await bounce(kernel, await returnPath(kernel), head, from)
    assert.equal((await stateOf(kernel))?.score, score)
  })

test('without a return path of its own the report names the member; who is no member counts nothing', async (t) => {
  const kernel = await start(t, { verpEvery: 0 })
  await bounce(kernel, 'dev-bounces@lists.test', reportOf('5.1.1'))
  await bounce(kernel, 'dev-bounces@lists.test', reportOf('5.1.1', 'failed', 'x@far.test'))
  await bounce(kernel, 'dev-bounces+aaaaaaaaaaaaaaaa@lists.test', reportOf('5.1.1', 'failed', 'x@far.test'))
  assert.equal((await stateOf(kernel))?.score, 1)
})

test('a complaint removes the member at once (RFC 5965)', async (t) => {
  const kernel = await start(t)
  const head =
    'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=r\r\n\r\n--r\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\nUser-Agent: x\r\n\r\n--r--\r\n'
  await bounce(kernel, await returnPath(kernel), head, 'fbl@b.test')
  assert.deepEqual(
    (await kernel.rows('list members', { list: LIST })).map(({ address }) => address),
    ['ann@a.test'],
  )
  assert.ok(kernel.delivered.some(({ to }) => to[0] === 'owner@o.test'))
})

test('digests hold the posts of a day, as MIME and as plain text, each once; a large one comes earlier', async (t) => {
  const kernel = await start(t, { digestSize: '20 kB' })
  await kernel.iems('list member', { list: LIST, address: 'bob@b.test', delivery: 'mime' })
  await kernel.iems('list join', { list: LIST, address: 'cat@c.test', delivery: 'plain' })
  await kernel.post({ from: 'ann@a.test', subject: 'First', body: 'Grüße'.normalize() })
  const { sent } = await kernel.post({ from: 'ann@a.test', subject: 'Second' })
  assert.deepEqual(
    sent.flatMap(({ to }) => to),
    ['ann@a.test'],
  )
  await kernel.advance(12 * 3_600_000)
  const before = kernel.delivered.length
  await kernel.advance(14 * 3_600_000)
  const digests = kernel.delivered.slice(before)
  assert.deepEqual(
    digests.map(({ to }) => to[0]),
    ['bob@b.test', 'cat@c.test'],
  )
  assert.match(digests[0]?.content ?? '', /multipart\/digest[\s\S]*Subject: First[\s\S]*Subject: Second/)
  const plain = Buffer.from((digests[1]?.content ?? '').split('\r\n\r\n').slice(1).join('\n'), 'base64').toString()
  assert.match(plain || (digests[1]?.content ?? ''), /First/)
  for (let day = 0; day < 3; day++) await kernel.advance(DAY)
  assert.equal(kernel.delivered.length, before + 2)
  await kernel.post({ from: 'ann@a.test', body: 'x'.repeat(25_000) })
  await kernel.advance(2 * 3_600_000)
  assert.equal(kernel.delivered.slice(before + 2).filter(({ to }) => to[0] === 'bob@b.test').length, 1)
})

test('an import reports each line that is wrong and does the others; Mailman’s JSON and CSV are understood', async (t) => {
  const kernel = await start(t)
  const lines = ['# comment', 'x@x.test', 'not an address', '"Zoe Z" <zoe@z.test>', 'ann@a.test'].join('\n')
  const output = await kernel.iems('list import', { list: LIST }, lines)
  assert.deepEqual(
    output.flatMap((one) => ('value' in one ? [one.value] : [])),
    [
      { line: 3, fault: 'not an address' },
      { line: 5, fault: 'a member already' },
      { done: 2, faults: 2 },
    ],
  )
  await kernel.iems(
    'list import',
    { list: LIST },
    'email,display_name,delivery_mode\nc@c.test,"C, Sir",plaintext_digests\n',
  )
  const json = {
    entries: [
      { email: 'd@d.test', display_name: 'D', delivery_mode: 'mime_digests', delivery_status: 'enabled' },
      { email: 'e@e.test', delivery_status: 'by_user' },
    ],
  }
  await kernel.iems('list import', { list: LIST }, JSON.stringify(json, undefined, 1))
  const found = new Map((await kernel.rows('list members', { list: LIST })).map((one) => [one.address, one]))
  assert.deepEqual([found.get('c@c.test')?.delivery, found.get('c@c.test')?.name], ['plain', 'C, Sir'])
  assert.deepEqual([found.get('d@d.test')?.delivery, found.get('e@e.test')?.delivery], ['mime', 'none'])
  const removed = await kernel.iems('list import', { list: LIST, action: 'remove' }, 'x@x.test\nnobody@n.test')
  assert.deepEqual(removed.at(-1), { text: '1 member done, 1 fault', value: { done: 1, faults: 1 } })
})
