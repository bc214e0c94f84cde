/** What an address comes to: never to nobody, whatever plugins answer; and the postmaster can always be reached. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as z from 'zod'
import { definePlugin, type Recipient, refuse, type Taps } from '../../core/index.ts'
import { secret } from '../../core/runtime/secret.ts'
import { clientChannel, createTestKernel } from '../../core/testing/index.ts'
import { accounts } from '../../plugins/directory/static/index.ts'
import { senderAuth } from '../../plugins/filter/sender-auth/index.ts'
import { srs } from '../../plugins/filter/srs/index.ts'
import { mailstore } from '../../plugins/mailbox/store/index.ts'
import { createDirectoryKernel } from '../support/directory.ts'
import { fc } from '../support/property.ts'

const tapping = (hooks: Taps) => definePlugin({ name: 'probe', config: z.undefined(), setup: () => ({ hooks }) })()
const STRANGER = { protocol: 'ESMTP', remote: { address: '192.0.2.1' } } as const
const GOOD = 'good@x.example'

/** Nodes of a graph of aliases: each names some of the others, or says nothing and is a mailbox. */
const graph = fc.array(fc.option(fc.array(fc.nat(7), { maxLength: 3 }), { nil: undefined, freq: 3 }), {
  minLength: 8,
  maxLength: 8,
})

test('any graph of aliases: what is answered 250 has a recipient, alone and beside another', async (t) => {
  let targets: readonly (readonly number[] | undefined)[] = []
  const each = (to: Recipient, list: readonly number[]) => list.map((n) => ({ ...to, address: `n${n}@x.example` }))
  const kernel = await createTestKernel(t, {
    plugins: [
      tapping({
        expand: ({ to }) => {
          const list = targets[Number(/^n(\d)@/.exec(to.address)?.[1])]
          return list && each(to, list)
        },
      }),
    ],
  })
  await fc.assert(
    fc.asyncProperty(graph, async (drawn) => {
      targets = drawn
      for (let n = 0; n < drawn.length; n++) {
        const address = `n${n}@x.example`
        for (const to of [[address], [GOOD, address]]) {
          const { reply, refused, id } = await kernel.submit({ from: 'a@far.example', to })
          const got = (id === undefined ? undefined : await kernel.queue.trace(id))?.recipients ?? []
          if (refused.some((one) => one.address === address)) {
            for (const one of refused) assert.match(one.reply.enhanced, /^5\.(?:4\.6|1\.1)$/)
            assert.ok(!got.some(({ original }) => original === address))
          } else {
            assert.equal(reply.code, 250)
            assert.ok(
              got.some(({ original }) => original === address),
              `${to} with ${JSON.stringify(drawn)}`,
            )
          }
        }
      }
    }),
    { numRuns: 60 },
  )
})

for (const [what, members, enhanced] of [
  ['two addresses that name each other', { a: ['b'], b: ['a'] }, '5.4.6'],
  ['three in a circle', { a: ['b'], b: ['c'], c: ['A'] }, '5.4.6'],
  ['an empty list', { a: [] }, '5.1.1'],
  ['an alias of an empty list', { a: ['b'], b: [] }, '5.1.1'],
] as const)
  test(`${what}: refused for a plugin too, 550 ${enhanced}`, async (t) => {
    const named = (local: string) => (members as Record<string, readonly string[]>)[local.toLowerCase()]
    const alias = tapping({
      expand: ({ to }) =>
        named(to.address.split('@')[0] ?? '')?.map((local) => ({ ...to, address: `${local}@x.example` })),
    })
    const kernel = await createTestKernel(t, { plugins: [alias] })
    const { reply, refused } = await kernel.submit({ from: 'a@far.example', to: [GOOD, 'a@x.example'] })
    assert.equal(reply.code, 250)
    assert.deepEqual(
      refused.map((one) => `${one.reply.code} ${one.reply.enhanced}`),
      [`550 ${enhanced}`],
    )
  })

test('one target that is refused for ever does not keep mail from the others; "later" does', async (t) => {
  const alias = tapping({
    expand: ({ to }) => {
      if (to.address.startsWith('all')) return ['gone', 'b'].map((local) => ({ ...to, address: `${local}@x.example` }))
      return to.address.startsWith('gone') ? refuse(550, '5.7.1', 'No longer valid') : undefined
    },
  })
  const kernel = await createTestKernel(t, { plugins: [alias] })
  const { queued } = await kernel.submit({ from: 'a@far.example', to: ['all@x.example'] })
  assert.deepEqual(
    queued.flatMap(({ recipients }) => recipients.map(({ address }) => address)),
    ['b@x.example'],
  )
})

test('a message without recipients is refused for good', async (t) => {
  const kernel = await createTestKernel(t)
  assert.equal((await kernel.submit({ from: 'a@far.example', to: [] })).reply.code, 554)
})

// --- the directory -------------------------------------------------------------------------

test('dangling directory entries are refused at RCPT, alone and beside valid recipients', async (t) => {
  const here = await createDirectoryKernel(t, {})
  const add = (entry: Parameters<typeof here.make>[0] extends infer C ? Extract<C, { add: unknown }>['add'] : never) =>
    here.make({ add: entry })
  await add({ kind: 'domain', name: 'here.test' })
  for (const name of ['ann', 'off']) await add({ kind: 'account', name, addresses: [`${name}@here.test`] })
  const off = await here.directory.byName('account', 'off')
  await here.make({ set: off?.id ?? '', to: { status: 'disabled' } })
  const loops = ['f1', 'f2'] as const
  for (const [index, name] of loops.entries())
    await add({
      kind: 'account',
      name,
      addresses: [`${name}@here.test`],
      forward: { to: [`${loops[1 - index]}@here.test`], keep: false },
    })
  await add({ kind: 'domain', name: 'one.test', aliasOf: 'two.test' })
  await add({ kind: 'domain', name: 'two.test', aliasOf: 'one.test' })
  await add({ kind: 'domain', name: 'old.test', aliasOf: 'here.test' })
  await add({ kind: 'domain', name: 'catch.test', catchAll: 'missing@here.test' })
  for (const [match, ...targets] of [
    ['a1@here.test', 'a2@here.test'],
    ['a2@here.test', 'A1@HERE.test'],
    ['self@here.test', '"self"@here.test'],
    ['lost@here.test', 'missing@here.test', 'missing2@here.test'],
    ['tooff@here.test', 'off@here.test'],
    ['toempty@here.test', 'empty@here.test'],
  ])
    await add({ kind: 'alias', match: match ?? '', targets })
  await add({ kind: 'group', name: 'empty', addresses: ['empty@here.test'] })
  await add({ kind: 'group', name: 'offs', addresses: ['offs@here.test'], members: [{ id: off?.id ?? '' }] })
  await add({
    kind: 'group',
    name: 'selves',
    addresses: ['selves@here.test'],
    members: [{ address: 'selves@here.test' }],
  })
  for (const [address, enhanced] of [
    ['a1@here.test', '5.4.6'],
    ['self@here.test', '5.4.6'],
    ['f1@here.test', '5.4.6'],
    ['x@one.test', '5.4.6'],
    ['selves@here.test', '5.4.6'],
    ['lost@here.test', '5.1.1'],
    ['x@catch.test', '5.1.1'],
    ['x@old.test', '5.1.1'],
    ['empty@here.test', '5.1.1'],
    ['toempty@here.test', '5.1.1'],
    ['offs@here.test', '5.2.1'],
    ['off@here.test', '5.2.1'],
    ['tooff@here.test', '5.2.1'],
  ] as const) {
    const { refused } = await here.submit({ from: 'x@far.test', to: ['ann@here.test', address], body: address })
    assert.deepEqual(
      refused.map((one) => `${one.address} ${one.reply.code} ${one.reply.enhanced}`),
      [`${address} 550 ${enhanced}`],
    )
    const told = await here.iems(`route x@far.test ${address}`)
    assert.match(told.lines.join('\n'), new RegExp(`refused: 550 ${enhanced.replaceAll('.', '\\.')}`))
  }
  await here.deliver()
  assert.equal((await here.inbox('ann')).length, 13)
  const wrong = (await Array.fromAsync(here.kernel.check())).map((line) => line.replace(/ leads nowhere.*/, '')).sort()
  assert.deepEqual(wrong, [
    'account f1',
    'account f2',
    'alias a1@here.test',
    'alias a2@here.test',
    'alias lost@here.test',
    'alias self@here.test',
    'alias toempty@here.test',
    'alias tooff@here.test',
    'domain catch.test',
    'domain one.test',
    'domain two.test',
    'group empty',
    'group offs',
    'group selves',
  ])
})

// --- postmaster ------------------------------------------------------------------------------

test('postmaster and abuse of everything that is served here lead to the configured mailbox', async (t) => {
  const options = {
    hostname: 'mx.here.test',
    reports: { postmaster: 'admin@here.test' },
    channels: { mx: clientChannel(), local: mailstore({}, { accepts: 'anyone' as const }) },
    plugins: [
      srs({ domain: 'srs.here.test', secrets: [secret.value('0123456789abcdef')] }),
      accounts({
        domains: ['here.test', 'second.test'],
        accounts: [
          { name: 'admin', addresses: ['admin@here.test'] },
          { name: 'own', addresses: ['abuse@second.test'] },
        ],
      }),
    ],
  }
  const kernel = await createTestKernel(t, options)
  const landsAt = async (address: string) => {
    const session = kernel.session({ ...STRANGER, channel: 'mx' })
    assert.equal(await session.mail('x@far.test', {}), undefined)
    const refusal = await session.rcpt({ address })
    const { routed = [] } = session.outlook() ?? {}
    session.close()
    return refusal ? refusal.reply.enhanced : routed.map(({ recipient }) => recipient.address).join()
  }
  for (const address of [
    'Postmaster',
    'POSTMASTER',
    'postmaster@mx.here.test',
    'Abuse@MX.here.test',
    'postmaster@here.test',
    'PostMaster@second.test',
    'abuse@here.test',
    'postmaster@srs.here.test',
    'abuse@srs.here.test',
  ])
    assert.equal(await landsAt(address), 'admin@here.test', address)
  assert.equal(await landsAt('abuse@second.test'), 'abuse@second.test')
  assert.equal(await landsAt('postmaster@far.test'), '5.1.2')
  assert.equal(await landsAt('hostmaster@here.test'), '5.1.1')
  assert.deepEqual(kernel.kernel.warnings, [])
  assert.deepEqual(await Array.fromAsync(kernel.kernel.check()), [])
})

test('iems check reports a postmaster that is missing or gets no mail', async (t) => {
  const kernelWith = (reports: { postmaster?: string }) =>
    createTestKernel(t, {
      reports,
      channels: { local: mailstore({}, { accepts: 'anyone' }) },
      plugins: [accounts({ domains: ['here.test'] }), senderAuth({ reports: { receiveAt: ['dmarc@here.test'] } })],
    })
  const without = await kernelWith({})
  assert.match(without.kernel.warnings.join(), /reports.postmaster is not set/)
  const wrong = await kernelWith({ postmaster: 'gone@here.test' })
  assert.deepEqual(await Array.fromAsync(wrong.kernel.check()), [
    'reports.postmaster gone@here.test gets no mail: 550 5.1.1 No such mailbox here',
    'reports.receiveAt dmarc@here.test gets no mail: 550 5.1.1 No such mailbox here',
  ])
})

test('a default route to other servers takes no mail for the postmaster of this one, and nothing for that of others', async (t) => {
  const relay = definePlugin({
    name: 'relay',
    config: z.undefined(),
    setup: (_, { name }) => ({
      hooks: {
        route: ({ to }) => ({ channel: to.address.startsWith('admin') ? 'in' : name, nexthop: 'x' }),
      },
      deliver: async () => [],
    }),
  })
  const kernel = await createTestKernel(t, {
    hostname: 'mx.test',
    reports: { postmaster: 'admin@elsewhere.test' },
    channels: { mx: clientChannel(), relay: relay(), in: relay() },
  })
  const session = kernel.session({ ...STRANGER, channel: 'mx' })
  await session.mail('x@far.test', {})
  assert.equal(await session.rcpt({ address: 'postmaster' }), undefined)
  assert.equal(await session.rcpt({ address: 'postmaster@mx.test' }), undefined)
  assert.equal((await session.rcpt({ address: 'postmaster@far.test' }))?.reply.enhanced, '5.7.1')
  session.close()
})
