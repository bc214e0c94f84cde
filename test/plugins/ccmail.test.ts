/** cc:Mail: the Import/Export format both ways, addresses, the exchange folders, and a migration. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ccmail } from 'iems/plugins/ccmail'
import { simpleParser } from 'mailparser'
import type { CommandOutput } from '../../core/index.ts'
import { fromInternet, toInternet } from '../../plugins/gateway/ccmail/addresses.ts'
import { readDirectory, writeDirectory } from '../../plugins/gateway/ccmail/directory/format.ts'
import { createFolders } from '../../plugins/gateway/ccmail/exchange/folders.ts'
import { receiveFromCc, receiveUndelivered } from '../../plugins/gateway/ccmail/exchange/receive.ts'
import { readCcDate, writeCcDate } from '../../plugins/gateway/ccmail/format/dates.ts'
import { bufferFile } from '../../plugins/gateway/ccmail/format/file.ts'
import { readHex, readMacBinary, writeMacBinary } from '../../plugins/gateway/ccmail/format/files.ts'
import { readMessages, splitStamp } from '../../plugins/gateway/ccmail/format/reader.ts'
import { writeMessage } from '../../plugins/gateway/ccmail/format/writer.ts'
import { fromMail, shortName } from '../../plugins/gateway/ccmail/message/from-mail.ts'
import { toMail } from '../../plugins/gateway/ccmail/message/to-mail.ts'
import { options as schema } from '../../plugins/gateway/ccmail/options.ts'
import { createTranslator } from '../../plugins/gateway/ccmail/translator.ts'
import { createMailKernel } from '../support/mailstore.ts'
import { fc } from '../support/property.ts'
import { tempFolder } from '../support/running-server.ts'

const folder = new URL('../fixtures/ccmail/', import.meta.url)
const fixture = (name: string) => readFile(new URL(name, folder))
const sha256 = (octets: Uint8Array) => createHash('sha256').update(octets).digest('hex')
const OPTIONS = schema.parse({ domain: 'cc.test' })
const translator = createTranslator(OPTIONS, undefined)
const read = (octets: Buffer) => Array.fromAsync(readMessages(bufferFile(octets), translator))
const contentOf = async (item: { open(): AsyncIterable<Buffer> } | undefined) =>
  Buffer.concat(item ? await Array.fromAsync(item.open()) : [])

interface Expected {
  readonly size: number
  readonly sha256: string
  readonly messages?: readonly {
    readonly sender?: string
    readonly to?: readonly string[]
    readonly cc?: readonly string[]
    readonly date?: string
    readonly subject?: string
    readonly items?: readonly {
      readonly kind: string
      readonly size: number
      readonly name?: string
      readonly sha256?: string
    }[]
  }[]
}

test('the samples have what they must have', async () => {
  const all = JSON.parse((await fixture('expected.json')).toString()) as Record<string, Expected>
  for (const [name, expected] of Object.entries(all)) {
    const octets = await fixture(name)
    assert.equal(octets.length, expected.size)
    assert.equal(sha256(octets), expected.sha256)
    const messages = name.startsWith('directory') ? [] : await read(octets)
    for (const [n, wanted] of (expected.messages ?? []).entries()) {
      const { message, findings } = messages[n] ?? assert.fail(`${name} has no message ${n}`)
      assert.deepEqual(findings, [])
      if (wanted.sender !== undefined) assert.equal(message.from, wanted.sender)
      if (wanted.to) assert.deepEqual(message.to, wanted.to)
      if (wanted.cc) assert.deepEqual(message.cc, wanted.cc)
      if (wanted.date !== undefined) assert.equal(message.date, wanted.date)
      assert.equal(message.subject, wanted.subject)
      for (const [m, item] of (wanted.items ?? []).entries()) {
        const found = message.items[m]
        assert.equal(found?.kind, item.kind)
        assert.equal(found?.size, item.size)
        if (item.name !== undefined) assert.equal(found?.title, item.name)
        if (item.sha256 !== undefined) assert.equal(sha256(await contentOf(found)), item.sha256)
      }
    }
  }
})

test('without sizes an item ends at the next label', async () => {
  const [first, second] = await read(await fixture('plain.txt'))
  assert.deepEqual(first?.message.to, ['Smith, Ann at BRANCH', 'Poe, Ed at MAIN'])
  assert.equal((await contentOf(first?.message.items[0])).toString(), 'First line\r\nSecond line\r\n')
  assert.equal(second?.message.items[0]?.title, 'Note')
})

test('a wrong size, a missing Contents and an unknown label are findings, and reading goes on', async () => {
  const octets = (await fixture('two.ccm')).toString('latin1')
  const wrong = await read(Buffer.from(octets.replace('\r\n71\r\n', '\r\n60\r\n'), 'latin1'))
  assert.equal(wrong.at(-1)?.message.subject, 'RE: With a file')
  assert.match(wrong[0]?.findings.join() ?? '', /does not lead to a label/)
  const plain = (await fixture('plain.txt')).toString()
  const [damaged, whole] = await read(Buffer.from(plain.replace('Contents:\r\n', 'Colour: red\r\n')))
  assert.match(damaged?.damage ?? '', /Contents/)
  assert.match(damaged?.findings.join() ?? '', /unknown label Colour/)
  assert.equal(whole?.message.subject, 'Second')
})

test('what is written is read again, whatever is in it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ isFile: fc.boolean(), octets: fc.uint8Array({ maxLength: 300 }) }), { maxLength: 5 }),
      fc.string({ unit: 'grapheme-ascii', maxLength: 60 }),
      fc.integer({ min: 0, max: 11 }),
      async (given, subject, columns) => {
        const items = given.map(({ isFile, octets }, n) => ({
          kind: isFile ? ('file' as const) : ('text' as const),
          title: isFile ? `F${n}.BIN` : '',
          octets: Buffer.from(octets),
        }))
        const message = { from: 'Doe, John at MAIN', date: '6/12/01 14:05', to: ['A at B'], cc: [], subject, items }
        const octets = writeMessage(message, { encode: translator.encode, columns })
        const twice = await read(Buffer.concat([octets, octets]))
        assert.equal(twice.length, 2)
        for (const one of twice) {
          assert.deepEqual(one.findings, [])
          for (const [n, item] of one.message.items.entries()) assert.deepEqual(await contentOf(item), items[n]?.octets)
          assert.equal(one.message.items.length, items.length)
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('files with octets and labels changed neither end the reader nor hold it up', async () => {
  const octets = await fixture('two.ccm')
  const words = [
    'Message:\r\n',
    'Contents:\r\n',
    'Text item:\r\n',
    'File item: A\r\n',
    '99999999\r\n',
    '0\r\n',
    '\n\n\n',
    ':',
  ]
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(octets.length), fc.constantFrom(...words), fc.nat(30)), { minLength: 1, maxLength: 10 }),
      async (changes) => {
        let changed = octets
        for (const [at, word, gone] of changes)
          changed = Buffer.concat([changed.subarray(0, at), Buffer.from(word), changed.subarray(at + gone)])
        for (const { message } of await read(changed)) {
          const mail = await toMail(message, { translator })
          for await (const piece of mail.open()) assert.ok(piece)
        }
      },
    ),
    { numRuns: 150 },
  )
})

test('addresses follow the rule of the old product, and come back', () => {
  const address = (text: string, more = {}) => toInternet(text, { ...OPTIONS, ...more })
  assert.equal(address('Doe, John at PO'), 'John_Doe_at_PO@cc.test')
  assert.equal(address('Doe, John at PO', { order: 'last' }), 'Doe_John_at_PO@cc.test')
  assert.equal(address('Doe, John at PO', { withoutPostOffice: true, separator: '.' }), 'John.Doe@cc.test')
  assert.equal(address('Admin at HUB_2'), 'Admin_at_HUB__2@cc.test')
  assert.equal(address('ed@example.org at internet'), 'ed@example.org')
  for (const text of ['Doe, John at PO', 'Admin at HUB_2', 'Doe, Ann_Lee at MAIN'])
    assert.deepEqual(Object.values(fromInternet(address(text) ?? '', OPTIONS) ?? {}).join(' at '), text)
  assert.equal(fromInternet('ed@example.org', OPTIONS), undefined)
})

test('dates have the order and the zone that an administrator says', () => {
  const vienna = { order: 'mdy', zone: 'Europe/Vienna' } as const
  assert.equal(readCcDate('6/12/01 14:05', vienna), Date.UTC(2001, 5, 12, 12, 5))
  assert.equal(readCcDate('12.06.98 2:05 PM', { order: 'dmy', zone: 'UTC' }), Date.UTC(1998, 5, 12, 14, 5))
  assert.equal(readCcDate('2001-06-12 0:05', vienna), Date.UTC(2001, 5, 11, 22, 5))
  assert.equal(readCcDate('soon', vienna), undefined)
  assert.equal(readCcDate('1/1/99999999', vienna), undefined)
  assert.equal(readCcDate('12/31/9999 23:59', vienna), Date.UTC(9999, 11, 31, 22, 59))
  const at = Date.UTC(2026, 0, 31, 23, 30)
  assert.equal(readCcDate(writeCcDate(at, vienna), vienna), at)
  assert.deepEqual(splitStamp('A FILE.BIN 6/12/01 2:04 PM'), { title: 'A FILE.BIN', stamp: '6/12/01 2:04 PM' })
  assert.deepEqual(splitStamp('REPORT 6/12/01'), { title: 'REPORT 6/12/01' })
})

test('file items in every form', async () => {
  const resume = {
    name: 'Résumé',
    octets: Buffer.from('data'),
    mac: { type: 'TEXT', creator: 'ttxt', flags: 1, resource: Buffer.from('fork') },
  }
  const octets = writeMacBinary(resume, translator.encode)
  assert.deepEqual(readMacBinary(octets, translator.decode), resume)
  assert.equal(readMacBinary(Buffer.concat([Buffer.alloc(1), octets.subarray(0, 200)]), translator.decode), undefined)
  assert.equal(readHex(Buffer.from('4142\r\n43\r\n'))?.toString(), 'ABC')
  assert.equal(readHex(Buffer.from('not hex')), undefined)
  assert.equal(shortName('Annual report 2001.xlsx'), 'ANNUAL_R.XLS')
  const message = {
    from: 'Doe, John at MAIN',
    date: '6/12/01 14:05',
    to: ['ed@example.org at internet'],
    cc: [],
    subject: 'Mac',
    items: [{ kind: 'file' as const, title: 'RESUME', octets }],
  }
  const [one] = await read(writeMessage(message, { encode: translator.encode }))
  const types = async (attachments: 'keep' | 'native' | 'apple') => {
    const mail = await toMail(one?.message ?? assert.fail(), {
      translator: createTranslator({ ...OPTIONS, attachments }, undefined),
    })
    const parsed = await simpleParser(Buffer.concat(await Array.fromAsync(mail.open())))
    return parsed.attachments[0]
  }
  assert.equal((await types('keep'))?.contentType, 'application/applefile')
  assert.equal((await types('native'))?.content.toString(), 'data')
  assert.equal((await types('apple'))?.contentType, 'application/applefile')
})

test('a message for cc:Mail names its recipients alone, within the limits of a post office', async () => {
  const octets = Buffer.from(
    [
      'From: Ed <ed@example.org>',
      'To: John_Doe_at_MAIN@cc.test, other@example.org',
      'Cc: Ann_Smith_at_BRANCH@cc.test',
      `Subject: ${'long '.repeat(20)}`,
      'Date: Tue, 12 Jun 2001 14:05:00 +0000',
      'Disposition-Notification-To: ed@example.org',
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: text/plain; charset=utf-8',
      '',
      `Grüße ${'x'.repeat(30_000)}`,
      '--b',
      'Content-Type: application/octet-stream; name="A long name.data"',
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.from('file').toString('base64'),
      '--b--',
      '',
    ].join('\r\n'),
  )
  const recipients = ['John_Doe_at_MAIN@cc.test', 'Ann_Smith_at_BRANCH@cc.test']
  const written = await fromMail(
    { octets, from: 'ed@example.org', recipients, now: 0 },
    createTranslator({ ...OPTIONS, shortNames: true, supposedLabels: true }, undefined),
  )
  const [one] = await read(written)
  const { message } = one ?? assert.fail()
  assert.equal(message.from, 'ed@example.org at internet')
  assert.deepEqual([message.to, message.cc], [['Doe, John at MAIN'], ['Smith, Ann at BRANCH']])
  assert.equal(message.subject.length <= 60, true)
  assert.equal(message.isReceiptWanted, true)
  assert.deepEqual(
    message.items.map(({ title }) => title),
    ['', 'Unnamed.txt', 'A_LONG_N.DAT'],
  )
  const [text, long] = message.items
  assert.match((await contentOf(text)).toString('latin1'), /Subject: long long.*\r\nTo: other@example\.org/)
  assert.ok((await contentOf(long)).includes(Buffer.from([0x47, 0x72, 0x81, 0xe1, 0x65])))
})

test('our mail, exported and read again, is the same mail', async () => {
  const text = 'Hello\r\nFrom: nobody\r\nMessage:\r\nend\r\n'
  const octets = Buffer.from(
    `From: John_Doe_at_MAIN@cc.test\r\nTo: Ann_Smith_at_BRANCH@cc.test\r\nSubject: Round\r\nDate: Tue, 12 Jun 2001 14:05:00 +0000\r\n\r\n${text}`,
  )
  const written = await fromMail(
    { octets, from: 'John_Doe_at_MAIN@cc.test', recipients: ['Ann_Smith_at_BRANCH@cc.test'], now: 0 },
    translator,
  )
  const [one] = await read(written)
  const mail = await simpleParser(
    Buffer.concat(await Array.fromAsync((await toMail(one?.message ?? assert.fail(), { translator })).open())),
  )
  assert.equal(mail.text, text.replaceAll('\r\n', '\n'))
  assert.equal(mail.subject, 'Round')
  assert.equal(mail.from?.value[0]?.address, 'John_Doe_at_MAIN@cc.test')
  assert.equal(mail.date?.toISOString(), '2001-06-12T14:05:00.000Z')
})

test('directory files are read by the first four letters of their labels, and written exactly', async () => {
  const octets = await fixture('directory.txt')
  const { entries, unknown } = readDirectory(octets.toString())
  assert.deepEqual(
    entries.map(({ name, location }) => `${location} ${name}`),
    ['L Doe, John', 'P BRANCH', 'R Smith, Ann', 'A Sales'],
  )
  assert.deepEqual(unknown, [])
  assert.deepEqual(
    readDirectory(writeDirectory(entries)).entries.map(({ name }) => name),
    ['BRANCH', 'Doe, John', 'Smith, Ann', 'Sales'],
  )
  assert.deepEqual(readDirectory('Name: A\r\nColour: red\r\n').unknown, ['Colour: red'])
})

// --- the exchange folders ---------------------------------------------------------------------------------

async function exchange(t: Parameters<typeof tempFolder>[0]) {
  const root = await tempFolder(t)
  const kernel = await createMailKernel(t, {
    channels: { cc: ccmail({ domain: 'cc.test', folder: root }, { accepts: 'anyone' }) },
  })
  const folders = createFolders(root, { quietMs: 1000, now: () => Date.now() })
  await folders.make()
  const old = async (path: string, octets: Buffer | string) => {
    await writeFile(join(root, path), octets)
    await utimes(join(root, path), 1, 1)
  }
  const sent: { from: string; to: readonly unknown[]; once?: string | undefined; content: string }[] = []
  const replies = { code: 250, enhanced: '2.0.0' as string }
  const log = { info() {}, warn() {}, error() {}, debug() {} } as never
  const deps = {
    ...{ folders, translator, log, now: () => 0 },
    async submit(message: { from: string; to: readonly unknown[]; content: unknown; once?: string }) {
      const pieces: Buffer[] = []
      if (typeof message.content === 'string') pieces.push(Buffer.from(message.content))
      else for await (const piece of message.content as AsyncIterable<Buffer>) pieces.push(Buffer.from(piece))
      sent.push({ from: message.from, to: message.to, once: message.once, content: Buffer.concat(pieces).toString() })
      return { reply: { ...replies, text: 'x' } as never, ...(replies.code === 250 ? { id: '1' } : {}), refused: [] }
    },
  } as Parameters<typeof receiveFromCc>[0]
  return { root, kernel, old, deps, sent, replies }
}

const FROM_CC = {
  from: 'Doe, John at MAIN',
  date: '6/12/01 14:05',
  to: ['ed@example.org at internet', 'Poe, Ed at MAIN'],
  cc: [],
  subject: 'Out',
  items: [{ kind: 'text' as const, title: '', octets: Buffer.from('Hi\r\n') }],
}

test('a file from cc:Mail is handed in once, and only when it is whole and not locked', async (t) => {
  const { root, old, deps, sent, replies } = await exchange(t)
  const octets = writeMessage(FROM_CC, { encode: translator.encode })
  await writeFile(join(root, 'in/NEW.CCM'), octets)
  await old('in/LOCKED.CCM', octets)
  await old('in/LOCKED.LCK', '')
  assert.equal(await receiveFromCc(deps), 0)
  await old('in/A.CCM', octets)
  replies.code = 451
  replies.enhanced = '4.3.0'
  assert.equal(await receiveFromCc(deps), 0)
  assert.ok((await readdir(join(root, 'in'))).includes('A.CCM'))
  replies.code = 250
  replies.enhanced = '2.0.0'
  assert.equal(await receiveFromCc(deps), 1)
  assert.deepEqual(sent.at(-1)?.to, ['ed@example.org'])
  assert.equal(sent.at(-1)?.from, 'John_Doe_at_MAIN@cc.test')
  // The key is the same, so that the kernel takes a repeated one for the same.
  assert.equal(sent[0]?.once, sent[1]?.once)
  assert.deepEqual((await readdir(join(root, 'in'))).sort(), ['LOCKED.CCM', 'LOCKED.LCK', 'NEW.CCM'])
})

test('a refused recipient is told in cc:Mail, and a damaged message goes to bad alone', async (t) => {
  const { root, old, deps, replies } = await exchange(t)
  const good = writeMessage(FROM_CC, { encode: translator.encode })
  await old('in/A.CCM', Buffer.concat([Buffer.from('Message:\r\nFrom: X at Y\r\n'), good]))
  replies.code = 550
  replies.enhanced = '5.1.1'
  await receiveFromCc(deps)
  const [bounce] = await readdir(join(root, 'out'))
  const [told] = await read(await readFile(join(root, 'out', bounce ?? '')))
  assert.deepEqual(told?.message.to, ['Doe, John at MAIN'])
  assert.match((await contentOf(told?.message.items[0])).toString(), /ed@example\.org: 550/)
  assert.equal((await readdir(join(root, 'bad'))).length, 1)
  assert.deepEqual(await readdir(join(root, 'in')), [])
})

test('what cc:Mail could not deliver is a report to the sender', async (t) => {
  const { root, old, deps, sent } = await exchange(t)
  await old(
    'und/CCMAIL.UND',
    writeMessage(
      { ...FROM_CC, from: 'ed@example.org at internet', to: ['Gone, Al at MAIN'] },
      { encode: translator.encode },
    ),
  )
  assert.equal(await receiveUndelivered(deps), 1)
  assert.equal(sent[0]?.from, '')
  assert.deepEqual(sent[0]?.to, ['ed@example.org'])
  assert.match(sent[0]?.content ?? '', /Final-Recipient: x-ccmail; Gone, Al at MAIN/)
  assert.deepEqual(await readdir(join(root, 'und')), [])
})

test('mail for cc:Mail users is a file in out, and only one however often it is tried', async (t) => {
  const { root, kernel } = await exchange(t)
  const message = { from: 'ed@example.org', to: ['John_Doe_at_MAIN@cc.test'], content: 'Subject: In\r\n\r\nHello\r\n' }
  await kernel.submit(message)
  await kernel.deliver()
  const names = await readdir(join(root, 'out'))
  assert.equal(names.length, 1)
  assert.match(names[0] ?? '', /^[0-9A-F]{8}\.CCM$/)
  const [one] = await read(await readFile(join(root, 'out', names[0] ?? '')))
  assert.deepEqual(one?.message.to, ['Doe, John at MAIN'])
})

test('a migration has nested and empty folders, and files nothing twice', async (t) => {
  const kernel = await createMailKernel(t, { plugins: [ccmail({ domain: 'cc.test' })] })
  const root = await tempFolder(t)
  await mkdir(root, { recursive: true })
  const options = { encode: translator.encode, supposed: true }
  const file = Buffer.concat([
    writeMessage({ ...FROM_CC, folder: 'Projects\\2001' }, options),
    writeMessage({ ...FROM_CC, folder: 'Clipboard' }, options),
    writeMessage({ ...FROM_CC, subject: 'Two' }, options),
    writeMessage({ ...FROM_CC, subject: 'Two' }, options),
  ])
  await writeFile(join(root, 'mail.ccm'), file)
  await writeFile(join(root, 'folders'), 'Inbox\nOld\\Empty\n')
  const run = async (more: Record<string, string | true> = {}) => {
    const outputs: CommandOutput[] = []
    const call = {
      arguments: [join(root, 'mail.ccm'), 'ann'],
      options: { folders: join(root, 'folders'), ...more },
      signal: new AbortController().signal,
      input: (async function* () {})(),
    }
    for await (const one of kernel.kernel.commands.get('ccmail import')?.run(call) ?? []) outputs.push(one)
    return outputs.flatMap((one) => ('value' in one ? [one.value as Record<string, unknown>] : [])).at(-1)
  }
  assert.equal((await run())?.filed, 3)
  assert.equal((await run())?.filed, 0)
  const names = (await kernel.mail.mailboxes('ann')).map(({ name }) => name)
  for (const name of ['Projects/2001', 'Old/Empty']) assert.ok(names.includes(name), name)
  assert.equal((await kernel.entries('ann')).length, 2)
  assert.equal((await kernel.entries('ann', 'Projects/2001'))[0]?.received, Date.UTC(2001, 5, 12, 14, 5))
  await run({ shared: 'Boards/News' })
  const board = await kernel.mailbox('ann', 'Boards/News')
  assert.equal(board.acl.anyone, 'lrs')
})

test('files that items name by a path come from the folder that the administrator names, and from nowhere else', async (t) => {
  const kernel = await createMailKernel(t, { plugins: [ccmail({ domain: 'cc.test' })] })
  const root = await tempFolder(t)
  await mkdir(join(root, 'files'))
  await writeFile(join(root, 'files', 'plan.doc'), 'the plan')
  await writeFile(join(root, 'secret.txt'), 'a secret')
  await symlink(join(root, 'secret.txt'), join(root, 'files', 'link.txt'))
  const paths = ['C:\\out\\plan.doc', '..\\secret.txt', '/srv/link.txt']
  const text = [
    ...['Message:', 'From: Doe, John at MAIN', 'Date: 6/12/01 14:05', 'To: Ann at MAIN', 'Subject: Paths', 'Contents:'],
    ...['Text item:', 'See the files', ...paths.map((path) => `File Item: ${path}`), ''],
  ].join('\r\n')
  await writeFile(join(root, 'mail.ccm'), text)
  const outputs = await kernel.command('ccmail import', {
    arguments: [join(root, 'mail.ccm'), 'ann'],
    options: { files: join(root, 'files') },
  })
  const lost = outputs.flatMap((one) => ('text' in one && one.text.includes('is not in the export') ? [one.text] : []))
  assert.equal(lost.length, 2, lost.join('\n'))
  const [entry] = await kernel.entries('ann')
  const mail = await kernel.content(entry?.email ?? '')
  assert.ok(mail.includes('filename=plan.doc') || mail.includes('filename="plan.doc"'))
  assert.ok(mail.includes(Buffer.from('the plan').toString('base64')))
  assert.ok(!mail.includes(Buffer.from('a secret').toString('base64')))
})
