/**
 * Batches as octets: written and read back, the older forms, sealing, and what strangers may try. With IEMS_TEST_LONG the
 * memory test takes 1 GB instead of 200 MB.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { extensionsOf, type WrittenTransaction, writeBatch } from '../../plugins/smtp/bsmtp/batch.ts'
import { BatchError, type ReadLimits, readBatch } from '../../plugins/smtp/bsmtp/batch-reader.ts'
import { createSecret, readPublic, readSecret } from '../../plugins/smtp/bsmtp/identity.ts'
import { batchesIn, mailOf } from '../../plugins/smtp/bsmtp/mail-form.ts'
import { readManifest, writeManifest } from '../../plugins/smtp/bsmtp/manifest.ts'
import { hashOf, type Label, readParcel, verified, writeLine } from '../../plugins/smtp/bsmtp/parcel.ts'
import { compress, decompress, decrypt, encrypt, SealError } from '../../plugins/smtp/bsmtp/seal.ts'
import { readDetached, signDetached } from '../../plugins/smtp/bsmtp/signature.ts'
import { fc } from '../support/property.ts'

const LIMITS: ReadLimits = { messages: 1000, recipients: 100 }

async function* inChunks(octets: Uint8Array, size = octets.length || 1): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < octets.length; at += size) yield octets.subarray(at, at + size)
}
async function whole(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}

interface Read {
  readonly from: string
  readonly to: readonly string[]
  readonly content: string
  readonly parameters: unknown
  readonly recipients: readonly unknown[]
  readonly refused: readonly string[]
}

async function readAll(octets: Uint8Array, size?: number, limits = LIMITS): Promise<Read[]> {
  const found: Read[] = []
  for await (const { from, parameters, recipients, refused, content } of readBatch(inChunks(octets, size), limits)) {
    const text = (await whole(content)).toString('latin1')
    const to = recipients.map(({ address }) => address)
    found.push({ from, to, content: text, parameters, recipients, refused: refused.map(({ reply }) => reply.text) })
  }
  return found
}

const fixture = (name: string) => readFile(join(import.meta.dirname, '../fixtures/bsmtp', name))
async function batchOf(name: string): Promise<{ octets: Buffer; required: readonly string[] }> {
  const mail = await fixture(name)
  const open = (range?: { start: number; end: number }) =>
    inChunks(range ? mail.subarray(range.start, range.end) : mail)
  const [batch] = await batchesIn({ size: mail.length, open })
  assert.ok(batch)
  return { octets: await whole(batch.open()), required: batch.required }
}

// --- what others write -----------------------------------------------------------------------------------

test('the media type of RFC 2442, plain and in base64, with and without extensions', async () => {
  const plain = await batchOf('plain.eml')
  const [first, second, ...none] = await readAll(plain.octets)
  assert.deepEqual(none, [])
  assert.deepEqual([first?.from, first?.to], ['a@example.org', ['one@example.net', 'two@example.net']])
  assert.match(first?.content ?? '', /\r\n\.a line that begins with a dot\r\nEHLO is only text here\r\n$/)
  assert.deepEqual([second?.from, second?.to], ['', ['three@example.net']])
  const encoded = await batchOf('two-messages.eml')
  assert.deepEqual(encoded.required, ['DSN'])
  const [with_] = await readAll(encoded.octets)
  assert.deepEqual(with_?.parameters, { size: 200, ret: 'HDRS', envid: 'QQ314159' })
  assert.deepEqual(with_?.recipients[0], {
    address: 'one@example.net',
    notify: ['FAILURE'],
    orcpt: 'rfc822;one@example.net',
  })
  assert.deepEqual((await batchOf('unknown-extension.eml')).required, ['DSN', 'X-FROBNICATE'])
})

test('older forms: bare LF, TICK and VERB, no QUIT, addresses without brackets', async () => {
  const old = await readAll(await fixture('old-style.bsmtp'))
  assert.deepEqual(
    old.map(({ from, to }) => [from, to]),
    [['a@example.org', ['one@example.net']]],
  )
  assert.match(old[0]?.content ?? '', /Subject: bare LF\r\n\r\nText\r\n$/)
  const bitnet = 'HELO NODE\r\nTICK 1234\r\nVERB ON\r\nMAIL FROM:a@x.test\r\nRCPT TO:b@y.test\r\nDATA\r\nhi\r\n.\r\n'
  for (const size of [1, 2, 7, 1000]) {
    const found = await readAll(Buffer.from(bitnet), size)
    assert.deepEqual(
      found.map(({ from, to, content }) => [from, to, content]),
      [['a@x.test', ['b@y.test'], 'hi\r\n']],
    )
  }
})

// --- what this server writes ---------------------------------------------------------------------------

test('a batch is the client’s side of an SMTP session, octet by octet', async () => {
  const transaction: WrittenTransaction = {
    mail: 'MAIL FROM:<a@x.test> SIZE=15 BODY=8BITMIME RET=HDRS\r\n',
    rcpts: ['RCPT TO:<b@y.test> NOTIFY=NEVER\r\n'],
    size: 15,
    binary: false,
    open: () => inChunks(Buffer.from('.a\r\n..b\r\nn\u00e9\r\n')),
  }
  assert.equal(
    (await whole(writeBatch('hub.test', [transaction]))).toString(),
    'EHLO hub.test\r\nMAIL FROM:<a@x.test> SIZE=15 BODY=8BITMIME RET=HDRS\r\nRCPT TO:<b@y.test> NOTIFY=NEVER\r\nDATA\r\n..a\r\n...b\r\nn\u00e9\r\n.\r\nQUIT\r\n',
  )
  assert.deepEqual(extensionsOf(transaction), ['SIZE', '8BITMIME', 'DSN'])
})

const word = fc.stringMatching(/^[a-z0-9]{1,12}$/)
const address = fc.tuple(word, word).map(([local, domain]) => `${local}@${domain}.test`)
const octet = fc.integer({ min: 0, max: 255 })
/** Any octets in lines that end with CRLF, dots and half-ends included. */
const textContent = fc
  .array(
    fc.oneof(
      fc.constantFrom('.', '..', '.\r\n.', 'QUIT', 'RSET', '', 'From x'),
      fc.string({ unit: 'binary', maxLength: 40 }).map((text) => text.replace(/[\r\n]/g, '')),
    ),
    { maxLength: 8 },
  )
  .map((lines) => Buffer.from(lines.map((line) => `${line}\r\n`).join('')))
const binaryContent = fc.uint8Array({ maxLength: 300 }).map((octets) => Buffer.from(octets))
const message = fc.record({
  from: fc.option(address, { nil: '' }),
  to: fc.uniqueArray(address, { minLength: 1, maxLength: 4 }),
  notify: fc.constantFrom(undefined, 'NEVER', 'SUCCESS,FAILURE', 'DELAY'),
  priority: fc.option(fc.integer({ min: -9, max: 9 }), { nil: undefined }),
  ret: fc.constantFrom(undefined, 'FULL', 'HDRS'),
  requireTls: fc.boolean(),
  binary: fc.boolean(),
  text: textContent,
  octets: binaryContent,
})

test('any message, envelope and set of parameters is the same behind a batch, however it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 5 }), fc.integer({ min: 1, max: 200 }), async (messages, size) => {
      const transactions = messages.map((one): WrittenTransaction => {
        const content = one.binary ? one.octets : one.text
        const mail = [`MAIL FROM:<${one.from}> SIZE=${content.length}`]
        if (one.binary) mail.push('BODY=BINARYMIME')
        if (one.requireTls) mail.push('REQUIRETLS')
        if (one.priority !== undefined) mail.push(`MT-PRIORITY=${one.priority}`)
        if (one.ret) mail.push(`RET=${one.ret}`)
        const rcpts = one.to.map((to) => `RCPT TO:<${to}>${one.notify ? ` NOTIFY=${one.notify}` : ''}\r\n`)
        return {
          mail: `${mail.join(' ')}\r\n`,
          rcpts,
          size: content.length,
          binary: one.binary,
          open: () => inChunks(content, 7),
        }
      })
      const found = await readAll(await whole(writeBatch('hub.test', transactions)), size)
      assert.deepEqual(
        found,
        messages.map((one) => {
          const content = one.binary ? one.octets : one.text
          const notify = one.notify ? { notify: one.notify.split(',') } : {}
          return {
            from: one.from,
            to: one.to,
            content: content.toString('latin1'),
            parameters: {
              size: content.length,
              ...(one.binary ? { body: 'BINARYMIME' } : {}),
              ...(one.requireTls ? { requireTls: true } : {}),
              ...(one.priority === undefined ? {} : { mtPriority: one.priority }),
              ...(one.ret ? { ret: one.ret } : {}),
            },
            recipients: one.to.map((to) => ({ address: to, ...notify })),
            refused: [],
          }
        }),
      )
    }),
    { numRuns: 150 },
  )
})

test('octets sealed in any way are the same when they are opened, and any change is found', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 150_000, size: 'max' }),
      fc.constantFrom('zstd' as const, 'gzip' as const, 'none' as const),
      fc.integer({ min: 500, max: 100_000 }),
      octet,
      async (given, kind, size, place) => {
        const octets = Buffer.from(given)
        const key = randomBytes(32)
        const sealed = await whole(encrypt(compress(inChunks(octets, size), kind, 3), key))
        const open = (some: Buffer) => whole(decompress(decrypt(inChunks(some, size), key), kind, 1e9))
        assert.ok((await open(sealed)).equals(octets))
        const changed = Buffer.from(sealed)
        const at = Math.floor((place / 256) * changed.length)
        changed[at] = (changed[at] as number) ^ 1
        await assert.rejects(() => open(changed), SealError)
        await assert.rejects(() => open(sealed.subarray(0, at)), SealError)
      },
    ),
    { numRuns: 10 },
  )
  const key = randomBytes(32)
  const two = await whole(encrypt(inChunks(randomBytes(2 * 65_536)), key))
  await assert.rejects(() => whole(decrypt(inChunks(two.subarray(0, 65_552)), key)), SealError, 'a record was cut off')
})

test('keys: what one side seals the other opens, and no third can', () => {
  const [hub, ship, other] = [createSecret(), createSecret(), createSecret()]
  const { key, ephemeral } = readPublic(ship.publicText).encapsulate('build')
  assert.ok(readSecret(ship.secret).decapsulate(ephemeral, 'build').equals(key))
  assert.ok(!readSecret(ship.secret).decapsulate(ephemeral, 'another').equals(key))
  assert.ok(!readSecret(other.secret).decapsulate(ephemeral, 'build').equals(key))
  const signature = readSecret(hub.secret).sign(Buffer.from('text'))
  assert.equal(readPublic(hub.publicText).verify(Buffer.from('text'), signature), true)
  assert.equal(readPublic(other.publicText).verify(Buffer.from('text'), signature), false)
  assert.equal(readPublic(hub.publicText).verify(Buffer.from('test'), signature), false)
  const detached = signDetached(readSecret(hub.secret), 'hub', 5, hashOf(Buffer.from('batch')))
  assert.equal(readDetached(detached)?.isBy(readPublic(hub.publicText)), true)
  assert.equal(readDetached(detached.replace('t=5', 't=6'))?.isBy(readPublic(hub.publicText)), false)
  assert.equal(readDetached(`${detached} `)?.name, 'hub')
  assert.equal(readDetached(detached.slice(0, -1)), undefined)
})

test('mail that carries a batch gives it back, whatever its octets and size', async () => {
  for (const size of [0, 1, 56, 57, 58, 100_000]) {
    const octets = randomBytes(size)
    const mail = await whole(
      mailOf('a@x.test', 'b@y.test', { name: 'n', type: 'application/batch-SMTP', open: () => inChunks(octets, 1000) }),
    )
    assert.ok(
      mail
        .toString('latin1')
        .split('\r\n')
        .every((line) => line.length <= 78),
    )
    const open = (range?: { start: number; end: number }) =>
      inChunks(range ? mail.subarray(range.start, range.end) : mail, 333)
    const [batch] = await batchesIn({ size: mail.length, open })
    assert.ok(batch && (await whole(batch.open())).equals(octets), `${size} octets`)
  }
})

// --- hostile batches -----------------------------------------------------------------------------------

const head = 'EHLO x\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n'
const failing: Readonly<Record<string, string>> = {
  'a line without an end': `EHLO ${'x'.repeat(20_000)}`,
  'commands without a message': 'NOOP\r\n'.repeat(2000),
  'an unknown command': `${head}DATA\r\nx\r\n.\r\nFROB\r\nMAIL FROM:<evil@x.test>\r\n`,
  'an end within a message': `${head}DATA\r\nx\r\n`,
  'an end within a transaction': head,
  'chunks that lie about their size': `${head}BDAT 1000000 LAST\r\nx\r\n`,
  'chunks without a last one': `${head}BDAT 1\r\nxQUIT\r\n`,
  'more messages than allowed': `${head}DATA\r\n.\r\n`.repeat(1001),
  'a NUL in a command': 'EHLO x\r\nMAIL FROM:<a\0@x.test>\r\n',
  'more wrong recipients than allowed': `EHLO x\r\nMAIL FROM:<a@x.test>\r\n${'RCPT TO:<x>\r\n'.repeat(200)}`,
}
for (const [what, text] of Object.entries(failing))
  test(`${what} ends the reading`, async () => {
    for (const size of [1000, 4096]) await assert.rejects(() => readAll(Buffer.from(text, 'latin1'), size), BatchError)
  })

test('commands that reach outside do nothing, and nothing behind QUIT is read', async () => {
  const text = `EHLO x\r\nAUTH PLAIN AGEAYg==\r\nSTARTTLS\r\nETRN x\r\nATRN x\r\nVRFY root\r\nXCLIENT ADDR=127.0.0.1\r\n${head}DATA\r\nx\r\n.\r\nQUIT\r\nMAIL FROM:<evil@x.test>\r\nFROB\r\n`
  assert.deepEqual(
    (await readAll(Buffer.from(text))).map(({ from }) => from),
    ['a@x.test'],
  )
})

test('a message in a message does not end it', async () => {
  const inner = `${head}DATA\r\nx\r\n..\r\nQUIT`
  const text = `${head}DATA\r\n${inner}\r\nend\r\n\n.\n\r\n.\r\nQUIT\r\n`
  const found = await readAll(Buffer.from(text))
  assert.equal(found.length, 1)
  assert.match(found[0]?.content ?? '', /end\r\n\r\n\.\r\n\r\n$/)
})

test('a bomb is cut off at the size that is allowed, whatever its label says', async () => {
  const bomb = zstdCompressSync(Buffer.alloc(50_000_000))
  assert.ok(bomb.length < 10_000)
  await assert.rejects(() => whole(decompress(inChunks(bomb), 'zstd', 1_000_000)), /more than is allowed/)
  await assert.rejects(() => readManifest(inChunks(Buffer.alloc(9_000_000, 'x'), 65_536)), /too long/)
  await assert.rejects(() => whole(decompress(inChunks(Buffer.from('no zstd')), 'zstd', 1000)), SealError)
})

test('labels that lie are refused', async () => {
  const own = readSecret(createSecret().secret)
  const octets = Buffer.from('octets')
  const label: Label = {
    from: 'hub',
    to: 'ship',
    stream: 's',
    batch: 1,
    build: 'b',
    total: 6,
    at: 0,
    size: 6,
    sha256: hashOf(octets),
    zip: 'none',
    made: 1,
  }
  const parcel = async (change: Partial<Label> = {}, body = octets) => {
    const read = await readParcel(inChunks(Buffer.concat([writeLine(own, { ...label, ...change }), body]), 5))
    return whole(verified(read.octets, read.label))
  }
  assert.deepEqual(await parcel(), octets)
  await assert.rejects(() => parcel({ at: 1 }), SealError)
  await assert.rejects(() => parcel({ size: 5 }), SealError)
  await assert.rejects(() => parcel({ from: '../x' } as Partial<Label>), SealError)
  await assert.rejects(() => parcel({}, Buffer.from('octetx')), SealError)
  await assert.rejects(() => parcel({}, Buffer.from('octet')), SealError)
  await assert.rejects(() => parcel({ size: -1 }), SealError)
  await assert.rejects(() => readParcel(inChunks(Buffer.alloc(20_000, 'IEMS-BSMTP/1 '), 1000)), SealError)
  const { rest, manifest } = await readManifest(
    inChunks(Buffer.concat([writeManifest({ done: [], partial: [] }), octets]), 3),
  )
  assert.deepEqual([manifest, (await whole(rest)).toString()], [{ done: [], partial: [] }, 'octets'])
})

// --- memory ------------------------------------------------------------------------------------------------

test('a large batch is packed, sealed, opened and read in constant memory', async () => {
  const chunk = Buffer.from(`${'x'.repeat(76)}\r\n`.repeat(840))
  const chunks = Math.ceil((process.env.IEMS_TEST_LONG ? 1e9 : 2e8) / chunk.length)
  const size = chunks * chunk.length
  const transaction: WrittenTransaction = {
    mail: `MAIL FROM:<a@x.test> SIZE=${size}\r\n`,
    rcpts: ['RCPT TO:<b@y.test>\r\n'],
    size,
    binary: false,
    async *open() {
      for (let left = chunks; left > 0; left--) yield chunk
    },
  }
  const key = randomBytes(32)
  let most = 0
  let octets = 0
  const before = process.memoryUsage().rss
  const sealed = encrypt(compress(writeBatch('hub.test', [transaction]), 'zstd', 3), key)
  for await (const { content } of readBatch(decompress(decrypt(sealed, key), 'zstd', 2e9), LIMITS))
    for await (const part of content) {
      if (octets >> 26 !== (octets + part.byteLength) >> 26) most = Math.max(most, process.memoryUsage().rss - before)
      octets += part.byteLength
    }
  assert.equal(octets, size)
  assert.ok(most < 150e6, `${Math.round(most / 1e6)} MB more`)
})
