/** What the directory keeps in memory: no answer of LDAP is older than the last change of any kernel, and it is bounded. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Key, key } from '../../core/index.ts'
import { BerReader } from '../../plugins/directory/ldap/server/protocol/ber.ts'
import { createKept } from '../../plugins/directory/store/record-cache.ts'
import { createDirectoryKernel } from '../support/directory.ts'
import { createLdapKernel, PASSWORD, SUFFIX } from '../support/ldap.ts'
import { bind, equality, present, search, talkLdap } from '../support/ldap-talk.ts'
import { STORES } from '../support/several-kernels.ts'

const dnOf = (content: Buffer) => new BerReader(content).text()

for (const [name, make] of Object.entries(STORES)) {
  test(`${name}: LDAP sees each change of another kernel with the next search`, async (t) => {
    const { store } = await make(t)
    const here = await createLdapKernel(t, {}, { store })
    const other = await createDirectoryKernel(t, { store })
    const client = await talkLdap(t, here.port)
    let id = 0
    const ask = async (...request: readonly [filter: Buffer, attributes?: readonly string[]]) => {
      // Twice: the second answer comes from memory.
      const answers = []
      for (let round = 0; round < 2; round++) {
        client.send(search(++id, SUFFIX, ...request))
        const all = await client.until(id)
        answers.push({ result: all.at(-1)?.result, entries: all.slice(0, -1).map(({ content }) => content) })
      }
      assert.deepEqual(answers[0], answers[1])
      return answers[0] as (typeof answers)[0]
    }
    const found = async (...request: Parameters<typeof ask>) => {
      const { entries } = await ask(...request)
      return entries.map((entry) => dnOf(entry).replace(`,${SUFFIX}`, '')).sort()
    }
    client.send(bind(++id, `uid=bob,${SUFFIX}`, PASSWORD))
    await client.until(id)

    const byMail = equality('mail', 'dan@example.org')
    const byNew = equality('mail', 'drake@example.org')
    const people = equality('objectClass', 'person')
    assert.deepEqual(await found(people), ['uid=ann', 'uid=bob'])
    assert.deepEqual([...(await found(byMail)), ...(await found(byNew))], [])
    assert.deepEqual(await found(people, ['cn mail']), ['uid=ann', 'uid=bob'])
    const named = (await ask(people, ['cn', 'mail'])).entries
    assert.ok(
      named.every((entry) => entry.includes('@example.org')),
      'not as for another list with the same letters',
    )

    const unit = await other.make({ add: { kind: 'unit', path: 'sales' } })
    const dan = await other.make({
      add: { kind: 'account', name: 'dan', unit: 'sales', addresses: ['dan@example.org'], displayName: 'Dan Drake' },
    })
    const team = await other.make({
      add: { kind: 'group', name: 'team', addresses: ['team@example.org'], members: [{ id: dan.id }] },
    })
    assert.deepEqual(await found(byMail, ['cn', 'mail']), ['uid=dan,ou=sales'], 'an added account')
    assert.deepEqual(await found(people), ['uid=ann', 'uid=bob', 'uid=dan,ou=sales'])

    await other.make({ set: dan.id, to: { displayName: 'Dan Drayke' } })
    const [shown] = (await ask(byMail, ['cn'])).entries
    assert.ok(shown?.includes('Dan Drayke'), 'a changed value')

    await other.make({ set: unit.id, to: { path: 'Trade' } })
    assert.deepEqual(await found(byMail, ['cn']), ['uid=dan,ou=Trade'], 'another name of the unit above')

    await other.make({ set: dan.id, to: { addresses: ['drake@example.org'] } })
    assert.deepEqual(await found(byMail), [])
    assert.deepEqual(await found(byNew), ['uid=dan,ou=Trade'])

    const mine = equality('member', `uid=dan,ou=Trade,${SUFFIX}`)
    assert.deepEqual(await found(equality('memberOf', `cn=team,${SUFFIX}`)), [], 'not for the address book')
    await other.make({ set: team.id, members: { remove: [{ id: dan.id }] } })
    assert.deepEqual(await found(mine), [])

    // Rights.
    await other.make({ set: team.id, to: { addresses: [] } })
    assert.deepEqual(await found(equality('cn', 'team')), [], 'a group that has become one of rights only')
    await other.make({ set: dan.id, to: { status: 'disabled' } })
    assert.deepEqual(await found(people), ['uid=ann', 'uid=bob'], 'a disabled account')
    await other.make({ set: dan.id, to: { status: 'active' } })
    assert.deepEqual(await found(people), ['uid=ann', 'uid=bob', 'uid=dan,ou=Trade'])
    await other.make({ remove: dan.id })
    assert.deepEqual(await found(people), ['uid=ann', 'uid=bob'], 'a removed account')
    assert.deepEqual(await found(present('mail')), ['uid=ann', 'uid=bob'])

    const bob = await other.directory.byName('account', 'bob')
    await other.make({ set: bob?.id ?? '', to: { status: 'suspended' } })
    client.send(search(++id, SUFFIX, people))
    const last = await client.next()
    assert.notEqual(last?.operation, 0x64, 'no entry for one who may not log in any more')
  })
}

// --- the cache alone: counted reads of a store ------------------------------------------------------------

function createCounted() {
  const revision = { value: 1 }
  const counts = { scans: 0, gets: 0 }
  const store = {
    async get() {
      counts.gets++
      return Buffer.from(JSON.stringify({ revision: revision.value }))
    },
    async *scan({ from }: { readonly from: Key }) {
      counts.scans++
      const size = Number(Buffer.from(from).toString())
      for (let number = 0; number < size; number++) yield [key(number), Buffer.from('1')] as const
    },
  }
  const kept = createKept(store, { records: 10, ids: 40, range: 10 })
  const size = async (range: number, of: string) => {
    const limits = { from: Buffer.from(`${range}`), to: Buffer.from(of) }
    const ids = (await kept.ids(limits)) ?? (await Array.fromAsync(kept.read(limits, () => of)))
    assert.equal(ids.length, range)
  }
  return { kept, revision, counts, size }
}
/** The revision is read once for each turn of the event loop. */
const nextTurn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)))

test('ranges are read once for each revision of the directory', async () => {
  const { revision, counts, size } = createCounted()
  for (let round = 0; round < 3; round++) await size(5, 'a')
  await size(0, 'none')
  await size(0, 'none')
  assert.equal(counts.scans, 2)
  revision.value++
  await nextTurn()
  await size(5, 'a')
  assert.equal(counts.scans, 3)
})

test('a long range is not kept, and all ranges together are bounded', async () => {
  const { counts, size } = createCounted()
  for (let round = 0; round < 2; round++) await size(11, 'long')
  assert.equal(counts.scans, 2)
  for (const name of ['a', 'b', 'c', 'd', 'e']) await size(9, name)
  await size(9, 'e')
  assert.equal(counts.scans, 7)
  await size(9, 'a')
  assert.equal(counts.scans, 8, 'the least recently used one was evicted')
})

test('a range is not kept when the directory has changed while it was read', async () => {
  const { kept, revision, counts, size } = createCounted()
  const reading = kept.read({ from: Buffer.from('3'), to: Buffer.from('a') }, () => 'x')
  await reading.next()
  revision.value++
  await nextTurn()
  await kept.revision()
  for await (const _ of reading);
  await size(3, 'a')
  assert.equal(counts.scans, 2)
})
