/** Batch SMTP between two servers: gathering, acknowledging, trust, and what comes of a batch in the queue. */
import assert from 'node:assert/strict'
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createSecret, readSecret } from '../../plugins/smtp/bsmtp/identity.ts'
import { type PartialBatch, writeManifest } from '../../plugins/smtp/bsmtp/manifest.ts'
import { hashOf, writeLine } from '../../plugins/smtp/bsmtp/parcel.ts'
import { carry, pass, SHIP, startPair, until } from '../support/bsmtp.ts'
import { tempFolder } from '../support/running-server.ts'

const MINUTE = 60_000
const letter = (to: string, from = 'ann@hub.test') => ({ from, to: [to], body: `For ${to}` })
type Pair = Awaited<ReturnType<typeof startPair>>
const hasFile = (folder: string) => async () => (await readdir(folder)).some((one) => one !== 'refused')
/** One way of the link carries what is there. */
const there = ({ hub, ship }: Pair) => carry(hub.out, ship.in)
const back = ({ hub, ship }: Pair) => carry(ship.out, hub.in)
const bothWays = (pair: Pair) => async () => {
  await there(pair)
  await back(pair)
}
const isQuiet =
  ({ hub, ship }: Pair) =>
  async () =>
    (await hub.queue.count()) + (await ship.queue.count()) === 0

test('messages wait for a batch, travel in it, and leave the queue when the partner has acknowledged it', async (t) => {
  const pair = await startPair(t)
  const { hub, ship, clock } = pair
  for (const to of ['one@ship.test', 'two@ship.test']) await hub.submit(letter(to))
  await hub.deliver()
  await pass(clock, 14 * MINUTE, [hub, ship])
  assert.deepEqual(await readdir(hub.out), [])
  await until(pair, hasFile(hub.out), 5)
  assert.equal((await readdir(hub.out)).length, 1)
  await there(pair)
  await until(pair, () => ship.arrived.length === 2, 5)
  assert.deepEqual(ship.arrived.map(({ to, from }) => `${from} ${to}`).sort(), [
    'ann@hub.test one@ship.test',
    'ann@hub.test two@ship.test',
  ])
  assert.match(ship.arrived[0]?.text ?? '', /^Received: from hub /)
  assert.equal(await hub.queue.count(), 2)
  await until(pair, hasFile(ship.out), 5)
  await back(pair)
  await until(pair, isQuiet(pair), 5)
  await pass(clock, 10 * MINUTE, [hub, ship])
  assert.deepEqual([await readdir(hub.out), await readdir(ship.out), ship.arrived.length], [[], [], 2])
})

test('a full batch and an urgent message do not wait; a schedule sends everything at its time', async (t) => {
  const pair = await startPair(t, { partner: { gather: { messages: 3, wait: '20 h', at: ['06:00'] }, resend: '60 h' } })
  const { hub, ship, clock } = pair
  for (let one = 0; one < 2; one++) await hub.submit(letter(`m${one}@ship.test`))
  await pass(clock, 2 * MINUTE, [hub, ship])
  assert.deepEqual(await readdir(hub.out), [])
  await hub.submit(letter('third@ship.test'))
  await until(pair, hasFile(hub.out), 3)
  await there(pair)
  await hub.submit({ ...letter('urgent@ship.test'), parameters: { mtPriority: 6 } })
  await until(pair, hasFile(hub.out), 3)
  await there(pair)
  await hub.submit(letter('later@ship.test'))
  const six = new Date(clock.now())
  six.setHours(six.getHours() >= 6 ? 30 : 6, 0, 0, 0)
  await pass(clock, six.getTime() - clock.now() - 2 * MINUTE, [hub, ship], 10 * MINUTE)
  assert.deepEqual(await readdir(hub.out), [])
  await until(pair, hasFile(hub.out), 5)
})

test('what waits goes on demand, and the state is shown', async (t) => {
  const pair = await startPair(t)
  await pair.hub.submit(letter('one@ship.test'))
  await pair.hub.deliver()
  const lines = async (words: string, args: string[] = []) =>
    (await pair.hub.command(words, { arguments: args })).map((one) => ('text' in one ? one.text : ''))
  assert.deepEqual(await lines('bsmtp status'), ['ship: 1 messages wait, 0 batches under way'])
  assert.deepEqual(await lines('bsmtp send', ['ship']), ['ship: sent, 1 batches under way'])
  assert.equal((await readdir(pair.hub.out)).length, 1)
  await assert.rejects(() => lines('bsmtp send', ['nowhere']), /no partner "nowhere"/)
})

test('a transaction that fails does not hurt the others, and its sender gets a report', async (t) => {
  const pair = await startPair(t)
  const { hub, ship } = pair
  await hub.submit({ ...letter('one@ship.test'), to: ['one@ship.test', 'nobody@ship.test'] })
  await hub.submit(letter('no-one@ship.test'))
  await hub.submit(letter('two@ship.test'))
  await hub.deliver()
  await until(pair, isQuiet(pair), 60, bothWays(pair))
  assert.deepEqual(ship.arrived.map(({ to }) => to).sort(), ['one@ship.test', 'two@ship.test'])
  const reports = hub.arrived.map(({ to, from, text }) => [from, to, /Final-Recipient: rfc822;(\S+)/.exec(text)?.[1]])
  assert.deepEqual(reports.sort(), [
    ['', 'ann@hub.test', 'no-one@ship.test'],
    ['', 'ann@hub.test', 'nobody@ship.test'],
  ])
  assert.match(hub.arrived[0]?.text ?? '', /No such mailbox/)
})

test('a batch that is not acknowledged is sent again; repeated parts and acknowledgements are harmless', async (t) => {
  const pair = await startPair(t, { partner: { resend: '1 h', partSize: '500 B', compress: 'none' } })
  const { hub, ship } = pair
  for (let one = 0; one < 5; one++) await hub.submit({ ...letter(`m${one}@ship.test`), body: 'x'.repeat(500) })
  await hub.deliver()
  await until(pair, hasFile(hub.out), 20)
  await pass(pair.clock, MINUTE, [hub, ship])
  const lost = await readdir(hub.out)
  assert.ok(lost.length > 4)
  for (const name of lost) await rm(join(hub.out, name))
  await until(pair, hasFile(hub.out), 90)
  await pass(pair.clock, MINUTE, [hub, ship])
  // Of the second copy every other part is lost; the partner says what it has, and only the rest comes again.
  let turn = 0
  await carry(hub.out, ship.in, (octets) => (turn++ % 2 ? [octets, octets] : []))
  await until(pair, hasFile(ship.out), 10)
  await back(pair)
  await until(pair, hasFile(hub.out), 10)
  await pass(pair.clock, MINUTE, [hub, ship])
  const again = await readdir(hub.out)
  assert.ok(again.length >= lost.length / 2 - 1 && again.length <= lost.length / 2 + 1, `${again.length} parts`)
  for (const name of again) await copyFile(join(hub.out, name), join(pair.folder, name))
  await there(pair)
  await until(pair, () => ship.arrived.length === 5, 10)
  // Everything comes once more, as after a lost acknowledgement.
  for (const name of again) await copyFile(join(pair.folder, name), join(ship.in, name))
  await until(pair, isQuiet(pair), 60, bothWays(pair))
  assert.equal(ship.arrived.length, 5)
})

test('a partner that has every part and whose acknowledgement was lost is asked again', async (t) => {
  const pair = await startPair(t, { partner: { resend: '1 h', partSize: '500 B', compress: 'none' } })
  const { hub, ship } = pair
  for (let one = 0; one < 3; one++) await hub.submit({ ...letter(`m${one}@ship.test`), body: 'x'.repeat(500) })
  await hub.deliver()
  await until(pair, hasFile(hub.out), 20)
  await pass(pair.clock, MINUTE, [hub, ship])
  const names = await readdir(hub.out)
  const [, stream = '', batch, build = ''] = /^hub-(.{12})-(\d+)-(.{12})-/.exec(names[0] ?? '') ?? []
  const have = names.map((name) => Number(/-(\d+)\.part$/.exec(name)?.[1])).sort((a, b) => a - b)
  assert.ok(have.length > 3)
  await there(pair)
  await until(pair, () => ship.arrived.length === 3, 10)
  await until(pair, hasFile(ship.out), 10)
  for (const name of await readdir(ship.out)) await rm(join(ship.out, name))
  // What a partner sends that was killed between the last part and its delivery.
  await writeFile(join(hub.in, 'ack'), acknowledging({ stream, batch: Number(batch), build, have }))
  await until(pair, hasFile(hub.out), 90)
  assert.deepEqual(
    (await readdir(hub.out)).map((name) => Number(/-(\d+)\.part$/.exec(name)?.[1])),
    [have.at(-1)],
  )
  await until(pair, isQuiet(pair), 10, bothWays(pair))
  assert.equal(ship.arrived.length, 3)
})

/** A parcel of the ship with the parts that it has of a batch. */
function acknowledging(partial: PartialBatch): Buffer {
  const body = Buffer.concat([
    writeManifest({ done: [], partial: [partial] }),
    Buffer.from('EHLO ship.test\r\nQUIT\r\n'),
  ])
  const total = body.length
  const label = {
    from: 'ship',
    to: 'hub',
    stream: 'other',
    batch: 0,
    build: 'build',
    total,
    zip: 'none',
    made: 1,
  } as const
  const line = writeLine(readSecret(SHIP.secret), { ...label, at: 0, size: total, sha256: hashOf(body) })
  return Buffer.concat([line, body])
}

test('parts that are still on their way are not sent again', async (t) => {
  const pair = await startPair(t, { partner: { resend: '20 h', partSize: '500 B', compress: 'none' } })
  const { hub, ship, clock } = pair
  for (let one = 0; one < 8; one++) await hub.submit({ ...letter(`m${one}@ship.test`), body: 'x'.repeat(500) })
  await hub.deliver()
  await until(pair, hasFile(hub.out), 20)
  await pass(clock, MINUTE, [hub, ship])
  const at = (name: string) => Number(/-(\d+)\.part$/.exec(name)?.[1])
  const parts = (await readdir(hub.out)).sort((a, b) => at(a) - at(b))
  const [half, lost] = [Math.floor(parts.length / 2), parts[1] ?? '']
  await rm(join(hub.out, lost))
  // The link is slow: the second half is under way when the partner reports what it has.
  for (const name of parts.slice(half)) await rename(join(hub.out, name), join(pair.folder, name))
  await there(pair)
  await until(pair, hasFile(ship.out), 10)
  await back(pair)
  await until(pair, hasFile(hub.out), 10)
  await pass(clock, MINUTE, [hub, ship])
  assert.deepEqual((await readdir(hub.out)).sort(), [lost, parts.at(-1)].sort())
  for (const name of parts.slice(half)) await rename(join(pair.folder, name), join(ship.in, name))
  await until(pair, isQuiet(pair), 60, bothWays(pair))
  assert.equal(ship.arrived.length, 8)
})

test('mail that the partner never takes returns to its sender after the time of the queue', async (t) => {
  const seldom = { options: { look: '30 min' } }
  const pair = await startPair(t, seldom, seldom)
  await pair.hub.submit(letter('one@ship.test'))
  await pair.hub.deliver()
  await pass(pair.clock, 5 * 24 * 60 * MINUTE + 8 * 60 * MINUTE, [pair.hub, pair.ship], 240 * MINUTE)
  assert.equal(await pair.hub.queue.count(), 0)
  const subjects = pair.hub.arrived.map(({ text }) => /Action: (\w+)/.exec(text)?.[1])
  assert.deepEqual(subjects, ['delayed', 'failed'])
  assert.match(pair.hub.arrived[1]?.text ?? '', /Waits for the acknowledgement/)
})

test('an encrypted batch with a dictionary shows nothing to others and arrives', async (t) => {
  const dictionary = join(await tempFolder(t), 'dictionary')
  await writeFile(dictionary, `${'The harbour master reports calm weather, wind from the west. '.repeat(20)}`)
  const both = { dictionary, encrypt: true }
  const pair = await startPair(t, { partner: both }, { partner: both })
  const { hub, ship } = pair
  await hub.submit({ ...letter('one@ship.test'), body: 'The harbour master reports calm weather, wind from the west.' })
  await hub.deliver()
  await until(pair, hasFile(hub.out), 20)
  const [name = ''] = await readdir(hub.out)
  assert.doesNotMatch(await readFile(join(hub.out, name), 'latin1'), /harbour|ann@hub/)
  await until(pair, isQuiet(pair), 60, bothWays(pair))
  assert.match(ship.arrived[0]?.text ?? '', /The harbour master reports calm weather/)
})

for (const compress of ['gzip', 'none'] as const)
  test(`compression by ${compress}`, async (t) => {
    const pair = await startPair(t, { partner: { compress } })
    await pair.hub.submit(letter('one@ship.test'))
    await pair.hub.deliver()
    await until(pair, isQuiet(pair), 60, bothWays(pair))
    assert.equal(pair.ship.arrived.length, 1)
  })

test('a one-way link repeats each batch, its copies are delivered once, and the partner reports failures itself', async (t) => {
  const oneWay = { copies: 3, every: '1 h' }
  const pair = await startPair(t, { partner: { oneWay } })
  const { hub, ship, clock } = pair
  await hub.submit(letter('one@ship.test', 'bob@hub.test'))
  await hub.submit(letter('nobody@ship.test', 'bob@hub.test'))
  await hub.deliver()
  let files = 0
  await until(
    pair,
    async () => (await hub.queue.count()) === 0,
    300,
    async () => {
      files += (await there(pair)).files
    },
  )
  files += (await there(pair)).files
  await pass(clock, 5 * MINUTE, [hub, ship])
  assert.deepEqual([files, ship.arrived.map(({ to }) => to)], [3, ['one@ship.test']])
  // The report waits for the partner's own batch; no acknowledgement does.
  const entries = await Array.fromAsync(ship.queue.list())
  assert.deepEqual(
    entries.map(({ from, recipients }) => [from, recipients[0]?.address]),
    [['', 'bob@hub.test']],
  )
})

// --- trust ---------------------------------------------------------------------------------------------

async function oneBatch(
  t: Parameters<typeof startPair>[0],
  ship: Parameters<typeof startPair>[2] = {},
  to = 'one@ship.test',
) {
  const pair = await startPair(t, {}, ship)
  await pair.hub.submit(letter(to, 'ann@hub.test'))
  await pair.hub.deliver()
  await until(pair, hasFile(pair.hub.out), 20)
  return pair
}
const isRefused = async ({ ship }: Pair) => {
  await readdir(join(ship.in, 'refused')).then((names) => assert.equal(names.length, 1))
  assert.deepEqual(ship.arrived, [])
}
const refusedFolder =
  ({ ship }: Pair) =>
  async () =>
    (await readdir(join(ship.in, 'refused')).catch(() => [])).length > 0

test('a batch that is signed by another key is refused whole', async (t) => {
  const pair = await oneBatch(t, { partner: { key: createSecret().publicText } })
  await there(pair)
  await until(pair, refusedFolder(pair), 5)
  await isRefused(pair)
})

test('a batch of which an octet was changed is refused whole', async (t) => {
  const pair = await oneBatch(t)
  await carry(pair.hub.out, pair.ship.in, (octets) => {
    octets[octets.length - 3] = (octets[octets.length - 3] as number) ^ 1
    return [octets]
  })
  await until(pair, refusedFolder(pair), 5)
  await isRefused(pair)
})

test('a batch for another system is refused whole', async (t) => {
  const pair = await oneBatch(t, { options: { name: 'submarine' } })
  await there(pair)
  await until(pair, refusedFolder(pair), 5)
  await isRefused(pair)
})

test('a partner may send only from its own addresses, and relays nothing', async (t) => {
  const pair = await startPair(
    t,
    { partner: { domains: ['ship.test', 'far.test'] } },
    { partner: { accept: { recipients: ['ship.test', 'far.test'] } } },
  )
  const { hub, ship } = pair
  await hub.submit(letter('one@ship.test', 'stranger@elsewhere.test'))
  await hub.submit(letter('two@ship.test', ''))
  await hub.submit(letter('out@far.test'))
  await hub.deliver()
  await until(pair, () => ship.arrived.length > 0 && hub.arrived.length > 0, 60, bothWays(pair))
  assert.deepEqual(
    ship.arrived.map(({ to }) => to),
    ['two@ship.test'],
  )
  assert.match(hub.arrived[0]?.text ?? '', /out@far\.test[\s\S]*550/)
})

test('a partner for all domains is no open relay for strangers', async (t) => {
  const { hub } = await startPair(t, { partner: { domains: ['*'] } })
  const stranger = hub.session({ channel: 'box-hub' })
  assert.equal((await stranger.submit({ from: 'x@x.test', to: ['y@y.test'] })).reply.code, 550)
  const known = await hub.submit(letter('y@y.test'))
  assert.equal(known.reply.code, 250)
})

test('batches of RFC 2442 need a signature or a way that identifies the partner', async (t) => {
  const pair = await startPair(t, { partner: { format: 'rfc2442-signed' } })
  const { hub, ship } = pair
  await hub.submit(letter('one@ship.test'))
  await hub.deliver()
  await until(pair, hasFile(hub.out), 20)
  const names = (await readdir(hub.out)).sort()
  assert.match(names.join(' '), /^(\S+\.bsmtp) \1\.sig$/)
  const [batch = ''] = names
  await copyFile(join(hub.out, batch), join(ship.in, 'unsigned.bsmtp'))
  await until(pair, refusedFolder(pair), 5)
  await isRefused(pair)
  for (const name of names.reverse()) await copyFile(join(hub.out, name), join(ship.in, name))
  await until(pair, () => ship.arrived.length === 1, 5)
  // Handed over is delivered: nothing acknowledges this form.
  await until(pair, async () => (await hub.queue.count()) === 0, 10)
  await mkdir(join(ship.in, 'again'), { recursive: true })
  for (const name of names) await copyFile(join(hub.out, name), join(ship.in, name))
  await pass(pair.clock, 2 * MINUTE, [hub, ship])
  assert.equal(ship.arrived.length, 1)
})

test('the configuration names what is missing', async (t) => {
  await assert.rejects(
    () => startPair(t, { options: { partners: { far: { to: { mail: 'b@far.test' } } } } }),
    (error) => /needs `address`/.test(String(error)),
  )
  await assert.rejects(() => startPair(t, { partner: { key: 'short' } }), /iems bsmtp key/)
})
