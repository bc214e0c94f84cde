/** Sending to many members: exact after a crash wherever it falls; DMARC; nested lists. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryStore } from '../../core/store/memory.ts'
import { type Delivered, testClock } from '../../core/testing/index.ts'
import { serveZone } from '../support/dns-zone.ts'
import { faultyStore } from '../support/faulty-store.ts'
import { bodyOf, createListsKernel, fieldsOf, LIST, type ListsKernel } from '../support/lists.ts'

const addressOf = (number: number) => `m${String(number).padStart(5, '0')}@d${number % 20}.test`

async function fill(kernel: ListsKernel, count: number, settings: Record<string, unknown> = {}): Promise<void> {
  await kernel.iems('list add', { address: LIST, dmarc: 'none', welcome: '', post: 'anyone', ...settings })
  const lines = Array.from({ length: count }, (_, number) => addressOf(number)).join('\n')
  const output = await kernel.iems('list import', { list: LIST }, lines)
  const last = output.at(-1)
  assert.deepEqual(last && 'value' in last && last.value, { done: count, faults: 0 })
}

/** The messages in which each member got the post. */
function messagesOf(delivered: readonly Delivered[]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const { to, message } of delivered)
    for (const address of to) found.set(address, (found.get(address) ?? new Set()).add(message))
  return found
}

test('a crash at any operation of sending leaves every member with the post in exactly one message', async (t) => {
  const MEMBERS = 5
  let crashes = 0
  for (const fault of ['stop before', 'stop after'] as const)
    for (let nth = 1; ; nth += 19) {
      const clock = testClock()
      const below = memoryStore({ now: clock.now })
      const options = { clock, lists: { batch: 2 }, expectsFaults: true }
      const made = await createListsKernel(t, { ...options, store: below })
      await fill(made, MEMBERS, { verpEvery: nth % 2 })
      // Accepted before the crash: the promise begins with 250.
      const content = 'From: x@far.test\r\nTo: dev@lists.test\r\nSubject: s\r\n\r\nx\r\n'
      await made.session().submit({ from: 'x@far.test', to: [LIST], content })
      await made.close()
      const broken = faultyStore(below, nth, fault)
      const first = await createListsKernel(t, { ...options, store: broken }).catch(() => undefined)
      // The crash fell into the start of the server.
      if (!first) continue
      await first.deliver().catch(() => {})
      await first.close(AbortSignal.abort())
      if (!broken.hit.reached) break
      crashes++
      const second = await createListsKernel(t, { ...options, store: below })
      for (let turn = 0; turn < 3; turn++) await second.advance(900_000)
      const found = messagesOf([...first.delivered, ...second.delivered])
      assert.equal(found.size, MEMBERS, `${fault} ${nth}`)
      for (const [address, messages] of found) assert.equal(messages.size, 1, `${address} after ${fault} ${nth}`)
      await second.close()
    }
  assert.ok(crashes >= 8, `${crashes} crashes`)
})

test('10,000 members, the server stops in the middle: each gets the post in one message, and one body is stored', async (t) => {
  const MEMBERS = 10_000
  const clock = testClock()
  const below = memoryStore({ now: clock.now })
  const made = await createListsKernel(t, { clock, store: below })
  await fill(made, MEMBERS, { verpEvery: 0 })
  await made
    .session()
    .submit({ from: 'x@far.test', to: [LIST], content: 'From: x@far.test\r\nTo: dev@lists.test\r\n\r\nx\r\n' })
  await made.close()
  const broken = faultyStore(below, 1500, 'stop after')
  const first = await createListsKernel(t, { clock, store: broken, expectsFaults: true })
  await first.deliver().catch(() => {})
  await first.close(AbortSignal.abort())
  assert.ok(broken.hit.reached)
  const before = messagesOf(first.delivered).size
  assert.ok(before > 0 && before < MEMBERS, `${before} before the crash`)
  const second = await createListsKernel(t, { clock, store: below, expectsFaults: true })
  for (let turn = 0; turn < 2; turn++) await second.advance(900_000)
  const found = messagesOf([...first.delivered, ...second.delivered])
  assert.equal(found.size, MEMBERS)
  assert.equal([...found.values()].filter(({ size }) => size !== 1).length, 0)
})

test('From is rewritten only for authors whose domain is strict and when their signature would not survive', async (t) => {
  const { dns, zone } = await serveZone(t, {
    'TXT _dmarc.strict.test': [['v=DMARC1; p=reject']],
    'TXT _dmarc.sub.test': [['v=DMARC1; p=none; sp=quarantine']],
    'TXT _dmarc.open.test': [['v=DMARC1; p=none']],
  })
  const kernel = await createListsKernel(t, { dns })
  await fill(kernel, 1, { dmarc: 'rewrite', footer: 'x' })
  const fromOf = async (from: string) => {
    const { sent } = await kernel.post({ from })
    const [one] = sent
    return one && [...fieldsOf(one, 'From'), ...fieldsOf(one, 'Reply-To')]
  }
  assert.deepEqual(await fromOf('Ann <ann@strict.test>'), ['"Ann via dev" <dev@lists.test>', '"Ann" <ann@strict.test>'])
  assert.deepEqual(await fromOf('ann@a.sub.test'), ['"ann via dev" <dev@lists.test>', 'ann@a.sub.test'])
  assert.deepEqual(await fromOf('ann@sub.test'), ['ann@sub.test'])
  assert.deepEqual(await fromOf('ann@open.test'), ['ann@open.test'])
  assert.deepEqual(await fromOf('ann@without.test'), ['ann@without.test'])
  await kernel.iems('list set', { list: LIST, dmarc: 'wrap' })
  const { sent } = await kernel.post({ from: 'Ann <ann@strict.test>', subject: 'Wrapped' })
  assert.deepEqual(fieldsOf(sent[0] as Delivered, 'Content-Type'), ['message/rfc822'])
  assert.match(bodyOf(sent[0] as Delivered), /\r\nFrom: Ann <ann@strict\.test>\r\nTo: dev@lists\.test\r\n/)
  // A policy that cannot be asked is neither yes nor no: the post waits.
  zone['TXT _dmarc.lame.test'] = 'SERVFAIL'
  assert.equal(await fromOf('ann@lame.test'), undefined)
  zone['TXT _dmarc.lame.test'] = [['v=DMARC1; p=none']]
  await kernel.advance(3_600_000)
  assert.equal(kernel.delivered.at(-1)?.content.includes('From: ann@lame.test'), true)
})

test('a list may be a member of a list, and two that are members of each other do not loop', async (t) => {
  const kernel = await createListsKernel(t)
  await fill(kernel, 1)
  await kernel.iems('list add', { address: 'sub@lists.test', dmarc: 'none', welcome: '' })
  await kernel.iems('list join', { list: LIST, address: 'sub@lists.test' })
  await kernel.iems('list join', { list: 'sub@lists.test', address: LIST })
  await kernel.iems('list join', { list: 'sub@lists.test', address: 'zoe@z.test' })
  const { sent } = await kernel.post({ from: 'x@far.test' })
  assert.deepEqual(sent.flatMap(({ to }) => to).sort(), ['m00000@d0.test', 'zoe@z.test'])
})

test('a member whose address this server cannot send to counts as a bounce, and the others get the post', async (t) => {
  const kernel = await createListsKernel(t)
  await fill(kernel, 2)
  await kernel.iems('list join', { list: LIST, address: 'dev-approved+x@lists.test' })
  const { sent } = await kernel.post({ from: 'x@far.test' })
  assert.equal(sent.length, 2)
})
