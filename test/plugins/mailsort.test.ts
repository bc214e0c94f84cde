// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Sieve

/** Scripts at delivery: mail is filed, refused, answered and reported; scripts are stored; rules go to Sieve and back. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import * as z from 'zod'
import { definePlugin, type PluginEntry } from '../../core/index.ts'
import { isScriptRefused, Mailsort, type MailsortApi, type Rule } from '../../plugins/mailbox/mailsort/api.ts'
import { mailsort } from '../../plugins/mailbox/mailsort/index.ts'
import { readRules } from '../../plugins/mailbox/mailsort/rules/from-sieve.ts'
import { writeRules } from '../../plugins/mailbox/mailsort/rules/to-sieve.ts'
import { compileScript, createSieve } from '../../plugins/mailbox/mailsort/sieve/index.ts'
import { createMailKernel } from '../support/mailstore.ts'
import { fc } from '../support/property.ts'

async function createSortingKernel(
  t: TestContext,
  options: Parameters<typeof mailsort>[0] = {},
  more: readonly PluginEntry[] = [],
) {
  const lent: { sort?: MailsortApi } = {}
  const borrow = definePlugin({
    name: 'borrow-mailsort',
    config: z.undefined(),
    needs: [Mailsort],
    setup(_, ctx) {
      lent.sort = ctx.use(Mailsort)
      return {}
    },
  })
  const kernel = await createMailKernel(t, { plugins: [mailsort(options), borrow(), ...more] })
  const sort = lent.sort as MailsortApi
  return {
    ...kernel,
    sort,
    async script(text: string, account = 'ann') {
      const done = await sort.put(account, 'main', text)
      assert.ok(!isScriptRefused(done), JSON.stringify(done))
      assert.equal(await sort.activate(account, 'main'), undefined)
    },
    async send(content: string, from = 'me@far.test', to = 'ann@here.test') {
      await kernel.submit({ from, to: [to], content: content.replaceAll('\n', '\r\n') })
      await kernel.deliver()
    },
    /** `INBOX:1 \Seen, Work:2`. */
    async filed(account = 'ann') {
      const found: string[] = []
      for (const { name, messages } of await kernel.mail.mailboxes(account)) {
        if (messages === 0) continue
        const [entry] = await kernel.entries(account, name)
        found.push([`${name}:${messages}`, ...(entry?.flags ?? [])].join(' '))
      }
      return found.join(', ')
    },
    async text(account: string, mailbox = 'INBOX', index = 0) {
      const entry = (await kernel.entries(account, mailbox))[index]
      return kernel.content(entry?.email ?? '')
    },
  }
}

const MESSAGE = 'From: me@far.test\nTo: ann@here.test\nSubject: hello world\nMessage-ID: <1@far.test>\n\ntext\n'

test('the active script files mail', async (t) => {
  const kernel = await createSortingKernel(t)
  const cases: readonly [string, string][] = [
    ['require ["fileinto", "mailbox"]; fileinto :create "Work";', 'Work:1'],
    [
      'require ["fileinto", "mailbox", "imap4flags"]; fileinto :create :flags "\\\\Seen" "Flagged";',
      'Flagged:1 \\Seen, Work:1',
    ],
    [
      'require ["fileinto", "copy"]; if mailboxexists "Work" { fileinto :copy "Work"; }'.replace(
        '"copy"',
        '"copy", "mailbox"',
      ),
      'Flagged:1 \\Seen, INBOX:1, Work:2',
    ],
    ['discard;', 'Flagged:1 \\Seen, INBOX:1, Work:2'],
    ['require "imap4flags"; addflag "\\\\Flagged"; keep;', 'Flagged:1 \\Seen, INBOX:2, Work:2'],
    ['require "fileinto"; fileinto "Nowhere";', 'Flagged:1 \\Seen, INBOX:3, Work:2'],
    [
      'require ["fileinto", "special-use"]; fileinto :specialuse "\\\\Junk" "Other";',
      'Flagged:1 \\Seen, INBOX:3, Junk:1, Work:2',
    ],
  ]
  for (const [script, wanted] of cases) {
    await kernel.script(script)
    await kernel.send(MESSAGE)
    assert.equal(await kernel.filed(), wanted, script)
  }
  assert.deepEqual((await kernel.entries('ann'))[1]?.flags, ['\\Flagged'])
})

test('reject tells the sender, redirect sends on', async (t) => {
  const kernel = await createSortingKernel(t)
  await kernel.script('require "reject"; reject "No mail,\r\nplease";')
  await kernel.send(MESSAGE.replace('me@far.test', 'bob@here.test'), 'bob@here.test')
  await kernel.deliver()
  assert.match(await kernel.text('bob'), /No mail, please/)
  await kernel.script('redirect "bob@here.test";')
  await kernel.send(MESSAGE)
  await kernel.deliver()
  assert.equal((await kernel.entries('bob')).length, 2)
  assert.equal(await kernel.filed(), '')
})

test('a script changes what is filed and what is sent on, each mailbox for itself', async (t) => {
  const kernel = await createSortingKernel(t)
  await kernel.script(
    'require ["fileinto", "mailbox", "editheader", "copy", "replace", "enclose"]; fileinto :create "Plain"; addheader "X-Project" "ü"; redirect :copy "bob@here.test"; deleteheader "Subject"; fileinto :create "Edited"; fileinto :create "Again"; enclose :subject "Inside" "See below."; keep;',
  )
  const junk = 'Return-Path: <x@y.test>\n'
  await kernel.submit({
    from: 'me@far.test',
    to: ['ann@here.test', 'bob@here.test'],
    content: (junk + MESSAGE).replaceAll('\n', '\r\n'),
  })
  await kernel.deliver()
  await kernel.deliver()
  assert.equal(await kernel.filed(), 'Again:1, Edited:1, INBOX:1, Plain:1')
  const [plain, edited, again, inbox, sent] = await Promise.all([
    ...['Plain', 'Edited', 'Again', 'INBOX'].map((name) => kernel.text('ann', name)),
    kernel.text('bob', 'INBOX', 1),
  ])
  assert.match(plain ?? '', /^Delivered-To: ann@here\.test\r\nReturn-Path: <me@far\.test>\r\n/)
  assert.match(
    edited ?? '',
    /^Delivered-To: ann@here\.test\r\nReturn-Path: <me@far\.test>\r\nX-Project: =\?utf-8\?B\?w7w=\?=\r\n/,
  )
  assert.doesNotMatch(edited ?? '', /^Subject:/m)
  assert.equal(again, edited)
  const [one, two] = await Promise.all(['Edited', 'Again'].map((name) => kernel.entries('ann', name)))
  assert.equal(one?.[0]?.email, two?.[0]?.email, 'one email in two mailboxes')
  assert.match(inbox ?? '', /^Subject: Inside\r$[\s\S]*^Content-Type: message\/rfc822\r\n\r\nX-Project:/m)
  assert.match(sent ?? '', /^X-Project: [\s\S]*^Subject: hello world\r$/m)
  assert.match(await kernel.text('bob'), /^Subject: hello world\r$/m, 'another recipient has the message as it came')
  const sizes = await Promise.all(['Plain', 'Edited', 'INBOX'].map((name) => kernel.entries('ann', name)))
  assert.deepEqual(
    sizes.map(([entry]) => entry?.size),
    [plain, edited, inbox].map((text) => Buffer.byteLength(text ?? '')),
  )
})

test('other plugins add tests and actions, which scripts require by their capability', async (t) => {
  const { project } = await import('../../docs/sieve-extension.ts')
  const kernel = await createSortingKernel(t, {}, [project({ open: ['apollo'] })])
  const script = (name: string) =>
    `require ["vnd.example.project", "variables"]; set "name" "${name}"; if project :open "${'${name}'}" { file_project :seen "${'${name}'}"; }`
  assert.ok(kernel.sort.extensions.includes('vnd.example.project'))
  await kernel.script(script('apollo'))
  await kernel.send(MESSAGE.replace('hello', '[apollo]'))
  assert.equal(await kernel.filed(), 'Projects/apollo:1 \\Seen')
  await kernel.script(script('gemini'))
  await kernel.send(MESSAGE.replace('hello', '[gemini]'))
  assert.equal(await kernel.filed(), 'INBOX:1, Projects/apollo:1 \\Seen')
  const why = async (text: string) => {
    const done = await kernel.sort.check('ann', text)
    return isScriptRefused(done) ? done.why : ''
  }
  assert.match(await why('if project "x" { stop; }'), /project needs the extension "vnd\.example\.project"/)
  assert.match(await why('require "vnd.example.project"; if project 1 { stop; }'), /argument 1 of project is a string/)
  assert.match(await why('require "vnd.example.project"; file_project;'), /takes 1 argument, not 0/)
  assert.throws(
    () => kernel.sort.extend({ capability: 'vnd.other', tests: { header: { arguments: {}, test: () => true } } }),
    /header already/,
  )
})

test('a script that fails leaves the message in INBOX and its owner is told once', async (t) => {
  const kernel = await createSortingKernel(t, { limits: { redirects: 0 } })
  await kernel.script('require "fileinto";\nfileinto "Trash";\n redirect "bob@here.test";')
  for (let count = 0; count < 3; count++) await kernel.send(MESSAGE)
  await kernel.deliver()
  const texts = await Promise.all((await kernel.entries('ann')).map(({ email }) => kernel.content(email)))
  assert.equal(texts.length, 4)
  const reports = texts.filter((text) => /^Subject: Your mail filter "main" has failed\r$/m.test(text))
  assert.equal(reports.length, 1)
  assert.match(reports[0] ?? '', /line 3, column 2:\s+more than 0 redirects/)
})

test('a vacation reply goes out once for each sender and period, and never to lists, programs and reports', async (t) => {
  const kernel = await createSortingKernel(t)
  await kernel.script(
    'require "vacation"; vacation :days 7 :subject "Away: ä" :addresses "a@other.test" "Back in May.";',
  )
  const to = (field: string) => MESSAGE.replace('To: ann@here.test', field)
  const replies = async () => {
    await kernel.deliver()
    return (await kernel.entries('bob')).length
  }
  const silent: readonly [string, string?][] = [
    [to('To: someone@else.test'), 'bob@here.test'],
    [MESSAGE, ''],
    [`List-Id: <x.y>\n${MESSAGE}`],
    [`Precedence: bulk\n${MESSAGE}`],
    [`Auto-Submitted: auto-replied\n${MESSAGE}`],
    [MESSAGE, 'ann@here.test'],
    [MESSAGE, 'owner-list@here.test'],
    [`X-Auto-Response-Suppress: OOF\n${MESSAGE}`],
  ]
  for (const [content, from = 'bob@here.test'] of silent) {
    await kernel.send(content, from)
    assert.equal(await replies(), 0, content)
  }
  await kernel.send(MESSAGE, 'bob@here.test')
  await kernel.send(to('Cc: A@OTHER.test'), 'Bob@here.test')
  assert.equal(await replies(), 1)
  await kernel.advance(8 * 86_400_000)
  await kernel.send(`Auto-Submitted: no\n${MESSAGE}`, 'bob@here.test')
  assert.equal(await replies(), 2)
  const reply = await kernel.text('bob')
  assert.match(reply, /^Return-Path: <>\r$/m)
  assert.match(reply, /^From: <ann@here\.test>\r\nTo: <bob@here\.test>\r\nSubject: =\?utf-8\?B\?\S+\?=\r$/m)
  assert.match(reply, /^Auto-Submitted: auto-replied \(vacation\)\r\nIn-Reply-To: <1@far\.test>\r$/m)
})

test('a vacation differs by day, sender and language, has HTML and variables, and can be previewed', async (t) => {
  const kernel = await createSortingKernel(t)
  const day = (ms: number) => new Date(kernel.clock.now() + ms).toISOString().slice(0, 10)
  const rules: Rule[] = [
    {
      ...{ name: 'Holidays', match: 'all' },
      conditions: [
        { kind: 'date', is: 'ge', date: day(2 * 86_400_000) },
        { kind: 'date', is: 'le', date: day(5 * 86_400_000) },
      ],
      actions: [
        {
          ...{
            kind: 'vacation',
            text: 'Away.',
            subject: 'Away: ${subject}',
            html: '<p>Away, ${sender}.</p>',
            variables: true,
          },
          variants: [
            { for: { kind: 'domain', domains: ['here.test'] }, text: 'Ask Cyd, ${sender}. ${today}' },
            { for: { kind: 'language', language: 'de' }, text: 'Bin weg.', subject: 'Weg' },
          ],
        },
      ],
    },
  ]
  const script = kernel.sort.fromRules(rules)
  assert.deepEqual(kernel.sort.toRules(script), rules)
  await kernel.script(script)
  const preview = async (from: string, fields = '') => {
    const found = await kernel.sort.preview('ann', script, { from, subject: 'Hello', fields })
    return 'reply' in found ? found.reply : found.none
  }
  assert.match(await preview('me@far.test'), /no reply/)
  await kernel.send(MESSAGE, 'bob@here.test')
  await kernel.advance(3 * 86_400_000)
  assert.equal((await preview('bob@here.test')).split('\r\n\r\n')[1], `Ask Cyd, bob@here.test. ${day(0)}\r\n`)
  const german = await preview('me@far.test', 'Content-Language: de-AT\r\n')
  assert.match(german, /^Subject: Weg\r$/m)
  const other = await preview('me@far.test')
  assert.match(other, /^Subject: Away: Hello\r$/m)
  assert.match(
    other,
    /^Content-Type: multipart\/alternative; boundary="\w+"\r\n\r\n--\w+\r\nContent-Type: text\/plain/m,
  )
  assert.match(other, /<p>Away, me@far\.test\.<\/p>/)
  assert.match(await preview('no-reply@far.test'), /the sender is a program/)
  await kernel.deliver()
  assert.equal(
    (await kernel.entries('bob')).length,
    0,
    'a preview sends nothing, and before its first day there is no reply',
  )
  await kernel.send(MESSAGE.replace('me@far.test', 'bob@here.test'), 'bob@here.test')
  await kernel.deliver()
  assert.match(await kernel.text('bob'), /^Ask Cyd, bob@here\.test/m)
  assert.equal((await kernel.entries('bob')).length, 1)
  const lines = await printed(kernel, 'mailsort preview', { account: 'ann', from: 'me@far.test', subject: 'Hi' })
  assert.ok(lines.join('\n').includes('Subject: Away: Hi'))
})

test('notifications, duplicates and scripts that include others', async (t) => {
  const kernel = await createSortingKernel(t)
  await kernel.sort.put(
    'ann',
    'inner',
    'require ["fileinto", "mailbox", "variables", "include"]; global "x"; set "x" "1"; fileinto :create "In";',
  )
  await kernel.script(
    'require ["include", "variables", "enotify", "duplicate", "fileinto"]; if duplicate { discard; stop; } include "inner"; global "x"; if string "${x}" "1" { notify :message "You have mail" "mailto:bob@here.test"; }',
  )
  await kernel.send(MESSAGE)
  await kernel.send(MESSAGE)
  await kernel.deliver()
  assert.equal(await kernel.filed(), 'In:1')
  assert.match(await kernel.text('bob'), /Subject: You have mail\r\n/)
})

test('scripts are checked, counted and named', async (t) => {
  const { sort } = await createSortingKernel(t, { limits: { scripts: 2, scriptSize: '1 KiB', totalSize: '1200 B' } })
  const refusal = async (done: Promise<unknown>) => {
    const value = await done
    return isScriptRefused(value) ? value.refused : value
  }
  assert.deepEqual(await sort.check('ann', 'require "fileinto";\nfileinto "No";'), {
    warnings: ['line 2, column 1: there is no mailbox "No", messages stay in INBOX until there is'],
  })
  assert.deepEqual(await sort.put('ann', 'a', 'keep'), {
    refused: 'INVALID',
    why: "line 1, column 5: expected ';' or '{' behind keep (end it with ';')",
  })
  assert.deepEqual(await sort.put('ann', 'a', 'keep;'), { warnings: [] })
  assert.equal(await refusal(sort.put('ann', 'b', `#${'x'.repeat(2000)}`)), 'QUOTA/MAXSIZE')
  assert.equal(await refusal(sort.put('ann', 'bad\nname', 'keep;')), 'NAME')
  assert.deepEqual(await sort.put('ann', 'b/ü', 'stop;'), { warnings: [] })
  assert.equal(await refusal(sort.put('ann', 'c', 'keep;')), 'QUOTA/MAXSCRIPTS')
  assert.equal(await refusal(sort.rename('ann', 'a', 'b/ü')), 'ALREADYEXISTS')
  assert.equal(await refusal(sort.activate('ann', 'none')), 'NONEXISTENT')
  assert.equal(await sort.activate('ann', 'a'), undefined)
  assert.equal(await sort.rename('ann', 'a', 'z'), undefined)
  assert.equal(await refusal(sort.remove('ann', 'z')), 'ACTIVE')
  assert.deepEqual(
    (await sort.list('ann')).map(({ name, isActive, size }) => [name, isActive, size]),
    [
      ['b/ü', false, 5],
      ['z', true, 5],
    ],
  )
  assert.deepEqual(await sort.list('bob'), [])
  await sort.activate('ann', null)
  assert.equal(await sort.remove('ann', 'z'), undefined)
})

/** The lines that a command prints. */
async function printed(
  kernel: Awaited<ReturnType<typeof createSortingKernel>>,
  words: string,
  values: object,
  input = '',
): Promise<readonly string[]> {
  const call = {
    ...{ values, arguments: [], options: {}, signal: AbortSignal.timeout(10_000) },
    input: (async function* () {
      yield Buffer.from(input)
    })(),
  }
  const lines: string[] = []
  for await (const one of kernel.kernel.commands.get(words)?.run(call) ?? []) if ('text' in one) lines.push(one.text)
  return lines
}

test("administrators' scripts run around the active one while the message is kept", async (t) => {
  const kernel = await createSortingKernel(t)
  const put = (name: string, whose: object, text: string) => printed(kernel, 'mailsort put', { name, ...whose }, text)
  await put(
    'before',
    { server: true },
    'require "imap4flags"; if header :contains "subject" "flag" { addflag "admin"; } if header :contains "subject" "drop" { discard; }',
  )
  await put('after', { domain: 'HERE.test' }, 'require ["fileinto", "mailbox"]; fileinto :create "After";')
  await kernel.script(
    'require ["fileinto", "mailbox"]; if header :contains "subject" "mine" { fileinto :create "Mine"; }',
  )
  await kernel.send(MESSAGE.replace('hello', 'drop'))
  assert.equal(await kernel.filed(), '')
  await kernel.send(MESSAGE.replace('hello', 'mine'))
  assert.equal(await kernel.filed(), 'Mine:1')
  await kernel.send(MESSAGE)
  assert.equal(await kernel.filed(), 'After:1, Mine:1')
  await printed(kernel, 'mailsort remove', { name: 'after', domain: 'here.test' })
  await kernel.send(MESSAGE.replace('hello', 'flag'))
  assert.equal(await kernel.filed(), 'After:1, INBOX:1 admin, Mine:1')
  await assert.rejects(put('before', { server: true }, 'keep'), /line 1, column 5/)
  await assert.rejects(put('x', { account: 'nobody' }, 'keep;'), /There is no account/)
})

test('iems mailsort test explains each step, and changes nothing', async (t) => {
  const kernel = await createSortingKernel(t)
  await kernel.script(
    'require ["fileinto", "vacation", "duplicate"];\nif header :contains "subject" ["x", "hello"] {\n  fileinto "Trash";\n  vacation "Gone.";\n}\nif duplicate { stop; }\n',
  )
  const values = { account: 'ann', from: 'bob@here.test' }
  const wanted = [
    'script main',
    '  2:4  header :contains "subject" ["x", "hello"]  -> true  saw "hello world"',
    '  3:3  fileinto "Trash"',
    '  4:3  vacation "Gone."',
    '  6:4  duplicate  -> false  saw "<1@far.test>"',
    '  = file into Trash; reply, once in 7 days',
  ]
  for (let count = 0; count < 2; count++)
    assert.deepEqual(await printed(kernel, 'mailsort test', values, MESSAGE), wanted)
  await kernel.deliver()
  assert.deepEqual([await kernel.filed('ann'), await kernel.filed('bob')], ['', ''])
})

test('iems mailsort run files stored messages; a dry run says what it would do', async (t) => {
  const kernel = await createSortingKernel(t)
  for (const word of ['one', 'two', 'three']) await kernel.send(MESSAGE.replace('hello', word))
  await kernel.script(
    'require ["fileinto", "mailbox", "imap4flags", "copy"]; if header :contains "subject" "one" { fileinto :create "One"; } elsif header :contains "subject" "two" { discard; } else { fileinto :copy :create :flags "x" "Copies"; addflag "\\\\Seen"; }',
  )
  const values = { account: 'ann', mailbox: 'INBOX' }
  assert.deepEqual(await printed(kernel, 'mailsort run', { ...values, dryRun: true }), [
    ...[
      '1: move to One',
      '2: move to Trash',
      '3: copy to Copies with x; flag with \\Seen',
      '3 messages read, 3 would be filed',
    ],
  ])
  assert.equal(await kernel.filed(), 'INBOX:3')
  await printed(kernel, 'mailsort run', values)
  assert.equal(await kernel.filed(), 'Copies:1 \\Seen x, INBOX:1 \\Seen, One:1, Trash:1')
})

// --- rules ---

const line = fc.stringMatching(/^[A-Za-z0-9"\\$ä.*?@-]{1,12}$/)
const values = fc.array(line, { minLength: 1, maxLength: 3 })
const fields = fc.uniqueArray(fc.constantFrom('Subject', 'From', 'To', 'X-Test'), { minLength: 1 })
const how = fc.constantFrom('is' as const, 'contains' as const, 'matches' as const)
const address = fc.stringMatching(/^[a-z][a-z+.]{0,5}@[a-z]{1,5}\.test$/)
const maybe: { requiredKeys: [] } = { requiredKeys: [] }
const condition = fc
  .tuple(
    fc.oneof(
      fc.record({ kind: fc.constant('header' as const), fields, how, values }),
      fc.record({
        kind: fc.constant('header' as const),
        fields,
        how: fc.constant('exists' as const),
        values: fc.constant([]),
      }),
      fc.record({
        kind: fc.constant('address' as const),
        fields: fc.constant(['from']),
        part: fc.constantFrom('domain' as const, 'detail' as const),
        how,
        values,
      }),
      fc.record({
        kind: fc.constant('envelope' as const),
        which: fc.constantFrom('from' as const, 'to' as const),
        how,
        values,
      }),
      fc.record(
        { kind: fc.constant('body' as const), of: fc.constant('raw' as const), how, values },
        { requiredKeys: ['kind', 'how', 'values'] },
      ),
      fc.record(
        {
          kind: fc.constant('time' as const),
          part: fc.constantFrom('weekday', 'hour'),
          zone: fc.constant('+0100'),
          how: fc.constantFrom('is' as const, 'matches' as const),
          values,
        },
        { requiredKeys: ['kind', 'part', 'how', 'values'] },
      ),
      fc.record(
        {
          kind: fc.constant('contact' as const),
          fields: fc.constant(['from', 'sender']),
          list: fc.constant('tag:example.org,2026:group:staff'),
        },
        { requiredKeys: ['kind', 'fields'] },
      ),
      fc.constant({ kind: 'duplicate' as const }),
      fc.record({
        kind: fc.constant('size' as const),
        is: fc.constantFrom('over' as const, 'under' as const),
        octets: fc.nat(),
      }),
      fc.constant({ kind: 'attachment' as const }),
      fc.record({ kind: fc.constant('spam' as const), atLeast: fc.integer({ min: 1, max: 10 }) }),
      fc.record({
        kind: fc.constant('date' as const),
        is: fc.constantFrom('ge' as const, 'le' as const),
        date: fc.constant('2026-12-24'),
      }),
    ),
    fc.boolean(),
  )
  .map(([one, not]) => (not ? { ...one, not } : { ...one }))
const replyText = fc.oneof(line, fc.constantFrom('Two\r\nlines', '.\r\n', '--x\r\n\r\n<p>ä ${subject}</p>\r\n'))
const variant = fc.record(
  {
    for: fc.oneof(
      fc.record({ kind: fc.constant('domain' as const), domains: fc.constant(['here.test', 'b.test']) }),
      fc.constant({ kind: 'contacts' as const }),
      fc.record({ kind: fc.constant('language' as const), language: fc.constantFrom('de', 'fr') }),
    ),
    text: replyText,
    html: replyText,
    subject: line,
  },
  { requiredKeys: ['for', 'text'] },
)
const action = fc.oneof(
  fc.record(
    { kind: fc.constantFrom('fileinto' as const, 'copy' as const), mailbox: line, create: fc.constant(true) },
    { requiredKeys: ['kind', 'mailbox'] },
  ),
  fc.record({ kind: fc.constantFrom('redirect' as const, 'forward' as const), address }),
  fc.record({ kind: fc.constantFrom('keep' as const, 'discard' as const) }),
  fc.record({
    kind: fc.constantFrom('flag' as const, 'setflag' as const, 'removeflag' as const),
    flags: fc.array(fc.constantFrom('\\Seen', 'work'), { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ kind: fc.constant('addheader' as const), name: fc.constant('X-A'), value: line }),
  fc.record({ kind: fc.constant('deleteheader' as const), name: fc.constantFrom('X-A', 'Subject') }),
  fc.record({
    kind: fc.constantFrom('reject' as const, 'ereject' as const),
    text: fc.constantFrom('No.', 'Two\r\nlines\r\n', '.\r\n'),
  }),
  fc
    .tuple(
      fc.record(
        {
          days: fc.integer({ min: 1, max: 30 }),
          subject: line,
          from: address,
          addresses: fc.array(address, { minLength: 1, maxLength: 2 }),
          handle: line,
          html: replyText,
          variables: fc.constant(true as const),
          variants: fc.array(variant, { minLength: 1, maxLength: 3 }),
        },
        maybe,
      ),
      replyText,
    )
    .map(([more, text]) => ({ kind: 'vacation' as const, text, ...more })),
  fc.record({ kind: fc.constant('notify' as const), address, message: line }, { requiredKeys: ['kind', 'address'] }),
)
const rule = fc
  .tuple(
    fc.record({
      name: fc.stringMatching(/^[A-Za-z0-9 [\]ä#-]{0,12}$/).map((name) => name.trim()),
      match: fc.constantFrom('all' as const, 'any' as const),
      conditions: fc.array(condition, { minLength: 1, maxLength: 3 }),
      actions: fc.array(action, { maxLength: 3 }),
    }),
    fc.record(
      {
        isEnabled: fc.constant(false),
        stops: fc.constant(true),
        comments: fc.array(fc.stringMatching(/^[a-z][a-z ]{0,8}[a-z]$/), { minLength: 1, maxLength: 2 }),
      },
      maybe,
    ),
  )
  .map(([one, more]): Rule => ({ ...one, ...more }))

test('rules become Sieve that compiles, and come back as they were', () => {
  const sieve = createSieve()
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 4 }), (made) => {
      const rules: Rule[] = JSON.parse(JSON.stringify(made))
      const script = writeRules(rules)
      compileScript(script, sieve)
      assert.deepEqual(readRules(script), rules, script)
    }),
    { numRuns: 300 },
  )
})

test('rules that Roundcube has written are read; what says more than rules can is left alone', () => {
  const script = `require ["copy","fileinto","imap4flags","reject"];
# rule:[Lists]
if anyof (header :contains "list-id" "acme", not address :domain :is ["from","sender"] "example.org")
{
	fileinto :copy "Lists";
	addflag "\\\\Seen";
	stop;
}
# rule:[off]
if false # allof(header :is "subject" "x")
{
	discard;
}
# rule:[everything]
if true
{
	reject text:
No.
.
;
}
`.replaceAll('\n', '\r\n')
  assert.deepEqual(readRules(script), [
    {
      ...{ name: 'Lists', match: 'any' },
      conditions: [
        { kind: 'header', fields: ['list-id'], how: 'contains', values: ['acme'] },
        { kind: 'address', fields: ['from', 'sender'], part: 'domain', how: 'is', values: ['example.org'], not: true },
      ],
      actions: [
        { kind: 'copy', mailbox: 'Lists' },
        { kind: 'flag', flags: ['\\Seen'] },
      ],
      stops: true,
    },
    {
      ...{ name: 'off', isEnabled: false, match: 'all', actions: [{ kind: 'discard' }] },
      conditions: [{ kind: 'header', fields: ['subject'], how: 'is', values: ['x'] }],
    },
    { name: 'everything', match: 'all', conditions: [], actions: [{ kind: 'reject', text: 'No.\r\n' }] },
  ])
  for (const more of [
    'if true { keep; } else { stop; }',
    'if header :index 1 "a" "b" { keep; }',
    'if anyof (allof (true)) { if true { } }',
    'this is no script',
    'if header :comparator "i;octet" "a" "b" { keep; }',
    'if true { if true { keep; } }',
    'if true { keep; }\r\n# the end',
  ])
    assert.equal(readRules(more), undefined, more)
})

test("rules that SOGo and Thunderbird's add-on have written are read", () => {
  const sogo = `require ["fileinto", "vacation", "copy", "relational", "date"];
if allof (header :contains ["subject"] "invoice", not header :comparator "i;ascii-casemap" :is "Precedence" ["list", "bulk"]) {
    fileinto "Invoices";
}
if allof (currentdate :value "ge" "date" "2026-12-24", currentdate :value "le" "date" "2026-12-31") {
    vacation :days 7 :addresses ["ann@here.test"] text:
Away.
.
;
}
redirect :copy "b@example.org";
keep;
`.replaceAll('\n', '\r\n')
  const read = readRules(sogo)
  assert.deepEqual(read, [
    {
      ...{ name: '', match: 'all', actions: [{ kind: 'fileinto', mailbox: 'Invoices' }] },
      conditions: [
        { kind: 'header', fields: ['subject'], how: 'contains', values: ['invoice'] },
        { kind: 'header', fields: ['Precedence'], how: 'is', values: ['list', 'bulk'], not: true },
      ],
    },
    {
      ...{ name: '', match: 'all' },
      conditions: [
        { kind: 'date', is: 'ge', date: '2026-12-24' },
        { kind: 'date', is: 'le', date: '2026-12-31' },
      ],
      actions: [{ kind: 'vacation', text: 'Away.\r\n', days: 7, addresses: ['ann@here.test'] }],
    },
    { name: '', match: 'all', conditions: [], actions: [{ kind: 'forward', address: 'b@example.org' }] },
    { name: '', match: 'all', conditions: [], actions: [{ kind: 'keep' }] },
  ])
  assert.deepEqual(readRules(writeRules(read ?? [])), read)
  const addOn = `#
# Sieve Script created by Thunderbird
#
require ["fileinto", "imap4flags"];

/* Everything of the boss
 * comes first */
if anyof (address :all :is ["from"] ["boss@example.org"], exists ["X-Urgent"])
{
  setflag "\\\\Flagged";
  fileinto "Boss";
  stop;
}
`.replaceAll('\n', '\r\n')
  const rules = readRules(addOn)
  assert.deepEqual(rules, [
    {
      ...{ name: '', match: 'any', stops: true },
      comments: ['Sieve Script created by Thunderbird', 'Everything of the boss', '* comes first'],
      conditions: [
        { kind: 'address', fields: ['from'], how: 'is', values: ['boss@example.org'] },
        { kind: 'header', fields: ['X-Urgent'], how: 'exists', values: [] },
      ],
      actions: [
        { kind: 'setflag', flags: ['\\Flagged'] },
        { kind: 'fileinto', mailbox: 'Boss' },
      ],
    },
  ])
  assert.deepEqual(readRules(writeRules(rules ?? [])), rules)
})
