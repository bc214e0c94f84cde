/** The ways on which batches travel: mail, a disk, a program, HTTPS; and batches as a tool. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { http } from 'iems/plugins/http'
import { type Arrived, carry, mailboxes, pass, startPair, until } from '../support/bsmtp.ts'
import { tempFolder } from '../support/running-server.ts'

const MINUTE = 60_000
const letter = (to: string) => ({ from: 'ann@hub.test', to: [to], body: `For ${to}` })
const text = (outputs: readonly object[]) => outputs.map((one) => ('text' in one ? String(one.text) : '')).join('\n')
const bytes = (outputs: readonly object[]) =>
  Buffer.concat(outputs.map((one) => ('bytes' in one ? (one.bytes as Uint8Array) : Buffer.alloc(0))))

async function byMail(t: TestContext, format: 'sealed' | 'rfc2442' | 'rfc2442-signed') {
  const wire: Arrived[] = []
  const options = { address: 'batches@hub.test' }
  const pair = await startPair(
    t,
    {
      partner: { to: { mail: 'batches@ship.test' }, format },
      options,
      channels: { wire: mailboxes('ship.test', wire) },
    },
    { options: { address: 'batches@ship.test' } },
  )
  await pair.hub.submit(letter('one@ship.test'))
  await pair.hub.deliver()
  await until(pair, () => wire.length > 0, 20)
  const bring = (content: string, from = 'batches@hub.test') =>
    pair.ship.session({ channel: 'box-ship' }).submit({ from, to: ['batches@ship.test'], content })
  return { ...pair, mail: wire[0]?.text ?? '', bring }
}

for (const format of ['sealed', 'rfc2442-signed'] as const)
  test(`by mail, ${format}: taken from the partner, refused to its client from a stranger`, async (t) => {
    const { ship, mail, bring, clock, hub } = await byMail(t, format)
    assert.match(
      mail,
      format === 'sealed'
        ? /^Content-Type: application\/x-iems-bsmtp\r$/m
        : /^Content-Type: application\/batch-SMTP; required-extensions="SIZE"\r$/m,
    )
    const start = mail.indexOf('\r\n\r\n')
    const at = Math.floor(start + (mail.length - start) * 0.75)
    const forged = `${mail.slice(0, at)}${mail.slice(at).replace(/[A-Za-z]/, (one) => (one === 'A' ? 'B' : 'A'))}`
    assert.equal((await bring(forged)).reply.code, 550 + (format === 'sealed' ? 4 : 0))
    assert.equal((await bring('Subject: hi\r\n\r\nno batch\r\n')).reply.code, 550)
    const unknown = mail.replace('required-extensions="SIZE"', 'required-extensions="SIZE,X-FROBNICATE"')
    if (format !== 'sealed') assert.equal((await bring(unknown)).reply.code, 555)
    assert.equal((await bring(mail)).reply.code, 250)
    assert.equal((await bring(mail)).reply.code, 250)
    await pass(clock, MINUTE, [hub, ship])
    assert.deepEqual(
      ship.arrived.map(({ to }) => to),
      ['one@ship.test'],
    )
  })

test('by mail without a signature: only from a network or login that identifies the partner', async (t) => {
  const { mail, bring } = await byMail(t, 'rfc2442')
  assert.equal((await bring(mail)).reply.code, 550)
  const known = await startPair(
    t,
    {},
    {
      options: { address: 'batches@ship.test' },
      partner: { accept: { unsigned: true, networks: ['192.0.2.0/24'] } },
    },
  )
  const session = (address: string) => known.ship.session({ channel: 'box-ship', remote: { address } })
  const outer = { from: 'batches@hub.test', to: ['batches@ship.test'], content: mail }
  assert.equal((await session('198.51.100.1').submit(outer)).reply.code, 550)
  assert.equal((await session('192.0.2.9').submit(outer)).reply.code, 250)
  await pass(known.clock, MINUTE, [known.hub, known.ship])
  assert.deepEqual(
    known.ship.arrived.map(({ to }) => to),
    ['one@ship.test'],
  )
})

test('onto a disk with a manifest', async (t) => {
  const disk = await tempFolder(t)
  const pair = await startPair(t, {
    partner: { to: { folder: disk, manifest: true }, partSize: '300 B', compress: 'none' },
  })
  await pair.hub.submit(letter('one@ship.test'))
  await pair.hub.deliver()
  await until(pair, async () => (await readdir(disk)).includes('MANIFEST'), 20)
  await pass(pair.clock, MINUTE, [pair.hub, pair.ship])
  const lines = (await readFile(join(disk, 'MANIFEST'), 'utf8')).trim().split('\n')
  assert.equal(lines.length, (await readdir(disk)).length - 1)
  for (const line of lines) {
    const [sha256, size, name = ''] = line.split(' ')
    const octets = await readFile(join(disk, name))
    assert.deepEqual([createHash('sha256').update(octets).digest('hex'), octets.length], [sha256, Number(size)])
  }
  await carry(disk, pair.ship.in)
  await until(pair, () => pair.ship.arrived.length === 1, 5)
})

test('into a program; one that fails is tried again', async (t) => {
  const folder = await tempFolder(t)
  const script = `test -e ${folder}/ready || { echo busy >&2; touch ${folder}/ready; exit 3; }; cat > ${folder}/batch`
  const pair = await startPair(t, { partner: { to: { command: ['/bin/sh', '-c', script] }, format: 'rfc2442' } })
  await pair.hub.submit(letter('one@ship.test'))
  await pair.hub.deliver()
  await until(pair, async () => (await pair.hub.queue.count()) === 0, 60)
  assert.match(
    await readFile(join(folder, 'batch'), 'utf8'),
    /^EHLO hub\.test\r\nMAIL FROM:<ann@hub\.test> SIZE=\d+\r\nRCPT TO:<one@ship\.test>\r\nDATA\r\n[\s\S]*\r\n\.\r\nQUIT\r\n$/,
  )
})

test('to an endpoint of the partner, which refuses strangers', async (t) => {
  const pair = await startPair(t, {}, { channels: { web: http({ listen: '127.0.0.1:0' }) } })
  const url = `http://127.0.0.1:${pair.ship.listener('web').port}/bsmtp`
  const sender = await startPair(t, { partner: { to: { url } } })
  await sender.hub.submit(letter('one@ship.test'))
  await sender.hub.deliver()
  await until(sender, () => pair.ship.arrived.length === 1, 30)
  const post = (body: string) => fetch(url, { method: 'POST', body }).then(({ status }) => status)
  assert.equal(
    await post('EHLO x\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<one@ship.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n'),
    403,
  )
  assert.equal(await post('IEMS-BSMTP/1 x {}\n'), 422)
  await pair.ship.deliver()
  assert.equal(pair.ship.arrived.length, 1)
})

test('an endpoint that does not answer keeps the batch', async (t) => {
  let status = 500
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => response.writeHead(status).end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const pair = await startPair(t, { partner: { to: { url }, format: 'rfc2442' } })
  await pair.hub.submit(letter('one@ship.test'))
  await pair.hub.deliver()
  await pass(pair.clock, 30 * MINUTE, [pair.hub, pair.ship])
  assert.equal(await pair.hub.queue.count(), 1)
  status = 200
  await until(pair, async () => (await pair.hub.queue.count()) === 0, 60)
})

test('a link in a watched folder is not followed', async (t) => {
  const pair = await startPair(t, {}, { partner: { accept: { unsigned: true, senders: ['*'] } } })
  const outside = join(await tempFolder(t), 'batch')
  await writeFile(outside, 'MAIL FROM:<a@x.test>\nRCPT TO:<one@ship.test>\nDATA\nx\n.\n')
  await symlink(outside, join(pair.ship.in, 'link'))
  await pass(pair.clock, 2 * MINUTE, [pair.hub, pair.ship])
  assert.deepEqual(pair.ship.arrived, [])
})

// --- batches as a tool ------------------------------------------------------------------------------------

test('pack, show, unpack: an mbox goes through a batch of either form and comes back', async (t) => {
  const { hub, ship } = await startPair(t)
  const mbox =
    'From ann@hub.test Thu Jan  1 00:00:00 2026\nSubject: =?utf-8?q?gr=C3=BCn?=\n\n>From the harbour\n.\n\nFrom bob@hub.test Thu Jan  1 00:00:00 2026\nSubject: two\u001b[2J\n\nText\n\n'
  for (const options of [{}, { partner: 'ship' }] as const) {
    const packed = bytes(
      await hub.command('bsmtp pack', { options: { to: 'one@ship.test,two@ship.test', ...options }, input: mbox }),
    )
    const shown = text(await ship.command('bsmtp show', { input: packed }))
    assert.match(shown, 'partner' in options ? /Sealed batch 1 from hub to ship .*, signed by the partner/ : /RFC 2442/)
    assert.match(shown, /0 .*<ann@hub\.test> {2}<one@ship\.test> <two@ship\.test> {2}grün/)
    assert.ok(!shown.includes('\u001b'))
    assert.match(shown, /2 messages$/)
    const back = bytes(await ship.command('bsmtp unpack', { input: packed })).toString()
    assert.equal(back.replace(/^X-Envelope-.*\n/gm, ''), mbox)
    assert.match(back, /^X-Envelope-To: <two@ship\.test>$/m)
    assert.equal(ship.arrived.length, 0)
  }
  const sealed = bytes(
    await hub.command('bsmtp pack', { options: { to: 'one@ship.test', partner: 'ship' }, input: mbox }),
  )
  const taken = await ship.command('bsmtp receive', { arguments: ['hub'], input: sealed })
  assert.match(text(taken), /Batch taken/)
  await ship.deliver()
  assert.equal(ship.arrived.length, 2)
  await assert.rejects(() => hub.command('bsmtp pack', { input: mbox }), /--to/)
  await assert.rejects(
    () => ship.command('bsmtp receive', { arguments: ['hub'], input: 'MAIL FROM:<a@x.test>\n' }),
    /not from a known partner/,
  )
})

test('standard input: a batch of a partner that needs no signature', async (t) => {
  const { ship } = await startPair(t, {}, { partner: { accept: { unsigned: true, senders: ['x.test'] } } })
  const input =
    'MAIL FROM:<a@x.test>\nRCPT TO:<one@ship.test>\nRCPT TO:<nobody@ship.test>\nDATA\nx\n.\nMAIL FROM:<a@x.test>\nRCPT TO:<two@ship.test>\nDATA\ny\n'
  const said = text(await ship.command('bsmtp receive', { arguments: ['hub'], input }))
  assert.match(said, /taken up to message 2: the batch ends within a message/)
  await ship.deliver()
  assert.deepEqual(
    ship.arrived.map(({ to }) => to),
    ['one@ship.test'],
  )
})

test('key: the public key of the server, which the option gives away to no one else', async (t) => {
  const { hub } = await startPair(t)
  const said = text(await hub.command('bsmtp key'))
  assert.match(said, /^Public key of hub: [\w-]{86}$/)
  assert.ok(!said.includes(process.env.IEMS_TEST_HUB ?? 'x'))
})
