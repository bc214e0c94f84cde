/** Random changes by two kernels at the same time: mailboxes and the directory end as one kernel alone would have left them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDirectoryKernel, type DirectoryKernel } from '../support/directory.ts'
import { allowed, contentOf, createMailKernel, type MailKernel } from '../support/mailstore.ts'
import { goOn, type MakeStore, STORES, seeded } from '../support/several-kernels.ts'

const ALL = [[1, 4_294_967_295]] as const
const TEXT = 'From: <me@far.test>\r\nSubject: hi\r\n\r\nHello\r\n'
const inMemory = STORES.memory as MakeStore

/** One random change of an account's mailboxes; what was refused changed nothing. */
async function changeOne({ mail, mailbox }: MailKernel, random: (n: number) => number): Promise<void> {
  const [inbox, work] = [await mailbox('ann'), await mailbox('ann', 'Work')]
  const uid = 1 + random(20)
  const one = [[uid, uid]] as const
  const what = random(5)
  if (what <= 1) allowed(await mail.append(inbox, [{ content: contentOf(TEXT) }]))
  else if (what === 2) await mail.setFlags(inbox, one, { how: 'add', flags: ['\\Seen', '\\Deleted'] })
  else if (what === 3) await mail.move(inbox, one, work)
  else await mail.expunge(inbox, one)
}

test('mailboxes: counts agree with the messages, UIDs are given once, and both kernels see the same', async (t) => {
  for (const seed of [11, 12, 13]) {
    const shared = await inMemory(t)
    const kernels = [await createMailKernel(t, shared), await createMailKernel(t, shared)]
    const [a, b] = kernels as [MailKernel, MailKernel]
    allowed(await a.mail.create('ann', 'Work'))
    const random = seeded(seed)
    const seen: number[] = []
    for (let round = 0; round < 12; round++) {
      await Promise.all(Array.from({ length: 6 }, (_, at) => changeOne(at % 2 ? a : b, random)))
      for (const { uid } of await a.entries('ann')) if (!seen.includes(uid)) seen.push(uid)
    }
    for (const name of ['INBOX', 'Work']) {
      const entries = await a.entries('ann', name)
      assert.deepEqual(await b.entries('ann', name), entries, `seed ${seed}`)
      const { messages, unseen, uidNext, size } = await b.mailbox('ann', name)
      assert.equal(messages, entries.length, `seed ${seed}`)
      assert.equal(unseen, entries.filter(({ flags }) => !flags.includes('\\Seen')).length)
      assert.equal(size, entries.length * TEXT.length)
      assert.equal(new Set(entries.map(({ uid }) => uid)).size, entries.length)
      assert.ok(entries.every(({ uid }) => uid < uidNext))
    }
    assert.ok(seen.length > 10)
    allowed(await b.mail.setFlags(await b.mailbox('ann'), ALL, { how: 'add', flags: ['\\Deleted'] }))
    allowed(await b.mail.expunge(await b.mailbox('ann'), ALL))
    assert.deepEqual([(await a.mailbox('ann')).messages, (await a.entries('ann')).length], [0, 0])
  }
})

test('directory: of two kernels that give an address away one wins, and none of them keeps what is no longer so', async (t) => {
  for (const seed of [21, 22]) {
    const shared = await inMemory(t)
    const kernels = [await createDirectoryKernel(t, shared), await createDirectoryKernel(t, shared)]
    const [a] = kernels as [DirectoryKernel, DirectoryKernel]
    await a.make({ add: { kind: 'domain', name: 'here.test' } })
    const random = seeded(seed)
    for (let round = 0; round < 15; round++) {
      const address = `n${random(6)}@here.test`
      const names = [`u${round}x`, `u${round}y`]
      const tries = await Promise.all(
        names.map(async (name, at) => {
          const kernel = kernels[at] as DirectoryKernel
          // Kept by each kernel before it changes.
          await kernel.accounts.byAddress(address)
          const [result] = await kernel.directory.change(
            [{ add: { kind: 'account', name, addresses: [address], password: 'x' } }],
            'test',
          )
          return result && !('refused' in result)
        }),
      )
      // The directory's revision is looked at once in a turn of the event loop.
      await goOn(1)
      const owners = await Promise.all(
        kernels.map(async ({ accounts }) => (await accounts.byAddress(address))?.account.id),
      )
      assert.ok(owners[0], `seed ${seed}`)
      assert.equal(owners[1], owners[0])
      assert.ok(tries.filter(Boolean).length <= 1, `both kernels gave ${address} away, seed ${seed}`)
      if (random(2) === 0) await (kernels[random(2)] as DirectoryKernel).make({ remove: owners[0] as string })
    }
  }
})
