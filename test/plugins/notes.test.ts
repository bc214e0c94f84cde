/** Notes databases and DXL as messages: inspected, converted, and imported into mailboxes, once and again. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { notes } from 'iems/plugins/notes'
import { simpleParser } from 'mailparser'
import type { CommandOutput } from '../../core/index.ts'
import { memoryStore } from '../../core/store/memory.ts'
import type { NotesArchive } from '../../plugins/gateway/notes/archive/model.ts'
import { nsfArchive } from '../../plugins/gateway/notes/archive/nsf.ts'
import { openDxl } from '../../plugins/gateway/notes/dxl/archive.ts'
import { readDxlTime } from '../../plugins/gateway/notes/dxl/values.ts'
import { calendarOf } from '../../plugins/gateway/notes/message/calendar.ts'
import { convert } from '../../plugins/gateway/notes/message/convert.ts'
import { mailboxOf, noAddressBook, parseName } from '../../plugins/gateway/notes/names.ts'
import { bufferSource } from '../../plugins/gateway/notes/nsf/source.ts'
import { createMailKernel, type MailKernel } from '../support/mailstore.ts'
import { documentWith, notesFixture, nsfFixture } from '../support/notes.ts'
import { tempFolder } from '../support/running-server.ts'

const OPTIONS = { book: noAddressBook, domain: 'notes.invalid', replicaId: '85256A0000000001' }
const DXL = new URL('../fixtures/notes/mail.dxl', import.meta.url).pathname
const open = (name: string) => nsfArchive(bufferSource(nsfFixture(name)))

async function messageOf(archive: NotesArchive, id: string) {
  const document = (await Array.fromAsync(archive.documents())).find((one) => one.id === id)
  assert.ok(document)
  const converted = await convert(document, { ...OPTIONS, replicaId: archive.replicaId })
  assert.ok(converted)
  const octets = Buffer.concat(await Array.fromAsync(converted.open()))
  return { converted, octets, mail: await simpleParser(octets) }
}

const sha256 = (octets: Uint8Array) => createHash('sha256').update(octets).digest('hex')

// --- messages ---------------------------------------------------------------------------------------------

test('a memo of 1992 becomes a message with its text and file', async () => {
  const { converted, octets, mail } = await messageOf(await open('hfinn'), '20FA')
  assert.equal(mail.subject, 'Re: APISUPP.NSF Stub attached')
  assert.equal(mail.from?.text, '"Martin Cox" <Martin_Cox@notes.invalid>')
  assert.equal(mail.date?.toISOString(), '1992-04-12T20:31:17.000Z')
  assert.match(mail.text ?? '', /^Attached please find the replica stub/)
  assert.equal(mail.attachments[0]?.filename, 'APISUPP.NSF')
  assert.equal(
    sha256(mail.attachments[0]?.content ?? Buffer.alloc(0)),
    'f5f91e1faf8bbdbf5cd9f0e33fc7db977ca7e1cc23166e61b26bb3f36cc3a5b0',
  )
  assert.deepEqual(converted.lost, [])
  assert.equal(converted.header.isSent, true)
  assert.ok(converted.flags.includes('API_2.1'))
  // Every line is of a length that mail carries.
  assert.ok(
    octets
      .toString('latin1')
      .split('\r\n')
      .every((line) => line.length < 998),
  )
})

test('native MIME keeps its parts, and those in objects have their content', async () => {
  const { mail, octets } = await messageOf(await open('MIMEMsg'), '8FE')
  const names = mail.attachments.map(({ filename }) => filename)
  assert.ok(names.includes('Plain.txt') && names.includes('Sample.jpg') && names.includes('sampleBMP.bmp'))
  const digest = (name: string) =>
    sha256(mail.attachments.find(({ filename }) => filename === name)?.content ?? Buffer.alloc(0))
  assert.equal(digest('Sample.jpg'), '446772a09c4942fb51a301bb38fc73dfcdf456ef5cac74721b31b5b891a08a3f')
  assert.equal(digest('sampleBMP.bmp'), '5d6d7614e8df65d8b2f78a1e9237fab681cff8370e183a0b85049cb4b6602693')
  assert.match(octets.toString('latin1'), /^Received: by CN=wangxz-test\/O=ibm/m)
  assert.equal(mail.messageId?.startsWith('<OF'), true)
})

test('rich text has its table, styles, links and files where they stood', async () => {
  const { mail } = await messageOf(await open('attachment'), '902')
  assert.match(String(mail.html), /<table/)
  assert.equal(mail.attachments[0]?.filename, 'tms.log')
  assert.match(mail.text ?? '', /\[tms\.log\]/)
  const doclinks = await messageOf(await open('ftsearch'), '2132')
  assert.match(String(doclinks.mail.html), /href="notes:\/\/\//)
})

test('a response names its parent, by the id that the parent has', async () => {
  const archive = await open('ftsearch')
  const parent = await messageOf(archive, '20FA')
  const child = await messageOf(archive, '20FE')
  assert.equal(child.mail.inReplyTo, parent.mail.messageId)
})

test('a document gives the same octets each time', async () => {
  const archive = await open('apiug')
  for await (const document of archive.documents()) {
    const converted = await convert(document, OPTIONS)
    if (!converted) continue
    const [one, two] = [await Array.fromAsync(converted.open()), await Array.fromAsync(converted.open())]
    assert.equal(sha256(Buffer.concat(one)), sha256(Buffer.concat(two)))
  }
})

// --- DXL ----------------------------------------------------------------------------------------------------

test('DXL gives the same model', async () => {
  const archive = await openDxl(DXL)
  const expected = JSON.parse(notesFixture('expected-dxl.json').toString())
  const documents = await Array.fromAsync(archive.documents())
  assert.equal(documents.length, expected.documents)
  assert.deepEqual(
    (await archive.folders()).map(({ path }) => path.join('\\')),
    expected.folders,
  )
  assert.equal(archive.replicaId, '85256A0000000001')
  assert.deepEqual(
    (await archive.acl()).map(({ name }) => name),
    ['-Default-', 'CN=John Doe/O=Acme'],
  )
  const { mail, converted, octets } = await messageOf(archive, '8F6')
  assert.equal(mail.attachments.at(-1)?.filename, expected.file.name)
  assert.equal(sha256(mail.attachments.at(-1)?.content ?? Buffer.alloc(0)), expected.file.sha256)
  assert.equal(mail.date?.toISOString(), '2001-06-12T12:05:00.000Z')
  assert.match(octets.toString(), /^X-Priority: 1 \(Highest\)\r\nImportance: high\r$/m)
  assert.match(String(mail.html), /<span style="color: red"><b>bold<\/b><\/span>, tab:(?:&nbsp;){3} end<br>second line/)
  assert.match(
    String(mail.html),
    /<a href="notes:\/\/\/85256A0000000001\/0\/85256A00000000008525000000000011">a link<\/a>/,
  )
  assert.equal(converted.header.received, Date.UTC(2001, 5, 12, 12, 5, 10, 520))
  const reply = await messageOf(archive, '8FA')
  assert.equal(reply.mail.inReplyTo, '<85256A00000000008525000000000010.85256A0000000001@notes.invalid>')
  assert.match(String(reply.mail.html), /text-align: center/)
  const mime = await messageOf(archive, '8FE')
  assert.equal(mime.mail.subject, 'Grüße')
  assert.equal(mime.mail.text?.trim(), 'Grüße')
  assert.equal(mime.mail.from?.value[0]?.address, 'ann@acme.example')
  const person = await messageOf(archive, '902')
  assert.match(person.octets.toString(), /Content-Type: text\/vcard/)
  assert.equal(person.converted.kind, 'contact')
})

test('dates of DXL', () => {
  assert.deepEqual(readDxlTime('20010612T140510,52+02'), { at: Date.UTC(2001, 5, 12, 12, 5, 10, 520), offset: 120 })
  assert.deepEqual(readDxlTime('20010612T140510,52-0330')?.at, Date.UTC(2001, 5, 12, 17, 35, 10, 520))
  assert.deepEqual(readDxlTime('20010612'), { at: Date.UTC(2001, 5, 12), isDay: true })
  assert.equal(readDxlTime('soon'), undefined)
})

test('DXL that is damaged or hostile is read as far as it goes', async (t) => {
  const folder = await tempFolder(t)
  const whole = await readFile(DXL, 'utf8')
  const bomb = `<!DOCTYPE database [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>`
  const forms = {
    cut: whole.slice(0, whole.indexOf('Re: Rich text')),
    broken: whole.replace('</richtext>', '</rich>').replace('<run>Thanks', '<run <Thanks'),
    bomb: whole.replace(/<!DOCTYPE[^>]*>/, bomb).replace('<text>Memo</text>', '<text>&c;</text>'),
    external: whole.replace(/<!DOCTYPE[^>]*>/, '<!DOCTYPE database SYSTEM "file:///etc/passwd">'),
  }
  for (const [name, text] of Object.entries(forms)) {
    const path = join(folder, `${name}.dxl`)
    await writeFile(path, text)
    const archive = await openDxl(path)
    const documents = await Array.fromAsync(archive.documents())
    assert.ok(documents.length >= 1, name)
    for (const document of documents) await convert(document, OPTIONS)
  }
  await writeFile(join(folder, 'no.dxl'), '<html/>')
  await assert.rejects(openDxl(join(folder, 'no.dxl')), /not DXL/)
})

// --- names and calendar -----------------------------------------------------------------------------------

test('names in every spelling', async () => {
  assert.deepEqual(parseName('CN=John Doe/OU=Sales/O=Acme'), {
    common: 'John Doe',
    abbreviated: 'John Doe/Sales/Acme',
    canonical: 'CN=John Doe/OU=Sales/O=Acme',
  })
  assert.equal(parseName('John Doe/Sales/Acme @ Acme').domain, 'Acme')
  assert.equal(parseName('John Doe/Sales/Acme').canonical, 'CN=John Doe/OU=Sales/O=Acme')
  const book = {
    addressOf: async ({ abbreviated }: { abbreviated: string }) =>
      abbreviated === 'Ann/Acme' ? 'ann@here.test' : undefined,
  }
  const address = async (text: string) => (await mailboxOf(text, book, 'notes.invalid'))?.address
  assert.equal(await address('CN=Ann/O=Acme@Acme'), 'ann@here.test')
  assert.equal(await address('"Ed" <ed@example.org>'), 'ed@example.org')
  assert.equal(await address('John Doe/Acme'), 'John_Doe/Acme@notes.invalid')
  assert.equal(await address('Jörg "J" Doe'), '"J_rg_\\"J\\"_Doe"@notes.invalid')
  assert.equal(await address(''), undefined)
})

test('an invitation is a request with its people, and an all-day event has dates', async () => {
  const start = Date.UTC(2001, 5, 12, 8)
  const notice = documentWith({
    Form: ['Notice'],
    NoticeType: ['I'],
    Subject: ['Budget; second'],
    StartDateTime: start,
    EndDateTime: start + 3_600_000,
    Chair: ['CN=Ann/O=Acme'],
    RequiredAttendees: ['CN=Bob/O=Acme', 'ed@example.org'],
    ApptUNID: ['B'.repeat(32)],
    $Alarm: ['1'],
    $AlarmOffset: ['-15'],
  })
  const options = { book: noAddressBook, domain: 'notes.invalid', description: 'Bring\nfigures' }
  const entry = await calendarOf(notice, options)
  const text = entry?.text.replaceAll('\r\n ', '') ?? ''
  assert.equal(entry?.method, 'REQUEST')
  for (const line of [
    'DTSTART:20010612T080000Z',
    'SUMMARY:Budget\\; second',
    'DESCRIPTION:Bring\\nfigures',
    'ORGANIZER;CN="Ann":mailto:Ann/Acme@notes.invalid',
    'ATTENDEE;ROLE=REQ-PARTICIPANT;RSVP=TRUE:mailto:ed@example.org',
    `UID:${'B'.repeat(32)}`,
    'TRIGGER:-PT15M',
  ])
    assert.ok(text.includes(`${line}\r\n`), `${line} in ${text}`)
  const event = await calendarOf(
    documentWith({ Form: ['Appointment'], AppointmentType: ['2'], StartDateTime: start }),
    options,
  )
  assert.match(event?.text ?? '', /DTSTART;VALUE=DATE:20010612\r\n/)
  assert.equal(event?.isEntry, true)
})

// --- commands ---------------------------------------------------------------------------------------------

async function command(
  kernel: Pick<MailKernel, 'kernel'>,
  words: string,
  given: string[],
  options: Record<string, string | true> = {},
  signal = new AbortController().signal,
) {
  const outputs: CommandOutput[] = []
  const call = { arguments: given, options, signal, input: (async function* () {})() }
  const found = kernel.kernel.commands.get(words)
  assert.ok(found, words)
  for await (const one of found.run(call)) outputs.push(one)
  const values = outputs.flatMap((one) => ('value' in one ? [one.value as Record<string, unknown>] : []))
  const bytes = Buffer.concat(outputs.flatMap((one) => ('bytes' in one ? [one.bytes] : [])))
  return { values, bytes, text: outputs.flatMap((one) => ('text' in one ? [one.text] : [])).join('\n') }
}

const LIST = [
  'folder\t($Inbox)\t85256A00000000008525000000000010',
  'folder\tProjects\t85256A00000000008525000000000010',
  'folder\tProjects\t85256A00000000008525000000000011',
  'folder\tOld\\Nested\\Empty',
  'unread\tCN=John Doe/O=Acme\t85256A00000000008525000000000010',
].join('\n')

async function mailFile(t: TestContext) {
  const folder = await tempFolder(t)
  const path = join(folder, 'ann.dxl')
  await writeFile(path, await readFile(DXL))
  await writeFile(`${path}.list`, LIST)
  return { folder, path }
}

test('an import has folders (nested and empty), flags and dates, and the same result when it is run again', async (t) => {
  const kernel = await createMailKernel(t, { plugins: [notes()] })
  const { path } = await mailFile(t)
  const first = await command(kernel, 'notes import', [path, 'ann'])
  const [report] = first.values
  assert.equal(report?.filed, 5)
  assert.equal(report?.copies, 1)
  const names = (await kernel.mail.mailboxes('ann')).map(({ name }) => name)
  for (const name of ['Projects', 'Projects/2001/Empty', 'Old/Nested/Empty', 'Contacts'])
    assert.ok(names.includes(name), name)
  const [inbox] = await kernel.entries('ann')
  assert.equal(inbox?.received, Date.UTC(2001, 5, 12, 12, 5, 10, 520))
  assert.equal(inbox?.flags.includes('\\Seen'), false)
  assert.equal((await kernel.entries('ann', 'Projects')).length, 2)
  assert.ok((await kernel.entries('ann', 'Projects'))[0]?.flags.includes('\\Seen') !== undefined)
  const again = await command(kernel, 'notes import', [path, 'ann'])
  assert.equal(again.values[0]?.filed, 0)
  assert.equal(again.values[0]?.already, 5)
  assert.equal((await kernel.entries('ann')).length, 1)
  assert.deepEqual(again.values[0]?.mailboxes, report?.mailboxes)
  const counts = (report?.mailboxes ?? []) as { name: string; inNotes: number; here: number }[]
  assert.ok(counts.length > 3)
  assert.deepEqual(
    counts.filter((one) => one.inNotes !== one.here),
    [],
  )
})

test('an import that ended between filing and noting files nothing twice', async (t) => {
  const store = memoryStore()
  const { path } = await mailFile(t)
  // The third commit of the plugin notes what was filed: it fails, as after a kill.
  let commits = 0
  let isBroken = true
  const breaking = new Proxy(store, {
    get(target, name) {
      if (name !== 'commit') return Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)
      return async (ops: readonly object[], checks?: never) => {
        const isLedger = ops.some((op) => 'put' in op && Buffer.from((op as { put: Uint8Array }).put).includes('filed'))
        if (isBroken && isLedger && ++commits === 2) throw new Error('killed')
        return target.commit(ops as never, checks)
      }
    },
  })
  const kernel = await createMailKernel(t, { plugins: [notes()], store: breaking })
  await assert.rejects(command(kernel, 'notes import', [path, 'ann']))
  isBroken = false
  const { values } = await command(kernel, 'notes import', [path, 'ann'])
  assert.ok(Number(values[0]?.recovered) > 0)
  const count = async (name: string) => (await kernel.entries('ann', name)).length
  assert.deepEqual([await count('INBOX'), await count('Projects'), await count('Contacts')], [1, 2, 2])
})

test('a list of users is imported by their files, and a file that cannot be read stops no other', async (t) => {
  const kernel = await createMailKernel(t, { plugins: [notes()] })
  const { folder } = await mailFile(t)
  await writeFile(join(folder, 'bob.nsf'), nsfFixture('hfinn'))
  await writeFile(join(folder, 'bad.nsf'), 'nothing')
  await writeFile(
    join(folder, 'users'),
    'ann.dxl\tann\nbad.nsf\tbob\nbob.nsf\tbob\tCN=Priscilla Bishop/OU=CAM/O=Lotus\n',
  )
  await assert.rejects(command(kernel, 'notes import', [join(folder, 'users')], { users: true }), /1 of 3/)
  const [memo] = await kernel.entries('bob', 'Sent')
  assert.equal(memo?.flags.includes('\\Seen'), false)
  assert.equal((await kernel.entries('ann')).length, 1)
  await assert.rejects(command(kernel, 'notes import', ['relative.nsf', 'ann']), /absolute/)
})

test('a database is inspected and converted without an account', async (t) => {
  const kernel = await createMailKernel(t, { plugins: [notes()] })
  const folder = await tempFolder(t)
  const path = join(folder, 'mail.nsf')
  const before = nsfFixture('MIMEMsg')
  await writeFile(path, before)
  const { values, text } = await command(kernel, 'notes inspect', [path])
  assert.equal(values[0]?.documents, 3)
  assert.match(text, /MIME messages/)
  const mbox = await command(kernel, 'notes convert', [path], { format: 'mbox' })
  assert.equal(mbox.bytes.toString('latin1').match(/^From MAILER-DAEMON /gm)?.length, 3)
  const zip = await command(kernel, 'notes convert', [path])
  assert.equal(zip.bytes.toString('latin1', 0, 2), 'PK')
  const tar = await command(kernel, 'notes convert', [path], { format: 'maildir' })
  assert.equal(tar.bytes.toString('latin1', 257, 262), 'ustar')
  // The old product changed NOTES.INI and desktop files; here nothing is written but the answer.
  assert.deepEqual(await readFile(path), before)
})

test('two hundred users are migrated, ended in the middle, and come to the same result', async (t) => {
  const users = Array.from({ length: 200 }, (_, n) => `user${n}`)
  const people = users.map((name) => ({ name, addresses: [`${name}@here.test`] }))
  const kernel = await createMailKernel(t, { people, plugins: [notes()] })
  const folder = await tempFolder(t)
  const item = (name: string, value: string) => `<item name='${name}'><text>${value}</text></item>`
  for (const [n, name] of users.entries()) {
    const documents = [0, 1, 2].map((m) => {
      const unid = (n * 10 + m).toString(16).toUpperCase().padStart(32, '0')
      const items = [item('Form', 'Memo'), item('Subject', `Message ${m}`), item('SendTo', name), item('Body', 'Hello')]
      const dates = ['PostedDate', 'DeliveredDate'].map(
        (date) => `<item name='${date}'><datetime>20010612T14050${m},00+02</datetime></item>`,
      )
      return `<document form='Memo'><noteinfo noteid='${m}' unid='${unid}'/>${[...items, ...dates].join('')}</document>`
    })
    const folders = ["<folder name='($Inbox)'/>", "<folder name='Old\\Empty'/>"]
    const replica = n.toString(16).padStart(16, '0')
    const text = `<database xmlns='http://www.lotus.com/dxl' replicaid='${replica}'>${folders.join('')}${documents.join('')}</database>`
    await writeFile(join(folder, `${name}.dxl`), text)
  }
  const ended = new AbortController()
  const call = { arguments: [folder], options: {}, signal: ended.signal, input: (async function* () {})() }
  let seen = 0
  await assert.rejects(async () => {
    for await (const one of kernel.kernel.commands.get('notes import')?.run(call) ?? [])
      if ('value' in one && ++seen === 70) ended.abort()
  })
  const { values } = await command(kernel, 'notes import', [folder])
  assert.deepEqual(values.at(-1), { accounts: 200, filed: 390, already: 210, failed: 0 })
  const again = await command(kernel, 'notes import', [folder])
  assert.deepEqual(again.values.at(-1), { accounts: 200, filed: 0, already: 600, failed: 0 })
  for (const name of users) {
    const subjects = await Promise.all(
      (await kernel.entries(name, 'Archive')).map(
        async ({ email }) => /^Subject: (.*)\r$/m.exec(await kernel.content(email))?.[1],
      ),
    )
    assert.deepEqual(subjects, ['Message 0', 'Message 1', 'Message 2'])
    assert.ok(await kernel.mail.find(name, 'Old/Empty'))
  }
})
