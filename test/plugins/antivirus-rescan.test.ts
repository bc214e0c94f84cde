/** New signatures: what is held, what waits and what lies in mailboxes is scanned again, and taken back. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { memoryStore, missing, testClock } from 'iems/testing'
import {
  attached,
  CLAMD,
  EICAR,
  EICAR_NAME,
  letter,
  startAntivirus,
  startClamd,
  startWithMailboxes,
} from '../support/antivirus.ts'
import { faultyStore } from '../support/faulty-store.ts'
import { startBroken } from '../support/spam-filters.ts'

const skip = missing(CLAMD)
const NEW = 'a virus that nobody knows yet'
const NAME = 'New-Virus.UNOFFICIAL'
const DAY = 86_400_000

test('delivered copies are taken back after new signatures, given back by an admin, and then left alone', {
  skip,
}, async (t) => {
  const clamd = await startClamd(t)
  const { send, run, deliver, entries, content, mail, mailbox, store, kernel } = await startWithMailboxes(t, {
    options: { servers: [clamd.server] },
  })
  const rescan = (options: Record<string, string | true> = {}) =>
    run('antivirus rescan', { options: { since: '1 day', ...options } })
  await send({ content: attached(NEW), to: ['bob@here.test', 'ann@here.test'] })
  await deliver()
  await send({ content: letter(), to: ['bob@here.test'] })
  await deliver()
  const [infected] = await entries('bob')
  const original = await content(infected?.email as string)
  await mail.setFlags(await mailbox('bob'), [[1, 1]], { how: 'add', flags: ['\\Seen', 'work'] })
  await mail.copy(await mailbox('bob'), [[1, 1]], await mailbox('bob', 'Archive'))

  assert.deepEqual(await rescan(), [{ scanned: 4, viruses: 0, unread: 0 }])
  await clamd.learn({ 'New-Virus': NEW })
  assert.deepEqual(await rescan({ account: 'ann', 'dry-run': true }), [
    { account: 'ann', mailbox: 'INBOX', uid: 1, virus: NAME, taken: false },
    { scanned: 1, viruses: 1, unread: 0 },
  ])
  assert.equal((await entries('ann')).length, 1)
  const said = await rescan()
  assert.deepEqual(
    said.map(({ account, mailbox, taken, viruses }) => [account, mailbox, taken, viruses]),
    [
      ['ann', 'INBOX', true, undefined],
      ['bob', 'Archive', true, undefined],
      ['bob', 'INBOX', true, undefined],
      [undefined, undefined, undefined, 3],
    ],
  )
  assert.deepEqual(
    [(await entries('ann')).length, (await entries('bob')).length, (await entries('bob', 'Archive')).length],
    [0, 1, 0],
  )
  assert.equal(await mail.email(infected?.email as string), undefined)
  const undelete = kernel.commands.get('mailbox undelete')
  const call = {
    arguments: ['bob'],
    options: {},
    input: (async function* () {})(),
    signal: new AbortController().signal,
  }
  await Array.fromAsync(undelete?.run(call) ?? [])
  assert.equal((await entries('bob')).length, 1, 'nobody brings it back by undelete')

  const kept = await run('antivirus quarantine')
  assert.deepEqual(kept.map(({ account, mailbox, why, subject }) => [account, mailbox, why, subject]).sort(), [
    ['ann', 'INBOX', `antivirus: virus ${NAME}`, 'Hello'],
    ['bob', 'Archive', `antivirus: virus ${NAME}`, 'Hello'],
    ['bob', 'INBOX', `antivirus: virus ${NAME}`, 'Hello'],
  ])
  const ofBob = kept.find(({ account, mailbox }) => account === 'bob' && mailbox === 'INBOX')
  await run('antivirus release', { args: [ofBob?.id as string] })
  const back = (await entries('bob')).at(-1)
  assert.equal(await content(back?.email as string), original)
  assert.deepEqual([[...(back?.flags ?? [])].sort(), back?.received], [['\\Seen', 'work'], infected?.received])
  await rescan()
  assert.equal((await entries('bob')).length, 2, 'what was given back is not taken again')
  for (const { id } of await run('antivirus quarantine')) await run('antivirus remove', { args: [id as string] })
  assert.deepEqual(await run('antivirus quarantine'), [])
  await mail.expunge(await mailbox('bob'), [[1, 100]], { forGood: true })
  for (let turns = 0; turns < 200; turns++) await new Promise(setImmediate)
  assert.equal((await Array.fromAsync(store.blobs.list())).length, 0, 'no content is left')
})

test('what waits is held, and what was held by mistake can be let go', { skip }, async (t) => {
  const clamd = await startClamd(t)
  await clamd.learn({ 'False-Alarm': 'harmless' })
  let isReachable = false
  const { send, run, deliver, delivered, queue, advance } = await startAntivirus(t, {
    options: { servers: [clamd.server], virus: 'quarantine', cache: { entries: 0 } },
    kernel: {
      deliver: ({ recipients }) =>
        recipients.map((recipient) =>
          isReachable
            ? { recipient, status: 'delivered', reply: { code: 250, enhanced: '2.0.0', text: 'ok' } }
            : { recipient, status: 'deferred', reply: { code: 451, enhanced: '4.4.1', text: 'later' } },
        ),
    },
  })
  await send({ content: attached('harmless') })
  await send({ content: attached(EICAR) })
  await send({ content: attached(NEW) })
  await deliver()
  assert.deepEqual([await queue.count({ held: true }), await queue.count({ held: false })], [2, 1])
  await clamd.learn({ 'New-Virus': NEW })
  const options = { since: '1 day', release: true as const }
  const said = await run('antivirus rescan', { options })
  assert.deepEqual(
    new Set(said.map(({ virus, held, released, count, viruses }) => [virus, held, released ?? count, viruses].join())),
    new Set([
      `${NAME},,1,`,
      ',antivirus: virus False-Alarm.UNOFFICIAL,true,',
      `${EICAR_NAME},antivirus: virus ${EICAR_NAME},0,`,
      ',,,2',
    ]),
  )
  isReachable = true
  await advance(DAY)
  const arrived = delivered.filter(({ attempt }) => attempt > 0).map(({ content }) => content)
  assert.ok(arrived.some((content) => content.includes('False-Alarm')))
  assert.deepEqual((await Array.fromAsync(queue.list())).map(({ held }) => held).sort(), [
    `antivirus: virus ${EICAR_NAME}`,
    `antivirus: virus ${NAME}`,
  ])
})

test('only what was accepted since then is scanned, and how far it is can be seen', { skip }, async (t) => {
  const clamd = await startClamd(t)
  const { send, run, deliver, clock, kernel } = await startWithMailboxes(t, { options: { servers: [clamd.server] } })
  for (let n = 0; n < 60; n++) await send({ content: attached(`old ${n}`) })
  await deliver()
  await clock.advance(10 * DAY)
  for (let n = 0; n < 60; n++) await send({ content: attached(`new ${n}`) })
  await deliver()
  const count = async (since: string) => (await run('antivirus rescan', { options: { since } })).at(-1)?.scanned
  assert.equal(await count('1 day'), 60)
  assert.equal(await count('20 days'), 120)
  assert.equal(await count('2026-01-05'), 60)
  await assert.rejects(count('yesterday'), /is no time/)
  await assert.rejects(run('antivirus rescan'), /Say since when/)
  await assert.rejects(run('antivirus rescan', { options: { since: '1 day', account: 'eve' } }), /no account eve/)
  const call = {
    arguments: [],
    options: { since: '20 days' },
    input: (async function* () {})(),
    signal: new AbortController().signal,
  }
  const outputs = await Array.fromAsync(kernel.commands.get('antivirus rescan')?.run(call) ?? [])
  const progress = outputs.flatMap((output) => ('progress' in output ? [output.progress] : []))
  assert.equal(progress.length, 3)
  assert.match(progress[0] ?? '', /^with ClamAV /)
  assert.match(progress[1] ?? '', /^\d+ scanned, 0 with a virus$/)
})

test('a rescan ends when no clamd answers, and takes nothing', async (t) => {
  let scans = 0
  const broken = await startBroken(t, (socket) =>
    socket.once('data', (chunk) => {
      if (chunk.includes('VERSION')) return socket.end('ClamAV 1.4.6\n')
      if (++scans > 3) return socket.destroy()
      socket.resume()
      return socket.end('stream: OK\0')
    }),
  )
  const { send, run, deliver, entries } = await startWithMailboxes(t, {
    options: { servers: [broken.server], failures: 1, concurrency: 1 },
  })
  for (const text of ['a', 'b', 'c']) await send({ content: letter(text) })
  await deliver()
  assert.equal((await entries('bob')).length, 3)
  await assert.rejects(
    run('antivirus rescan', { options: { since: '1 day' } }),
    /no clamd answers; 0 messages were scanned/,
  )
  assert.equal((await entries('bob')).length, 3)
})

test('what was taken goes by itself when its time is over', { skip }, async (t) => {
  const clamd = await startClamd(t)
  const { send, run, deliver, advance } = await startWithMailboxes(t, {
    options: { servers: [clamd.server], keep: '10 days' },
  })
  await send({ content: attached(NEW) })
  await deliver()
  await clamd.learn({ 'New-Virus': NEW })
  await run('antivirus rescan', { options: { since: '1 day' } })
  await advance(9 * DAY)
  assert.equal((await run('antivirus quarantine')).length, 1)
  await advance(2 * DAY)
  assert.equal((await run('antivirus quarantine')).length, 0)
})

/** A clamd that knows one virus from some time on. */
async function startFake(t: Pick<TestContext, 'after'>) {
  const known = { isNew: false }
  const { server } = await startBroken(t, (socket) => {
    let said = ''
    socket.on('data', (chunk) => {
      said += chunk.toString('latin1')
      if (said.includes('VERSION')) socket.end('ClamAV 1.4.6\n')
      else if (said.endsWith('\0\0\0\0'))
        socket.end(known.isNew && said.includes(NEW) ? 'stream: New-Virus FOUND\0' : 'stream: OK\0')
    })
  })
  return { known, server }
}

test('a rescan that stops anywhere loses nothing, and the next one ends its work', async (t) => {
  const { known, server } = await startFake(t)
  const options = { servers: [server] }
  for (let nth = 1, isReached = true; isReached; nth++) {
    const clock = testClock()
    const store = memoryStore({ now: clock.now })
    known.isNew = false
    const before = await startWithMailboxes(t, { options, kernel: { store, clock } })
    await before.send({ content: letter(NEW), to: ['ann@here.test', 'bob@here.test'] })
    await before.deliver()
    const original = await before.content((await before.entries('ann'))[0]?.email as string)
    await before.close()

    known.isNew = true
    const faulty = faultyStore(store, nth, 'stop after')
    const rescan = { options: { since: '1 day' } }
    try {
      const crashing = await startWithMailboxes(t, { options, kernel: { store: faulty, clock } })
      await crashing.run('antivirus rescan', rescan).catch(() => undefined)
      await crashing.close()
    } catch {
      // It did not even start.
    }
    isReached = faulty.hit.reached

    const after = await startWithMailboxes(t, { options, kernel: { store, clock } })
    await after.run('antivirus rescan', rescan)
    const taken = await after.run('antivirus quarantine')
    const where = `operation ${nth}`
    assert.deepEqual([(await after.entries('ann')).length, (await after.entries('bob')).length], [0, 0], where)
    assert.deepEqual(taken.map(({ account }) => account).sort(), ['ann', 'bob'], where)
    for (const { id } of taken) await after.run('antivirus release', { args: [id as string] })
    const [back, ...more] = await after.entries('ann')
    assert.deepEqual([await after.content(back?.email as string), more.length], [original, 0], where)
    for (const who of ['ann', 'bob']) await after.mail.expunge(await after.mailbox(who), [[1, 100]], { forGood: true })
    await after.clock.advance(2 * DAY)
    await after.kernel.sweep(new AbortController().signal)
    assert.equal((await Array.fromAsync(store.blobs.list())).length, 0, `${where}: no content is left`)
    await after.close()
  }
})
