/** The change feed of the directory, and numbers for POSIX systems, with several kernels on one store. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import * as z from 'zod'
import { definePlugin } from '../../core/index.ts'
import { Directory, type DirectoryApi, DirectoryChanged, isRefused } from '../../plugins/directory/store/api.ts'
import { createDirectoryKernel } from '../support/directory.ts'
import { eventually, STORES } from '../support/several-kernels.ts'

const account = (name: string, attributes: Record<string, string[]> = {}) =>
  ({ add: { kind: 'account', name, addresses: [`${name}@here.test`], attributes } }) as const
const posix = (name: string, more: Record<string, string[]> = {}) =>
  account(name, { objectclass: ['posixAccount'], homedirectory: [`/home/${name}`], ...more })

async function follow(directory: DirectoryApi, after: string, limit?: number) {
  const names: string[] = []
  let cursor = after
  for (;;) {
    const page = await directory.feed({ after: cursor, ...(limit === undefined ? {} : { limit }) })
    assert.equal(page.isTooLate, false)
    if (page.entries.length === 0) return { names, cursor }
    assert.ok(limit === undefined || page.entries.length <= limit)
    names.push(...page.entries.map(({ what, name }) => `${what} ${name}`))
    assert.ok(page.cursor > cursor)
    cursor = page.cursor
  }
}

for (const [name, make] of Object.entries(STORES)) {
  test(`${name}: every change of every kernel is in the feed once, in one order`, async (t) => {
    const { store } = await make(t)
    const kernels = [await createDirectoryKernel(t, { store }), await createDirectoryKernel(t, { store })] as const
    const start = (await kernels[0].directory.feed()).cursor
    await Promise.all(
      kernels.flatMap((kernel, at) =>
        Array.from({ length: 15 }, (_, number) => kernel.directory.change([account(`a${at}-${number}`)], 'test')),
      ),
    )
    const group = { kind: 'group', name: 'team', members: [{ address: 'x@far.test' }] } as const
    await kernels[1].directory.change([{ add: group }], 'test')
    const [one, other] = [await follow(kernels[0].directory, start), await follow(kernels[1].directory, start, 7)]
    assert.deepEqual(one, other)
    assert.deepEqual(one.names.slice(-2), ['add team', 'members team'], 'both records of one change')
    const accounts = one.names.slice(0, -2)
    assert.deepEqual([accounts.length, new Set(accounts).size], [30, 30])
    assert.deepEqual((await kernels[0].directory.feed({ after: one.cursor })).entries, [])
  })

  test(`${name}: no two kernels allocate the same number`, async (t) => {
    const { store } = await make(t)
    const kernels = [await createDirectoryKernel(t, { store }), await createDirectoryKernel(t, { store })] as const
    await Promise.all(
      kernels.flatMap((kernel, at) =>
        Array.from({ length: 10 }, (_, number) => kernel.directory.change([posix(`a${at}-${number}`)], 'test')),
      ),
    )
    const numbers: string[] = []
    for await (const { attributes } of kernels[0].directory.list('account'))
      numbers.push(...(attributes.uidnumber ?? []))
    assert.deepEqual(
      numbers.sort(),
      Array.from({ length: 20 }, (_, at) => String(100_000 + at)),
    )
  })
}

async function attributesOf(directory: DirectoryApi, name: string) {
  const { uidnumber, gidnumber } = (await directory.byName('account', name))?.attributes ?? {}
  return [uidnumber?.[0], gidnumber?.[0]]
}

test('numbers: written ones are kept, those in use are passed over, those of entries that are gone are not used again', async (t) => {
  const { directory, make } = await createDirectoryKernel(t, { directory: { posixNumbersFrom: 500 } })
  // A tree of another server, with a duplicate.
  await make(posix('root1', { uidnumber: ['500'], gidnumber: ['501'] }))
  await make(posix('root2', { uidnumber: ['500'], gidnumber: ['100'] }))
  assert.deepEqual(await attributesOf(directory, 'root2'), ['500', '100'])
  const { id } = await make(posix('ann'))
  assert.deepEqual(await attributesOf(directory, 'ann'), ['502', '502'], 'its own group')
  const group = await make({ add: { kind: 'group', name: 'team', attributes: { objectclass: ['posixGroup'] } } })
  assert.deepEqual('attributes' in group ? group.attributes.gidnumber : undefined, ['503'])
  await make({ remove: id })
  await make(posix('bob', { gidnumber: ['503'] }))
  assert.deepEqual(await attributesOf(directory, 'bob'), ['504', '503'], 'a group that is given')
  // An account that becomes one of POSIX.
  await make(account('cyd'))
  assert.deepEqual(await attributesOf(directory, 'cyd'), [undefined, undefined])
  const cyd = await directory.byName('account', 'cyd')
  await make({ set: cyd?.id ?? '', to: { attributes: { objectclass: ['posixAccount'] } } })
  assert.deepEqual(await attributesOf(directory, 'cyd'), ['505', '505'])
})

test('numbers end with a refusal, not with a search for ever', async (t) => {
  const { directory, make } = await createDirectoryKernel(t, { directory: { posixNumbersFrom: 2_147_483_647 } })
  await make(posix('last'))
  const [refused] = await directory.change([posix('beyond')], 'test')
  assert.ok(isRefused(refused) && /posixNumbersFrom/.test(refused.why))
})

test('a feed that was read too late says so, and a cursor that is none too', async (t) => {
  const here = await createDirectoryKernel(t, { directory: { history: '1 day' } })
  const start = (await here.directory.feed()).cursor
  await here.make(account('ann'))
  const { cursor } = await follow(here.directory, start)
  await here.make(account('bob'))
  await here.advance(2 * 86_400_000)
  assert.ok(await eventually(async () => (await here.directory.feed({ after: start })).isTooLate))
  await here.make(account('cyd'))
  assert.equal((await here.directory.feed({ after: cursor })).isTooLate, true, 'bob is no longer in it')
  const late = await here.directory.feed({ after: 'nonsense' })
  assert.equal(late.isTooLate, true)
  assert.deepEqual((await follow(here.directory, (await here.directory.feed()).cursor)).names, [])
})

test('every kernel on the store hears of a change', async (t: TestContext) => {
  const { store } = await (STORES.memory as (t: TestContext) => ReturnType<(typeof STORES)['memory']>)(t)
  let heard = 0
  const listener = definePlugin({
    name: 'listener',
    config: z.undefined(),
    needs: [Directory],
    setup(_, ctx) {
      ctx.signals.subscribe(DirectoryChanged, () => heard++)
      return {}
    },
  })
  await createDirectoryKernel(t, { store, plugins: [listener()] })
  const other = await createDirectoryKernel(t, { store })
  await other.make(account('ann'))
  assert.ok(await eventually(() => heard > 0))
})
