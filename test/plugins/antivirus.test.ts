/** Viruses in every form, with a real clamd; and what is done about what it finds. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accept, definePlugin, format } from 'iems'
import { antivirus } from 'iems/plugins/antivirus'
import { missing } from 'iems/testing'
import * as yazl from 'yazl'
import * as z from 'zod'
import { fieldsOf } from '../support/antispam.ts'
import {
  type AntivirusOptions,
  ATTACHED,
  attached,
  base64,
  CLAMD,
  EICAR,
  EICAR_NAME,
  forwarded,
  letter,
  nested,
  quotedPrintable,
  type Settings,
  single,
  startAntivirus,
  startClamd,
  uuencoded,
  withPart,
} from '../support/antivirus.ts'

const skip = missing(CLAMD)

async function zipped(octets: Buffer | string, name = 'file.com'): Promise<Buffer> {
  const zip = new yazl.ZipFile()
  zip.addBuffer(Buffer.from(octets as string, 'latin1'), name)
  zip.end()
  return Buffer.concat(await Array.fromAsync(zip.outputStream as unknown as AsyncIterable<Buffer>))
}

/** As if it were encrypted: that bit in both headers. */
async function encrypted(): Promise<Buffer> {
  const zip = await zipped('secret')
  zip.writeUInt16LE(zip.readUInt16LE(6) | 1, 6)
  const central = zip.indexOf('PK\x01\x02')
  zip.writeUInt16LE(zip.readUInt16LE(central + 8) | 1, central + 8)
  return zip
}

const text = (encoding: string, body: string) =>
  withPart(`Content-Type: text/plain\r\nContent-Transfer-Encoding: ${encoding}\r\n`, body)
const MULTI = 'Content-Type: multipart/mixed; boundary="o"\r\n'

const FORMS: Readonly<Record<string, string | (() => Promise<string>)>> = {
  plain: letter(EICAR),
  'plain, without end of line': letter(`${EICAR}`),
  'base64, as the whole': single(ATTACHED, base64(EICAR)),
  'base64, as a part': attached(EICAR),
  'base64, a letter a line': withPart(ATTACHED, base64(EICAR).trim().split('').join('\r\n')),
  'quoted-printable': withPart(ATTACHED.replace('base64', 'quoted-printable'), quotedPrintable(EICAR)),
  'with LF alone': attached(EICAR).replaceAll('\r\n', '\n'),
  'without the last boundary': attached(EICAR).replace('--b--', ''),
  zipped: async () => attached(await zipped(EICAR)),
  'zipped twice': async () => attached(await zipped(await zipped(EICAR), 'inner.zip')),
  uuencoded: letter(`Hello\r\n\r\n${uuencoded(EICAR)}`),
  'uuencoded and zipped': async () => letter(uuencoded(await zipped(EICAR), 'begin 644 a.zip')),
  'the second that is uuencoded': letter(`${uuencoded('harmless')}\r\nmore\r\n${uuencoded(EICAR)}`),
  'uuencoded in a text part': text('7bit', `Hello\r\n${uuencoded(EICAR)}`),
  'uuencoded before the first part': single(
    MULTI,
    `${uuencoded(EICAR)}\r\n--o\r\nContent-Type: text/plain\r\n\r\nHello\r\n--o--\r\n`,
  ),
  'uuencoded after the last part': single(
    MULTI,
    `--o\r\nContent-Type: text/plain\r\n\r\nHello\r\n--o--\r\n${uuencoded(EICAR)}`,
  ),
  'a message in a message': forwarded(1, attached(EICAR)),
  'a message in a base64 part': withPart(
    'Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n',
    base64(attached(EICAR, 'inner')),
  ),
  'ten levels of messages': forwarded(10, attached(EICAR)),
}

/** What clamd alone calls clean. */
const MISSED: Readonly<Record<string, string>> = {
  'uuencoded in quoted-printable': text('quoted-printable', quotedPrintable(`Hello\r\n${uuencoded(EICAR)}`)),
  'uuencoded in base64': text('base64', base64(`Hello\r\n${uuencoded(EICAR)}`)),
  'uuencoded, with a mode of four digits': letter(uuencoded(EICAR, 'begin 0644 eicar.com')),
  'uuencoded, without a mode': letter(uuencoded(EICAR, 'begin  eicar.com')),
  'uuencode -m': letter(`Hello\r\nbegin-base64 644 eicar.com\r\n${base64(EICAR)}====\r\n`),
  'thirty levels of parts': nested(30, ATTACHED, base64(EICAR)),
  'thirty levels, as plain text': nested(30, 'Content-Type: text/plain\r\n', EICAR),
  'thirty levels, uuencoded in base64': nested(
    30,
    'Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n',
    base64(`Hello\r\n${uuencoded(EICAR)}`),
  ),
  'thirty levels of messages': forwarded(30, attached(EICAR)),
  'base64 with padding in it': withPart(ATTACHED, `${base64('X')}${base64(EICAR.slice(1))}`),
  'base64 padded on each line': withPart(
    ATTACHED,
    (EICAR.match(/.{1,10}/g) ?? []).map((some) => Buffer.from(some).toString('base64')).join('\r\n'),
  ),
  'base64 with padding in it, thirty levels deep': nested(30, ATTACHED, `${base64('X')}${base64(EICAR.slice(1))}`),
  'base64 around parts': single(
    'Content-Type: multipart/mixed; boundary="b"\r\nContent-Transfer-Encoding: base64\r\n',
    base64(`--b\r\n${ATTACHED}\r\n${base64(EICAR)}\r\n--b--\r\n`),
  ),
  'a part whose header does not end': withPart(ATTACHED.trimEnd(), base64(EICAR).trim()),
  'uuencoded, with lines mended once too often': letter(uuencoded(EICAR).replaceAll('\r\n', '\r\r\n')),
  'without a header': EICAR,
  'with CR alone': `Received: x\r${attached(EICAR).replaceAll('\r\n', '\r')}`,
  'on top, as if it were trace': `Received: x\r\n${'\r'}\n${EICAR}\r\n`,
  'ninety levels': nested(45, 'Content-Type: message/rfc822\r\n', nested(45, ATTACHED, base64(EICAR))),
}

test('EICAR is found in every form that clamd takes apart', { skip }, async (t) => {
  const { server } = await startClamd(t)
  const { send } = await startAntivirus(t, { options: { servers: [server] } })
  const refused = `554 5.7.1 This message contains a virus: ${EICAR_NAME} (`
  for (const [form, given] of Object.entries(FORMS)) {
    const content = typeof given === 'string' ? given : await given()
    assert.ok(format((await send({ content })).reply).startsWith(refused), form)
    const harmless = typeof given === 'string' ? content.replaceAll(EICAR, 'harmless') : letter()
    if (!harmless.includes(base64(EICAR).slice(0, 20)) && harmless !== content)
      assert.equal((await send({ content: harmless })).reply.code, 250, form)
  }
  const { reply: clean, findings } = await send()
  assert.deepEqual([clean.code, findings.antivirus, findings['antivirus-name']], [250, 'clean', undefined])
})

test('and in forms that clamd by itself calls clean', { skip }, async (t) => {
  const { tcp } = await startClamd(t)
  const { send } = await startAntivirus(t, { options: { servers: [tcp] } })
  for (const [form, content] of Object.entries(MISSED))
    assert.match((await send({ content })).reply.text, /contains a virus: Eicar/, form)
})

// --- what is done ---

test('a virus is refused, bounced, discarded, held or told, as the admin wants', { skip }, async (t) => {
  const { server } = await startClamd(t)
  const start = (virus: AntivirusOptions['virus'], settings: Settings = {}) =>
    startAntivirus(t, { ...settings, options: { servers: [server], virus } })
  const content = attached(EICAR)

  const discards = await start('discard')
  assert.equal((await discards.send({ content })).reply.code, 250)
  await discards.deliver()
  assert.deepEqual([await discards.queue.count(), discards.delivered.length], [0, 0])
  const [discarded] = discards.events.filter(({ name }) => name === 'message.discarded')
  assert.equal(discarded?.reason, `antivirus: virus ${EICAR_NAME}`)

  const holds = await start('quarantine')
  assert.equal((await holds.send({ content })).reply.code, 250)
  await holds.deliver()
  assert.deepEqual([await holds.queue.count({ held: true }), holds.delivered.length], [1, 0])
  const [held] = await holds.run('antivirus quarantine')
  assert.equal(held?.why, `antivirus: virus ${EICAR_NAME}`)
  await holds.run('antivirus release', { args: [held?.id as string] })
  await holds.deliver()
  assert.equal(holds.delivered.length, 1)
  await assert.rejects(holds.run('antivirus release', { args: [held?.id as string] }), /Nothing of that name/)
  await holds.send({ content })
  const [second] = await holds.run('antivirus quarantine')
  await holds.run('antivirus remove', { args: [second?.id as string] })
  await holds.deliver()
  assert.deepEqual([await holds.queue.count(), holds.delivered.length], [0, 1])

  const tags = await start('tag')
  const { reply, findings } = await tags.send({ content })
  assert.deepEqual([reply.code, findings.antivirus, findings['antivirus-name']], [250, 'virus', EICAR_NAME])
  await tags.deliver()
  const [tagged = ''] = tags.delivered.map(({ content }) => content)
  assert.deepEqual(fieldsOf(tagged, 'X-Virus-Status'), [`virus (${EICAR_NAME})`])
  assert.deepEqual(fieldsOf(tagged, 'X-Virus-Scanned'), ['clamd at mx.test'])
})

test('a bounced virus is not delivered, and the report does not give it back', { skip }, async (t) => {
  const { server } = await startClamd(t)
  const { send, deliver, delivered, queue } = await startAntivirus(t, {
    options: { servers: [server], virus: 'bounce' },
  })
  assert.equal((await send({ content: letter(EICAR), parameters: { ret: 'FULL' } })).reply.code, 250)
  await deliver()
  assert.deepEqual([delivered.length, await queue.count()], [1, 0])
  const [report] = delivered
  assert.deepEqual([report?.from, report?.to], ['', ['ann@a.test']])
  assert.match(report?.content ?? '', /554 5\.7\.1 This message contains a virus: Eicar[\s\S]*text\/rfc822-headers/)
  assert.doesNotMatch(report?.content ?? '', /EICAR-STANDARD/)
})

test('what is encrypted, too large or cannot be scanned has policies of its own', { skip }, async (t) => {
  const { server } = await startClamd(t, ['AlertEncrypted yes', 'AlertExceedsMax yes', 'StreamMaxLength 1M'])
  const { send } = await startAntivirus(t, { options: { servers: [server], maxSize: '3 MB' } })
  const strict = await startAntivirus(t, {
    options: { servers: [server], maxSize: '3 MB', encrypted: 'refuse', oversize: 'refuse', unscannable: 'refuse' },
  })
  const large = (octets: number) => letter('0123456789abcde\r\n'.repeat(octets / 17))
  const partial = single('Content-Type: message/partial; id="x"; number=1; total=2\r\n', 'a part\r\n')
  const cases: readonly [content: string, kind: string, name: RegExp, enhanced: string][] = [
    [attached(await encrypted()), 'encrypted', /^Heuristics\.Encrypted\.Zip$/, '5.7.1'],
    [large(4_000_000), 'oversize', /^larger than 3000000 octets$/, '5.3.4'],
    [large(2_500_000), 'oversize', /^StreamMaxLength$/, '5.3.4'],
    [nested(30, ATTACHED, base64('harmless')), 'oversize', /^Heuristics\.Limits\.Exceeded\.MaxRecursion$/, '5.3.4'],
    [partial, 'unscannable', /^a fragment of a message$/, '5.6.0'],
    [withPart(partial.slice(partial.indexOf('Content-Type')), ''), 'unscannable', /^a fragment/, '5.6.0'],
  ]
  for (const [content, kind, name, enhanced] of cases) {
    const { reply, findings } = await send({ content })
    assert.deepEqual([reply.code, findings.antivirus], [250, kind], kind)
    assert.match(`${findings['antivirus-name']}`, name)
    assert.equal((await strict.send({ content })).reply.enhanced, enhanced, kind)
  }
  const held = await startAntivirus(t, { options: { servers: [server] } })
  await held.send({ content: partial })
  assert.equal(
    await held.queue.count({ held: true }),
    1,
    'what cannot be scanned is held unless the admin says otherwise',
  )
})

test('what is made to be costly ends by its limits', { skip }, async (t) => {
  const { server } = await startClamd(t)
  const { send } = await startAntivirus(t, { options: { servers: [server], unscannable: 'refuse' } })
  const lines = (line: string, count: number) => `${line}\r\n`.repeat(count)
  const boundaries = Array.from(
    { length: 90 },
    (_, n) => `Content-Type: multipart/mixed; boundary=n${n}\r\n\r\n--n${n}\r\n`,
  )
  const costly: readonly [what: string, content: string, code: number][] = [
    ['levels', nested(150, 'Content-Type: text/plain\r\n', 'x'), 554],
    ['messages', forwarded(150, letter()), 554],
    ['uuencoded files', letter(lines('begin 644 x\r\n#86)C\r\nend', 2000)), 554],
    ['fields', withPart(lines('X-A: b', 20_000), 'x'), 554],
    ['false beginnings', letter(lines('begin 644 x', 10_000)), 250],
    ['lines like boundaries', single(boundaries.join(''), lines('--', 100_000)), 250],
    ['one line', letter('x'.repeat(5_000_000)), 250],
    ['short uuencoded lines', letter(`begin 644 x\r\n${lines('M', 20_000)}`), 250],
    ['a folded field', withPart(`Content-Type: text/plain;\r\n${lines(' a=b;', 300_000)}`, 'x'), 554],
    [
      'a boundary of brackets',
      single(`Content-Type: multipart/mixed; boundary="${'\\"'.repeat(40_000)}\r\n`, 'x'),
      250,
    ],
  ]
  for (const [what, content, code] of costly) assert.equal((await send({ content })).reply.code, code, what)
})

test('incoming, outgoing and local mail are scanned where the plugin stands', { skip }, async (t) => {
  const { server } = await startClamd(t)
  const there = definePlugin({
    name: 'there',
    config: z.undefined(),
    setup: (_, { name }) => ({
      hooks: {
        route: ({ to }) => (to.address.endsWith('@there.test') ? { channel: name, nexthop: 'x' } : undefined),
      },
      deliver: async ({ recipients }) =>
        recipients.map((recipient) => ({ recipient, status: 'delivered' as const, reply: accept(250, '2.0.0', 'ok') })),
    }),
  })
  const start = (settings: Settings['settings']) =>
    startAntivirus(t, {
      options: { servers: [server] },
      ...(settings ? { settings } : {}),
      kernel: { channels: { there: there(undefined, { accepts: 'anyone' }) } },
    })
  const content = attached(EICAR)
  const outgoing = await start({ to: ['there'] })
  assert.equal((await outgoing.send({ content })).reply.code, 250)
  assert.equal((await outgoing.send({ content, to: ['eve@there.test'] })).reply.code, 554)
  assert.equal((await outgoing.send({ content, to: ['bob@here.test', 'eve@there.test'] })).reply.code, 554)
  const incoming = await start({ from: ['in'] })
  assert.equal((await incoming.send({ content })).reply.code, 554)
  const second = antivirus({ servers: [server], virus: 'quarantine' }, { as: 'antivirus-out', to: ['there'] })
  const both = await startAntivirus(t, {
    options: { servers: [server] },
    settings: { to: ['out'] },
    plugins: [second],
    kernel: { channels: { there: there(undefined, { accepts: 'anyone' }) } },
  })
  assert.equal((await both.send({ content })).reply.code, 554)
  assert.equal((await both.send({ content, to: ['eve@there.test'] })).reply.code, 250)
  assert.equal(await both.queue.count({ held: true }), 1)
  assert.equal((await both.run('antivirus-out quarantine')).length, 1)
  const submitted = { from: 'ann@here.test', to: ['bob@here.test'], content, channel: 'webmail' }
  assert.equal((await incoming.submit(submitted)).reply.code, 250)
  assert.equal((await (await start({})).submit(submitted)).reply.code, 554)
})

test('what others say in our name is removed', { skip }, async (t) => {
  const { server } = await startClamd(t)
  const { send, deliver, delivered } = await startAntivirus(t, { options: { servers: [server] } })
  const forged = `X-Virus-Status: clean\r\nx-virus-scanned: by me\r\n${attached('harmless')}`
  await send({ content: forged })
  await deliver()
  const [content = ''] = delivered.map(({ content }) => content)
  assert.deepEqual(fieldsOf(content, 'X-Virus-Status'), ['clean'])
  assert.deepEqual(fieldsOf(content, 'X-Virus-Scanned'), ['clamd at mx.test'])
})

test('a file is scanned by hand', { skip }, async (t) => {
  const { server } = await startClamd(t)
  const { run } = await startAntivirus(t, { options: { servers: [server], maxSize: '1 MB' } })
  const scan = async (input: string | Buffer) => (await run('antivirus scan', { input }))[0]
  assert.deepEqual(await scan(EICAR), { kind: 'virus', name: EICAR_NAME })
  assert.deepEqual(await scan(await zipped(EICAR)), { kind: 'virus', name: EICAR_NAME })
  assert.deepEqual(await scan(`Return-Path: <a@b>\r\n${FORMS.uuencoded}`), { kind: 'virus', name: EICAR_NAME })
  assert.deepEqual(await scan('harmless'), { kind: 'clean', name: '' })
  assert.deepEqual(await scan(''), { kind: 'clean', name: '' })
  assert.deepEqual(await scan('x'.repeat(1_000_001)), { kind: 'oversize', name: 'larger than 1000000 octets' })
})
