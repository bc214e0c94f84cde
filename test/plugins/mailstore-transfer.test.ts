/** Mailboxes as files, and back: what goes out comes in the same. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import type { CommandOutput } from '../../core/index.ts'
import { toZip } from '../../plugins/mailbox/store/transfer/formats.ts'
import { allowed, contentOf, createMailKernel } from '../support/mailstore.ts'
import { tempFolder } from '../support/running-server.ts'

const run = promisify(execFile)
const FLAGS = [['\\Seen', 'work'], [], ['\\Answered', '\\Flagged'], ['\\Draft', '$Label']]
const TEXTS = [
  'Subject: one\r\n\r\nFrom here\r\n>From there\r\nend\r\n',
  'Subject: two\r\n\r\n\r\nFrom a blank line\r\n\r\n',
  `Subject: long\r\n\r\n${'A line.\r\n'.repeat(20_000)}`,
  'Subject: 8 bit\r\n\r\n\xe4\xff\r\n',
]

async function createTransferKernel(t: TestContext) {
  const kernel = await createMailKernel(t)
  const names = ['INBOX', 'Work/Ä 2026']
  allowed(await kernel.mail.create('ann', 'Work/Ä 2026'))
  for (const name of names) {
    const messages = TEXTS.map((text, index) => ({
      content: contentOf(text),
      flags: FLAGS[index] ?? [],
      received: 1_700_000_000_000 + index * 1000,
    }))
    allowed(await kernel.mail.append(await kernel.mailbox('ann', name), messages))
  }
  async function command(
    words: string,
    given: string[],
    options: Record<string, string> = {},
    input = Buffer.alloc(0),
  ) {
    const outputs: CommandOutput[] = []
    const call = {
      arguments: given,
      options,
      signal: new AbortController().signal,
      input: (async function* () {
        yield input
      })(),
    }
    for await (const one of kernel.kernel.commands.get(words)?.run(call) ?? []) outputs.push(one)
    const bytes = Buffer.concat(outputs.flatMap((one) => ('bytes' in one ? [one.bytes] : [])))
    return { bytes, text: outputs.flatMap((one) => ('text' in one ? [one.text] : [])).join('\n') }
  }
  const contents = async (account: string, name: string) =>
    Promise.all(
      (await kernel.entries(account, name)).map(async ({ email, flags, received }) => [
        await kernel.content(email),
        [...flags].sort(),
        received,
      ]),
    )
  return { ...kernel, names, command, contents }
}

for (const format of ['zip', 'maildir'] as const) {
  test(`an account goes out as ${format} and comes back the same`, async (t) => {
    const { command, contents, names } = await createTransferKernel(t)
    const { bytes, text } = await command('mailbox export', ['ann'], { format })
    assert.equal(text, `8 messages of 8 mailboxes`)
    assert.equal((await command('mailbox import', ['bob'], {}, bytes)).text, '8 messages into 2 mailboxes')
    for (const name of names) {
      const expected = await contents('ann', name)
      // A Maildir knows no keywords.
      if (format === 'maildir')
        for (const one of expected) one[1] = (one[1] as string[]).filter((flag) => flag.startsWith('\\'))
      assert.deepEqual((await contents('bob', name)).sort(), expected.sort())
    }
  })
}

test('a mailbox goes out as mbox and comes back the same', async (t) => {
  const { command, contents } = await createTransferKernel(t)
  const { bytes } = await command('mailbox export', ['ann'], { format: 'mbox', mailbox: 'Work/Ä 2026' })
  await command('mailbox import', ['bob'], { mailbox: 'New/Place' }, bytes)
  assert.deepEqual(await contents('bob', 'New/Place'), await contents('ann', 'Work/Ä 2026'))
})

test('an mbox keeps the time at which each message arrived, by UTC where its line names no zone', async (t) => {
  const { command, entries: entriesOf } = await createTransferKernel(t)
  const arrivals = [
    ['From a@far.test Tue Nov 24 10:00:00 2026', '2026-11-24T10:00:00.000Z'],
    ['From - Tue Nov 24 10:00:00 EST 2026', '2026-11-24T15:00:00.000Z'],
    ['From "a b"@far.test Tue Nov  3 10:00:00 2026 +0100', '2026-11-03T09:00:00.000Z'],
    ['From a@far.test Tue, 24 Nov 2026 10:00:00 -0530', '2026-11-24T15:30:00.000Z'],
    // Without a date, or with one that does not exist, it arrives now.
    ['From a@far.test', '2026-01-01T00:00:00.000Z'],
    ['From a@far.test Tue Feb 31 10:00:00 2026', '2026-01-01T00:00:00.000Z'],
  ] as const
  const zone = process.env.TZ
  process.env.TZ = 'America/New_York'
  try {
    const mbox = arrivals.map(([line], at) => `${line}\nSubject: ${at}\n\nHello\n\n`).join('')
    await command('mailbox import', ['bob'], { mailbox: 'Dated' }, Buffer.from(mbox))
  } finally {
    if (zone === undefined) delete process.env.TZ
    else process.env.TZ = zone
  }
  const entries = await entriesOf('bob', 'Dated')
  assert.deepEqual(
    entries.map(({ received }) => new Date(received).toISOString()),
    arrivals.map(([, at]) => at),
  )
})

test("Python's mailbox module reads our mbox and our Maildir, and we read its", {
  skip: existsSync('/usr/bin/python3') ? false : 'python3 (Debian package) is not installed',
}, async (t) => {
  const { command, entries } = await createTransferKernel(t)
  const folder = await tempFolder(t)
  await writeFile(join(folder, 'ours.mbox'), (await command('mailbox export', ['ann'], { format: 'mbox' })).bytes)
  await writeFile(join(folder, 'ours.tar'), (await command('mailbox export', ['ann'], { format: 'maildir' })).bytes)
  const script = `
import mailbox, os, subprocess
os.chdir('${folder}')
box = mailbox.mbox('ours.mbox')
assert [m['subject'] for m in box] == ['one', 'two', 'long', '8 bit'], [m['subject'] for m in box]
assert box[2].get_flags() == 'OFA' or set(box[2].get_flags()) == set('OFA'), box[2].get_flags()
os.mkdir('dir'); subprocess.check_call(['tar', 'xf', 'ours.tar', '-C', 'dir'])
os.makedirs('dir/new', exist_ok=True); os.makedirs('dir/tmp', exist_ok=True)
d = mailbox.Maildir('dir', create=False)
assert sorted(m['subject'] for m in d) == ['8 bit', 'long', 'one', 'two']
out = mailbox.mbox('theirs.mbox'); m = mailbox.mboxMessage('Subject: theirs\\n\\nFrom python\\n'); m.set_flags('RF'); out.add(m); out.flush(); out.close()
print('done')
`
  assert.equal((await run('python3', ['-c', script])).stdout, 'done\n')
  await command('mailbox import', ['bob'], {}, await readFile(join(folder, 'theirs.mbox')))
  assert.deepEqual(
    (await entries('bob')).map(({ flags }) => [...flags].sort()),
    [['\\Flagged', '\\Seen']],
  )
  assert.ok((await readdir(folder)).length > 0)
})

test('what is nothing of the kind is a single message, and what is broken is said to be', async (t) => {
  const { command, entries } = await createTransferKernel(t)
  await command('mailbox import', ['bob'], { mailbox: 'Drafts' }, Buffer.from('Subject: x\r\n\r\ny\r\n'))
  assert.equal((await entries('bob', 'Drafts')).length, 1)
  await assert.rejects(command('mailbox import', ['bob'], {}, Buffer.from('PK\x03\x04 broken')))
  await assert.rejects(command('mailbox import', ['nobody'], {}, Buffer.from('x')), /no account nobody/)
  await assert.rejects(command('mailbox export', ['ann'], { format: 'pst' }), /must be one of/)
})

test('names that no mailbox may have are spelt out in an import, and the administrator is told', async (t) => {
  const { command, contents } = await createTransferKernel(t)
  const hostile = ['Rechnung\u202efdp', 'line\u2028break', 'a//b', 'Work/\u200bhidden']
  async function* messages() {
    for (const mailbox of [...hostile, 'Zuhause'])
      yield {
        mailbox,
        flags: [],
        open: async function* () {
          yield Buffer.from(`Subject: ${mailbox.length}\r\n\r\nx\r\n`)
        },
      }
  }
  const zip = Buffer.concat(await Array.fromAsync(toZip(messages() as never)))
  const safe = ['Rechnung\\u{202e}fdp', 'line\\u{2028}break', 'a/_/b', 'Work/\\u{200b}hidden']
  const { text } = await command('mailbox import', ['bob'], {}, zip)
  for (const name of safe) assert.ok(text.includes(`its mail is in ${name}`), text)
  assert.match(text, /5 messages into 5 mailboxes$/)
  assert.equal((await contents('bob', 'Zuhause')).length, 1)
  // A second import finds the same mailboxes.
  await command('mailbox import', ['bob'], {}, zip)
  for (const name of safe) assert.equal((await contents('bob', name)).length, 2, name)
})
