/** IMAP sessions of two kernels on one store: each is told what the other's clients do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createImapKernel, type ImapTalk } from '../support/imap-talk.ts'
import { STORES } from '../support/several-kernels.ts'

const text = 'From: <me@far.test>\r\nSubject: hello\r\n\r\nHello.\r\n'
const append = (client: ImapTalk) => client.command(`APPEND INBOX {${text.length}+}\r\n${text}`)

for (const [name, makeStore] of Object.entries(STORES)) {
  test(`${name}: what a client of one kernel does is told to those of another, also when no signal comes`, async (t) => {
    const shared = await makeStore(t)
    const here = await createImapKernel(t, shared)
    // This one hears nothing.
    const deaf = { ...shared.store, subscribe: () => () => {} }
    const there = await createImapKernel(t, { ...shared, store: deaf })
    const [writer, reader] = [await here.talk('ann'), await there.talk('ann')]
    await reader.command('SELECT INBOX')
    await writer.command('SELECT INBOX')
    await append(writer)
    assert.equal((await reader.command('NOOP'))[0], '* 1 EXISTS')
    assert.match((await reader.command('SEARCH ALL'))[0] ?? '', /^\* SEARCH 1$/)
    await writer.command('STORE 1 +FLAGS (\\Flagged)')
    assert.match((await reader.command('NOOP'))[0] ?? '', /^\* 1 FETCH \(.*\\Flagged/)
    await writer.command('STORE 1 +FLAGS.SILENT (\\Deleted)')
    await writer.command('EXPUNGE')
    assert.ok((await reader.command('NOOP')).includes('* 1 EXPUNGE'))
  })

  test(`${name}: an idling client hears what a client of another kernel does, by signal or after a minute`, async (t) => {
    for (const isDeaf of [false, true]) {
      const shared = await makeStore(t)
      const here = await createImapKernel(t, shared)
      const deaf = { ...shared.store, subscribe: () => () => {} }
      const there = await createImapKernel(t, isDeaf ? { ...shared, store: deaf } : shared)
      const [writer, reader] = [await here.talk('ann'), await there.talk('ann')]
      await reader.command('SELECT INBOX')
      reader.send('i IDLE\r\n')
      assert.match(await reader.line(), /^\+/)
      await append(writer)
      if (isDeaf) await there.advance(120_000)
      assert.equal(await reader.line(), '* 1 EXISTS')
    }
  })

  test(`${name}: rights that one kernel's client takes away end at once what those of another may see`, async (t) => {
    const shared = await makeStore(t)
    const here = await createImapKernel(t, shared)
    const there = await createImapKernel(t, shared)
    const owner = await here.talk('ann')
    await owner.command('CREATE Shared')
    await owner.command('SETACL Shared bob lr')
    const [idle, notified] = [await there.talk('bob'), await there.talk('bob')]
    assert.match((await idle.command('SELECT Users/ann/Shared')).at(-1) ?? '', /^OK/)
    idle.send('i IDLE\r\n')
    assert.match(await idle.line(), /^\+/)
    await notified.command('NOTIFY SET (mailboxes Users/ann/Shared (MessageNew MessageExpunge))')
    await owner.command('DELETEACL Shared bob')
    assert.equal(await idle.line(), '* BYE Mailbox access revoked')
    await owner.command(`APPEND Shared {${text.length}+}\r\n${text}`)
    assert.deepEqual(await notified.command('NOOP'), ['OK NOOP completed'])
    await owner.command('SETACL Shared bob lr')
    await owner.command(`APPEND Shared {${text.length}+}\r\n${text}`)
    let told = await notified.line()
    if (told.includes('MESSAGES 1 ')) told = await notified.line()
    assert.match(told, /^\* STATUS Users\/ann\/Shared \(MESSAGES 2 /)
  })
}
