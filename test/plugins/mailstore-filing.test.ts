/** What several filters say of one message, composed, carried out, and explained in its trace. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as z from 'zod'
import { defer, definePlugin } from '../../core/index.ts'
import type { Filing, FilingAction } from '../../plugins/mailbox/store/api.ts'
import { allowed, createMailKernel } from '../support/mailstore.ts'

const filter = (name: string, actions: (filing: Filing) => readonly FilingAction[]) =>
  definePlugin({
    name,
    config: z.undefined(),
    setup: () => ({
      hooks: {
        'mailstore:filing': (filing: Filing) => ({ ...filing, actions: [...filing.actions, ...actions(filing)] }),
      },
    }),
  })()

const into = (name: string, more: object = {}): FilingAction => ({
  ...{ kind: 'fileinto', mailbox: { name, create: true }, reason: 'a rule', ...more },
})
const act = (kind: 'keep' | 'discard'): FilingAction => ({ kind, reason: 'a rule' })
const JUNK: FilingAction = {
  ...{ kind: 'default', mailbox: { specialUse: '\\Junk', name: 'Junk' }, flags: ['$Junk'], reason: 'score 9' },
}

/** Where two filters' actions file one message for ann: mailboxes with flags. */
async function filed(
  t: Parameters<typeof createMailKernel>[0],
  first: readonly FilingAction[],
  second: readonly FilingAction[],
): Promise<string> {
  const kernel = await createMailKernel(t, { plugins: [filter('one', () => first), filter('two', () => second)] })
  await kernel.submit({ from: 'me@far.test', to: ['ann@here.test'], content: 'Subject: x\r\n\r\nx\r\n' })
  await kernel.deliver()
  const found: string[] = []
  for (const { name, messages } of await kernel.mail.mailboxes('ann')) {
    if (messages === 0) continue
    const [entry] = await kernel.entries('ann', name)
    found.push([`${name}:${messages}`, ...(entry?.flags ?? [])].join(' '))
  }
  assert.equal(await kernel.queue.count(), 0)
  return found.join(', ')
}

test('actions of several filters are composed as Sieve says', async (t) => {
  const flag: FilingAction = { kind: 'flag', flags: ['\\Flagged'], reason: 'a rule' }
  const cases: readonly [readonly FilingAction[], readonly FilingAction[], string][] = [
    [[], [], 'INBOX:1'],
    [[JUNK], [], 'Junk:1 $Junk'],
    [[JUNK], [into('A')], 'A:1'],
    [[JUNK], [into('A'), act('keep')], 'A:1, Junk:1 $Junk'],
    [[into('A')], [into('B')], 'A:1, B:1'],
    [[into('A', { flags: ['a'] })], [into('A', { flags: ['b'] })], 'A:1 a b'],
    [[into('A', { copy: true })], [], 'A:1, INBOX:1'],
    [[act('discard')], [], ''],
    [[act('discard')], [into('A')], 'A:1'],
    [[act('discard')], [act('keep')], 'INBOX:1'],
    [[flag], [into('A'), act('keep')], 'A:1 \\Flagged, INBOX:1 \\Flagged'],
    // What cannot be done leaves the message in INBOX.
    [[into('A', { mailbox: { name: 'Nowhere' } })], [], 'INBOX:1'],
    [[into('A', { mailbox: { id: 'Mnone' } })], [into('B')], 'B:1, INBOX:1'],
    [[into('A', { mailbox: { name: 'bad\u0000name', create: true } })], [], 'INBOX:1'],
    [[into('A')], [{ kind: 'addHeader', name: 'X Bad', value: 'x', reason: 'a rule' }], 'A:1, INBOX:1'],
    [[into('A')], [{ kind: 'addHeader', name: 'X', value: 'a\r\nBcc: b', reason: 'a rule' }], 'A:1, INBOX:1'],
  ]
  for (const [first, second, expected] of cases)
    assert.equal(await filed(t, first, second), expected, JSON.stringify([first, second]))
})

test('added fields stand above the header, and the trace says why a message is where it is', async (t) => {
  const kernel = await createMailKernel(t, {
    plugins: [
      filter('one', () => [
        JUNK,
        { kind: 'addHeader', name: 'X-Why', value: 'score 9', reason: 'for people' },
        into('Nowhere', { mailbox: { name: 'Nowhere' }, copy: true }),
      ]),
    ],
  })
  const { id = '' } = await kernel.submit({ from: 'me@far.test', to: ['ann@here.test'], content: 'A: b\r\n\r\nx\r\n' })
  await kernel.deliver()
  const [entry] = await kernel.entries('ann', 'Junk')
  const content = await kernel.content(entry?.email ?? '')
  assert.match(content, /^Delivered-To: ann@here\.test\r\nX-Why: score 9\r\nReturn-Path: <me@far\.test>\r\n/)
  assert.equal(content.length, entry?.size)
  const trace = JSON.stringify(await kernel.queue.trace(id))
  for (const text of ['default: score 9', 'fileinto: a rule', 'no mailbox Nowhere: in INBOX'])
    assert.ok(trace.includes(`ann@here.test: ${text}`), trace)
})

test('a redirect sends the message on once, never in a circle, and a failed one keeps it', async (t) => {
  let isBusy = true
  const kernel = await createMailKernel(t, {
    plugins: [
      filter('one', ({ account }) =>
        account.name === 'ann'
          ? [{ kind: 'redirect', address: 'bob@here.test', reason: 'a rule' }]
          : [
              { kind: 'redirect', address: 'ann@here.test', reason: 'a rule' },
              ...(isBusy ? [{ kind: 'reject', refusal: defer(451, '4.3.0', 'Later'), reason: 'busy' } as const] : []),
            ],
      ),
    ],
  })
  await kernel.submit({ from: 'me@far.test', to: ['ann@here.test'], content: 'Subject: x\r\n\r\nx\r\n' })
  await kernel.deliver()
  // Bob's copy waits; ann's is gone.
  assert.equal(await kernel.queue.count(), 1)
  isBusy = false
  for (let round = 0; round < 5; round++) {
    await kernel.advance(3_600_000)
    await kernel.deliver()
  }
  assert.equal(await kernel.queue.count(), 0)
  const [ann, bob] = [await kernel.entries('ann'), await kernel.entries('bob')]
  assert.equal(ann.length + bob.length, 1)
  const content = await kernel.content((ann[0] ?? bob[0])?.email ?? '')
  assert.match(content, /Delivered-To: bob@here\.test/)
  assert.match(content, /Delivered-To: ann@here\.test/)

  const other = await createMailKernel(t, {
    plugins: [filter('one', () => [{ kind: 'redirect', address: 'nobody@here.test', reason: 'a rule' }])],
  })
  await other.submit({ from: 'me@far.test', to: ['ann@here.test'] })
  await other.deliver()
  assert.equal((await other.entries('ann')).length, 1)
})

test('an action names a mailbox by its id', async (t) => {
  let id = ''
  const kernel = await createMailKernel(t, {
    plugins: [filter('one', () => [into('', { mailbox: { id } })])],
  })
  ;({ id } = allowed(await kernel.mail.create('ann', 'Work')))
  allowed(await kernel.mail.rename(await kernel.mailbox('ann', 'Work'), 'Renamed'))
  await kernel.submit({ from: 'me@far.test', to: ['ann@here.test'] })
  await kernel.deliver()
  assert.equal((await kernel.entries('ann', 'Renamed')).length, 1)
})
