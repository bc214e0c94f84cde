/** Several kernels on one store, each with a full-text index of its own: every index comes to know every email. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import {
  dueKey,
  expire,
  indexPart,
  laneOf,
  register,
  setScheduled,
} from '../../plugins/mailbox/store/search/registry.ts'
import { allowed, contentOf, createMailKernel, type MailKernel } from '../support/mailstore.ts'
import { type SharedStore, STORES, seeded } from '../support/several-kernels.ts'

const DAY = 86_400_000
const PATIENCE_MS = 30_000

const textOf = (number: number) => `From: <me@far.test>\r\nSubject: letter ${number}\r\n\r\nWord${number} in all.\r\n`

async function append(kernel: MailKernel, number: number): Promise<void> {
  allowed(await kernel.mail.append(await kernel.mailbox('ann'), [{ content: contentOf(textOf(number)) }]))
}

/** What the kernel's index says of itself. */
async function statusOf({ kernel }: MailKernel) {
  const call = { arguments: [], options: {}, input: (async function* () {})(), signal: new AbortController().signal }
  const [said] = await Array.fromAsync(kernel.commands.get('mailbox index')?.run(call) ?? [])
  assert.ok(said && 'value' in said)
  return said.value as { documents: number; waiting: number; isWhole: boolean }
}

/** Moves time on until the index of each kernel knows so many emails and waits for none. */
async function indexed({ clock }: SharedStore, kernels: readonly MailKernel[], documents: number): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; ; ) {
    const states = await Promise.all(kernels.map(statusOf))
    if (states.every((one) => one.isWhole && one.waiting === 0 && one.documents === documents)) return
    assert.ok(Date.now() < end, `not indexed: ${JSON.stringify(states)}`)
    await clock.advance(500)
    // The worker lives by real time.
    await pause(5)
  }
}

async function found(kernel: MailKernel, text: string): Promise<number> {
  const emails = (await kernel.entries('ann')).map(({ email }) => email)
  const query = { account: 'ann', emails, fields: ['body'], text, how: 'words' } as const
  return (await Array.fromAsync(kernel.mail.search(query))).length
}

const twoKernels = async (t: TestContext, shared: SharedStore) => [
  await createMailKernel(t, shared),
  await createMailKernel(t, shared),
]

for (const [name, makeStore] of Object.entries(STORES)) {
  test(`${name}: each kernel's index finds all that any of them was given`, async (t) => {
    const shared = await makeStore(t)
    const [a, b] = (await twoKernels(t, shared)) as [MailKernel, MailKernel]
    for (let number = 0; number < 8; number++) await append(a, number)
    await indexed(shared, [a, b], 8)
    assert.deepEqual([await found(a, 'all'), await found(b, 'all')], [8, 8])
    // One that comes later begins with everything there is.
    const c = await createMailKernel(t, shared)
    await append(b, 8)
    await indexed(shared, [a, b, c], 9)
    assert.equal(await found(c, 'word8'), 1)
    allowed(await a.mail.expunge(await a.mailbox('ann'), [[1, 1]]))
    assert.deepEqual([await found(b, 'all'), await found(c, 'word0')], [8, 0])
  })
}

test('random changes by two kernels while a third comes: every index knows what the mailboxes hold', async (t) => {
  for (const seed of [1, 2]) {
    const shared = await (STORES.memory as NonNullable<typeof STORES.memory>)(t)
    const random = seeded(seed)
    const kernels = await twoKernels(t, shared)
    const late = random(20)
    for (let number = 0; number < 20; number++) {
      if (number === late) kernels.push(await createMailKernel(t, shared))
      await append(kernels[random(kernels.length)] as MailKernel, number)
      if (random(4) === 0) await shared.clock.advance(random(2000))
    }
    await indexed(shared, kernels, 20)
    for (const kernel of kernels)
      for (const word of ['all', 'word7', 'word19'])
        assert.equal(await found(kernel, word), word === 'all' ? 20 : 1, `${word}, seed ${seed}`)
  }
})

test('a commit that did not know of an index fails, and one that is not renewed for 30 days is forgotten', async (t) => {
  const shared = await (STORES.memory as NonNullable<typeof STORES.memory>)(t)
  const { store, clock } = shared
  const unaware = await indexPart(store, ['e'])
  assert.equal(await register(store, 'gone'), false)
  assert.equal(await store.commit(unaware.ops, unaware.checks), false)
  const aware = await indexPart(store, ['e'])
  assert.ok(await store.commit(aware.ops, aware.checks))
  assert.notEqual(await store.dueAt(laneOf('gone'), dueKey('e')), undefined)
  assert.ok(await setScheduled(store, 'gone'))
  assert.equal(await register(store, 'gone'), true)
  await clock.advance(31 * DAY)
  await register(store, 'here')
  await expire(store)
  assert.deepEqual(await Array.fromAsync(store.due(laneOf('gone'), 9)), [])
  assert.equal(await setScheduled(store, 'gone'), false)
  assert.equal(await register(store, 'gone'), false)
})
