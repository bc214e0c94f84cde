/** Texts in messages: where they go in every structure and charset, and which messages stay as they are. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { definePlugin, secret } from 'iems'
import { disclaimer } from 'iems/plugins/disclaimer'
import { dkim } from 'iems/plugins/dkim'
import { createTestKernel, missing } from 'iems/testing'
import * as z from 'zod'
import { insertHtml, placesIn } from '../../plugins/content/disclaimer/html.ts'
import { insertPlain, plainLines, quotationIn } from '../../plugins/content/disclaimer/plain.ts'
import { Accounts, type AccountsApi } from '../../plugins/directory/static/api.ts'
import { createMailKernel } from '../support/mailstore.ts'
import { fc } from '../support/property.ts'

type Options = Parameters<typeof disclaimer>[0]
type Rule = Options['rules'][number]
const LEGAL = 'Größe zählt – „Haftung“ & more'
const support = (name: string) => join(import.meta.dirname, '../support', name)

interface Leaf {
  readonly type: string
  readonly charset: string
  readonly format: string
  readonly name: string
  readonly hash: string
  readonly text: string | null
}
interface Read {
  readonly leaves: readonly Leaf[]
  readonly header: readonly (readonly [string, string])[]
  readonly defects: readonly string[]
}

function python<T>(script: string, input = ''): T {
  const { stdout, stderr, status } = spawnSync('python3', [support(script)], {
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 27,
  })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout) as T
}
const readMail = (contents: readonly Buffer[]) =>
  python<readonly Read[]>('mail-leaves.py', JSON.stringify(contents.map((one) => one.toString('base64'))))

const rule = (more: Partial<Rule> = {}): Rule => ({ name: 'legal', text: LEGAL, ...more })

function start(t: TestContext, rules: readonly Rule[], more: Parameters<typeof createTestKernel>[1] = {}) {
  return createTestKernel(t, {
    ...more,
    plugins: [disclaimer({ domains: ['own.test'], rules: [...rules] }), ...(more.plugins ?? [])],
  })
}
type Here = Awaited<ReturnType<typeof start>>

/** What leaves, in the order of delivery. */
async function sent(here: Here, content: string | Buffer, to = ['b@far.test'], from = 'a@own.test'): Promise<Buffer[]> {
  const before = here.delivered.length
  const { reply } = await here.submit({ from, to, content })
  assert.equal(reply.code, 250)
  await here.deliver()
  return Promise.all(here.delivered.slice(before).map(async (one) => Buffer.from(one.content, 'latin1')))
}

const letter = (body: string, header = '') => `From: a@own.test\r\nTo: b@far.test\r\nSubject: x\r\n${header}\r\n${body}`

for (const place of ['bottom', 'top'] as const)
  test(`every structure and charset gets its text at the ${place}, and Python reads the rest unchanged`, async (t) => {
    const corpus =
      python<readonly { name: string; content: string; where: 'text' | 'part' | 'none' }[]>('disclaimer-corpus.py')
    assert.ok(corpus.length > 80)
    const here = await start(t, [rule({ place })])
    const contents = corpus.map(({ content }) => Buffer.from(content, 'base64'))
    const outputs: Buffer[] = []
    for (const content of contents) outputs.push((await sent(here, content))[0] as Buffer)
    const [before, after] = [readMail(contents), readMail(outputs)]
    for (const [at, { name, where }] of corpus.entries()) {
      const [was, is] = [before[at] as Read, after[at] as Read]
      const withoutTrace = is.header.filter(([field]) => !/^(?:received|message-id|date)$/i.test(field))
      assert.deepEqual(withoutTrace, was.header, name)
      if (where === 'none') {
        assert.ok(outputs[at]?.includes(contents[at] as Buffer), name)
        continue
      }
      if (where === 'part') {
        const added = is.leaves.filter(({ text }) => text?.includes(LEGAL))
        assert.equal(added.length, 1, name)
        const others = is.leaves.filter((one) => !added.includes(one))
        assert.deepEqual(
          others.map(({ hash }) => hash),
          was.leaves.map(({ hash }) => hash),
          name,
        )
        continue
      }
      assert.equal(is.leaves.length, was.leaves.length, name)
      let changed = 0
      for (const [index, leaf] of is.leaves.entries()) {
        const old = was.leaves[index] as Leaf
        assert.deepEqual([leaf.type, leaf.name, leaf.format], [old.type, old.name, old.format], name)
        if (leaf.hash === old.hash) continue
        changed++
        const text = leaf.text ?? ''
        if (leaf.type === 'text/html') {
          const rest = text.replace(/\r\n<div>[\s\S]*?<\/div>\r\n/, '')
          assert.equal(rest, old.text, name)
          assert.ok(/<div>Gr&#246;&#223;e z&#228;hlt &#8211; &#8222;Haftung&#8220; &amp; more<\/div>/.test(text), name)
        } else {
          assert.equal(text.split(LEGAL).length, 2, name)
          assert.ok(place === 'top' ? text.endsWith(old.text ?? '') : text.startsWith(old.text ?? ''), name)
          assert.equal(
            text
              .replace(LEGAL, '')
              .replace(old.text ?? '', '')
              .trim(),
            '',
            name,
          )
        }
      }
      assert.ok(changed > 0, name)
    }
  })

test('text keeps its charset where that holds it, and HTML always does', async (t) => {
  const here = await start(t, [rule({ text: 'Grüße' })])
  const mail = (charset: string, body: Buffer, type = 'plain') =>
    Buffer.concat([
      Buffer.from(
        `From: a@own.test\r\nMIME-Version: 1.0\r\nContent-Type: text/${type}; charset=${charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n`,
      ),
      body,
    ])
  const [latin] = readMail(await sent(here, mail('iso-8859-1', Buffer.from('caf\xe9\r\n', 'latin1'))))
  assert.deepEqual([latin?.leaves[0]?.charset, latin?.leaves[0]?.text], ['iso-8859-1', 'café\r\n\r\nGrüße\r\n'])
  const [koi] = readMail(await sent(here, mail('koi8-r', Buffer.from([0xf0, 0xd2, 13, 10]))))
  assert.deepEqual([koi?.leaves[0]?.charset, koi?.leaves[0]?.text], ['utf-8', 'Пр\r\n\r\nGrüße\r\n'])
  const [html] = readMail(await sent(here, mail('koi8-r', Buffer.from([0xf0, 13, 10]), 'html')))
  assert.equal(html?.leaves[0]?.charset, 'koi8-r')
})

test('format=flowed: the text is wrapped, and joined with nothing before it', () => {
  const long = `${'word '.repeat(40)}end`
  const unflow = (text: string, delSp: boolean) => text.replace(delSp ? / \r\n/g : /(?<= )\r\n/g, '').split('\r\n')
  for (const delSp of [false, true]) {
    const form = { isFlowed: true, delSp }
    const lines = plainLines(`${long}\n> no quotation\n\nFrom here`, form)
    assert.ok(lines.split('\r\n').every((line) => line.length <= 78))
    assert.deepEqual(unflow(lines, delSp), [long, ' > no quotation', '', ' From here', ''])
    const whole = insertPlain(
      `soft ${delSp ? ' ' : ''}\r\n`,
      { text: 'Legal', place: 'bottom', quotation: 'below' },
      form,
    )
    assert.deepEqual(
      unflow(whole, delSp).map((line) => line.trimEnd()),
      ['soft', '', 'Legal', ''],
    )
  }
})

test('above the quotation with its attribution, or below everything', () => {
  const form = { isFlowed: false, delSp: false }
  for (const attribution of [
    'On Mon, Ann <a@x.test> wrote:\r\n',
    'Am 1. Mai schrieb Ann\r\n<a@x.test>:\r\n',
    '-----Original Message-----\r\nFrom: Ann\r\n',
    'On Mon, 1 May 2026 at 10:00, Ann of the Other Department\r\n<ann@x.test> wrote:\r\n\r\n',
  ]) {
    const whole = `Yes.\r\n\r\n${attribution}> Really?\r\n`
    const above = insertPlain(whole, { text: 'Legal', place: 'bottom', quotation: 'above' }, form)
    assert.equal(above, `Yes.\r\n\r\n\r\nLegal\r\n\r\n${attribution}> Really?\r\n`)
    assert.ok(
      insertPlain(whole, { text: 'Legal', place: 'bottom', quotation: 'below' }, form).endsWith(
        'Really?\r\n\r\nLegal\r\n',
      ),
    )
  }
  assert.equal(quotationIn('Nothing quoted.\r\n'), undefined)
  const html = '<body>Yes<div class="gmail_quote">On<blockquote>x</blockquote></div></body>'
  assert.match(
    insertHtml(html, { text: 'Legal', place: 'bottom', quotation: 'above' }),
    /Yes\r\n<div>Legal<\/div>\r\n<div class="gmail_quote">/,
  )
  assert.match(
    insertHtml(html, { text: 'Legal', place: 'bottom', quotation: 'below' }),
    /<div>Legal<\/div>\r\n<\/body>/,
  )
})

test('any HTML keeps every character, in linear time', () => {
  const piece = fc.constantFrom(
    '<body>',
    '</body>',
    '<!--',
    '-->',
    '<script>',
    '</script>',
    '<',
    '>',
    'x',
    '<html ',
    '<blockquote>',
    '"',
    '</html>',
    '<!doctype html>',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), fc.constantFrom('top', 'bottom'), (pieces, place) => {
      const html = pieces.join('')
      const out = insertHtml(html, { text: 'Legal', place: place as 'top', quotation: 'above' })
      assert.equal(out.replace('\r\n<div>Legal</div>\r\n', ''), html)
    }),
  )
  for (const hostile of ['<', '<!--', '<script>', '<title', '</body', '<div ']) placesIn(hostile.repeat(200_000))
})

test('rules ask for channel, domains, groups and direction; recipients get their own texts', async (t) => {
  const here = await start(t, [
    rule({ name: 'out', text: 'TEXT-OUT', directions: ['out'] }),
    rule({ name: 'internal', text: 'TEXT-INTERNAL', directions: ['internal'] }),
    rule({ name: 'partner', text: 'TEXT-PARTNER', recipients: ['.partner.test'], place: 'top' }),
    rule({ name: 'elsewhere', text: 'TEXT-CHANNEL', channels: ['other'] }),
    rule({ name: 'sender', text: 'TEXT-SENDER', senders: ['another.test'] }),
    rule({ name: 'group', text: 'TEXT-GROUP', groups: ['staff'] }),
    rule({ name: 'banner', text: 'TEXT-BANNER', directions: ['in'], place: 'top' }),
  ])
  const words = (content: Buffer) => [...content.toString().matchAll(/TEXT-[A-Z]+/g)].map(([one]) => one)
  const all = await sent(here, letter('Hello\r\n'), ['b@far.test', 'c@own.test', 'd@x.partner.test', 'e@far.test'])
  const found = all.map((one) => words(one).join(' ')).sort()
  assert.deepEqual([...new Set(found)], ['TEXT-INTERNAL', 'TEXT-OUT', 'TEXT-PARTNER TEXT-OUT'])
})

test('banners stand on what strangers send, and groups are those of the authenticated sender', async (t) => {
  const here = await createMailKernel(t, {
    people: [{ name: 'ann', addresses: ['ann@here.test'], groups: ['staff'] }],
    plugins: [
      disclaimer({
        domains: ['here.test'],
        rules: [
          rule({ name: 'banner', text: 'TEXT-BANNER', directions: ['in'], place: 'top' }),
          rule({ name: 'group', text: 'TEXT-GROUP', groups: ['staff'] }),
        ],
      }),
    ],
  })
  const message = { from: 's@far.test', to: ['ann@here.test'], content: letter('Hello\r\n') }
  const identity = { kind: 'identity', user: 'ann', account: 'ann', mayRelay: true } as const
  const first = await here.session().submit(message)
  assert.equal(first.reply.code, 250, first.reply.text)
  await here.deliver()
  await here
    .session({ identity })
    .submit({ ...message, from: 'ann@here.test', content: message.content.replace('a@own.test', 'ann@here.test') })
  await here.deliver()
  const contents = await Promise.all((await here.entries('ann')).map(({ email }) => here.content(email)))
  assert.match(contents[0] ?? '', /\r\n\r\nTEXT-BANNER\r\n\r\nHello\r\n$/)
  assert.match(contents[1] ?? '', /\r\n\r\nHello\r\n\r\nTEXT-GROUP\r\n$/)
})

test('once in a thread, DKIM-signed mail of others and lists stay as they are unless the rule says otherwise', async (t) => {
  const here = await start(t, [rule({ text: 'Legal text\nin two lines' })])
  const isChanged = async (content: string, by = here) => {
    const [one] = await sent(by, content)
    return (one?.toString().split('Legal text').length ?? 0) - content.split('Legal text').length > 0
  }
  assert.equal(await isChanged(letter('Hi\r\n')), true)
  assert.equal(await isChanged(letter('Hi\r\n\r\n> Legal text\r\n> in two lines\r\n')), false)
  assert.equal(
    await isChanged(
      letter('<blockquote>Legal text<br>in two lines</blockquote>', 'MIME-Version: 1.0\r\nContent-Type: text/html\r\n'),
    ),
    false,
  )
  const signed = letter('Hi\r\n', 'DKIM-Signature: v=1\r\n')
  const list = letter('Hi\r\n', 'List-Id: <x.test>\r\n')
  assert.deepEqual([await isChanged(signed), await isChanged(list)], [false, false])
  const bold = await start(t, [rule({ text: 'Legal text', oncePerThread: false, intoSigned: true, intoLists: true })])
  assert.deepEqual([await isChanged(signed, bold), await isChanged(list, bold)], [true, true])
  assert.equal(await isChanged(letter('> Legal text\r\n'), bold), true)
})

test('variables are text in HTML, and one line', async (t) => {
  const here = await start(t, [rule({ text: 'By {{sender.name}}', html: '<b>{{ subject }}</b> {{sender.local}}' })])
  const [one] = await sent(
    here,
    'From: a@own.test\r\nSubject: <script>"x"\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>Hi</p>\r\n',
  )
  assert.match(one?.toString() ?? '', /<div><b>&lt;script&gt;&quot;x&quot;<\/b> a<\/div>/)
  assert.throws(
    () =>
      disclaimer({ rules: [rule({ text: '{{nothing}}' })] }).definition.config.parse({
        rules: [rule({ text: '{{nothing}}' })],
      }),
    /variables are/,
  )
})

test('a rule without text, and a file that names an unknown variable, are errors of the configuration', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'iems-disclaimer-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'legal.txt')
  await writeFile(file, '\ufeffFrom a file\n')
  const here = await start(t, [rule({ text: { file } })])
  assert.match(`${(await sent(here, letter('Hi\r\n')))[0]}`, /Hi\r\n\r\nFrom a file\r\n$/)
  await writeFile(file, '{{nothing}}')
  await assert.rejects(start(t, [rule({ text: { file } })]), /nothing/)
})

test('HTML without words changes HTML, and leaves plain text alone', async (t) => {
  const here = await start(t, [rule({ text: undefined, html: '<img alt="" src="cid:x">' })])
  const plain = letter('Hi\r\n')
  assert.ok((await sent(here, plain))[0]?.toString().endsWith(plain))
  const html = letter('<p>Hi</p>\r\n', 'MIME-Version: 1.0\r\nContent-Type: text/html\r\n')
  assert.match(`${(await sent(here, html))[0]}`, /<div><img alt/)
})

test('the trace says what was done, or why not', async (t) => {
  const here = await start(t, [rule()])
  const noteOf = async (content: string) => {
    const { id } = await here.submit({ from: 'a@own.test', to: ['b@far.test'], content })
    return JSON.stringify(await here.queue.trace(id ?? ''))
  }
  assert.match(await noteOf(letter('Hi\r\n')), /legal: at the bottom of text\/plain/)
  assert.match(await noteOf(letter('-----BEGIN PGP MESSAGE-----\r\n')), /legal: left out: signed or encrypted \(PGP\)/)
  assert.match(
    await noteOf(letter('x', 'MIME-Version: 1.0\r\nContent-Type: application/pdf\r\n')),
    /legal: as a part of its own: the message has no text/,
  )
})

test('preview says which rules apply, where, and why not', async (t) => {
  const here = await start(t, [rule(), rule({ name: 'inside', directions: ['internal'] })])
  const preview = async (input: string, values = {}) => {
    const { fields } = here.kernel.commands.get('disclaimer preview') ?? {}
    const read = await fields?.['~standard'].validate(values)
    const outputs = await here.command('disclaimer preview', { input, values: read && !read.issues ? read.value : {} })
    return outputs.map((one) => ('text' in one ? one.text : '')).join('\n')
  }
  assert.equal(
    await preview(letter('Hi\r\n')),
    `inside: does not apply: its direction is out\nlegal: at the bottom of text/plain: + "${LEGAL}"`,
  )
  assert.match(
    await preview(letter('Hi\r\n'), { to: 'c@own.test', message: true }),
    /inside: at the bottom[\s\S]*Hi\s+Gr/,
  )
  assert.ok(!(await preview(letter('\u001b[31m\r\n'), { message: true })).includes('\u001b'))
})

const OPENDKIM = '/usr/sbin/opendkim'
const PRIVATE = generateKeyPairSync('rsa', { modulusLength: 2048 })

test('what is signed after the insertion verifies with OpenDKIM', { skip: missing(OPENDKIM) }, async (t) => {
  const key = PRIVATE.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const record = PRIVATE.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  const here = await start(t, [rule()], {
    plugins: [dkim({ keys: [{ domain: 'own.test', selector: 's', key: secret.value(key) }] })],
  })
  const folder = await mkdtemp(join(tmpdir(), 'iems-disclaimer-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'keys'), `s._domainkey.own.test v=DKIM1; k=rsa; p=${record}\n`)
  await writeFile(join(folder, 'conf'), `Mode v\nTestPublicKeys ${join(folder, 'keys')}\nRequireSafeKeys no\n`)
  for (const type of ['text/plain; charset=koi8-r', 'text/html', 'application/pdf']) {
    const [one] = await sent(here, letter('Hi\r\n', `MIME-Version: 1.0\r\nContent-Type: ${type}\r\n`))
    assert.ok(one?.includes('DKIM-Signature:'))
    const file = join(folder, 'message')
    await writeFile(file, one as Buffer)
    const said = spawnSync(OPENDKIM, ['-x', join(folder, 'conf'), '-t', file, '-v'], { encoding: 'utf8' })
    assert.match(said.stdout + said.stderr, /verification \(s=s, d=own\.test, 2048-bit key\) succeeded/, type)
  }
})

test('a large message gets its text at the end', async (t) => {
  const here = await start(t, [rule({ text: 'Legal' })])
  const [one] = await sent(here, letter(`${'x'.repeat(70)}\r\n`.repeat(100_000)))
  assert.ok((one?.length ?? 0) > 7_000_000)
  assert.match(one?.subarray(-20).toString() ?? '', /\r\nLegal\r\n$/)
})

test('an image of the HTML stands with it in a multipart/related, whatever the structure', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'iems-disclaimer-'))
  t.after(() => rm(folder, { recursive: true }))
  const png = Buffer.from('\x89PNG\r\n\x1a\n and more', 'latin1')
  await writeFile(join(folder, 'logo.png'), png)
  const images = [{ id: 'logo', file: join(folder, 'logo.png') }]
  const here = await start(t, [rule({ html: '<img src="cid:logo">', text: 'LEGAL', images })])
  const html = 'Content-Type: text/html\r\n\r\n<body>Hi</body>'
  const plain = 'Content-Type: text/plain\r\n\r\nHi'
  const multi = (kind: string, boundary: string, ...parts: readonly string[]) =>
    `Content-Type: multipart/${kind}; boundary=${boundary}\r\n\r\n${parts.map((one) => `--${boundary}\r\n${one}\r\n`).join('')}--${boundary}--\r\n`
  const image = 'Content-Type: image/png\r\nContent-ID: <x@y>\r\n\r\nx'
  const top = 'From: a@own.test\r\nMIME-Version: 1.0\r\n'
  const forms: Readonly<Record<string, readonly [content: string, types: readonly string[]]>> = {
    alone: [html, ['text/html', 'image/png']],
    alternative: [multi('alternative', 'a', plain, html), ['text/plain', 'text/html', 'image/png']],
    related: [multi('related', 'r', html, image), ['text/html', 'image/png', 'image/png']],
    mixed: [
      multi('mixed', 'm', multi('alternative', 'a', plain, multi('related', 'r', html, image))),
      ['text/plain', 'text/html', 'image/png', 'image/png'],
    ],
  }
  for (const [name, [content, types]] of Object.entries(forms)) {
    const [out] = await sent(here, top + content)
    const [read] = readMail([out as Buffer])
    assert.deepEqual(read?.leaves.map(({ type }) => type).sort(), [...types].sort(), name)
    const shown = read?.leaves.find(({ type }) => type === 'text/html')?.text ?? ''
    const [, id] = /src="cid:(logo\.[0-9a-f]{32}@iems)"/.exec(shown) ?? []
    assert.ok(id !== undefined && out?.includes(`Content-ID: <${id}>`), name)
    assert.ok(out?.includes('multipart/related'), name)
    assert.deepEqual(read?.defects, [], name)
  }
  // Plain text alone shows no image.
  assert.ok(!(await sent(here, `${top}${plain}`))[0]?.includes('image/png'))
  const unused = [rule({ html: '<p>no image</p>', images })]
  await assert.rejects(start(t, unused), /does not show the image logo/)
})

test('text in UTF-16, UTF-7 and ISO-2022-JP gets its addition in the text itself', async (t) => {
  const here = await start(t, [rule()])
  const texts: readonly (readonly [charset: string, octets: Buffer])[] = [
    ['utf-16', Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from('Grüße', 'utf16le').swap16()])],
    ['utf-16', Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('Grüße', 'utf16le')])],
    ['utf-16be', Buffer.from('Grüße', 'utf16le').swap16()],
    ['utf-7', Buffer.from('Gr+APwA3w-e')],
    ['iso-2022-jp', Buffer.from('\x1b$BF|K\\\x1b(B', 'latin1')],
  ]
  for (const [charset, octets] of texts) {
    const header = `MIME-Version: 1.0\r\nContent-Type: text/plain; charset=${charset}\r\nContent-Transfer-Encoding: base64\r\n`
    const [read] = readMail(await sent(here, letter(`${octets.toString('base64')}\r\n`, header)))
    const [leaf, ...more] = read?.leaves ?? []
    assert.equal(more.length, 0, charset)
    assert.ok(leaf?.text?.startsWith(charset === 'iso-2022-jp' ? '日本' : 'Grüße'), `${charset}: ${leaf?.text}`)
    assert.ok(leaf?.text?.includes(LEGAL), charset)
  }
})

test('a banner for a first contact is for the recipients to whom the author is new', async (t) => {
  const met = definePlugin({
    name: 'antispam',
    config: z.strictObject({}).default({}),
    setup: () => ({ hooks: { check: (_, { note }) => note('first-contact', 'ann-id') } }),
  })
  const directory = definePlugin({
    name: 'accounts',
    config: z.strictObject({}).default({}),
    offers: [Accounts],
    setup(_, ctx) {
      const byAddress = async (address: string) => ({ account: { id: `${address.split('@')[0]}-id` } })
      ctx.offer(Accounts, { byAddress } as unknown as AccountsApi)
      return {}
    },
  })
  const here = await createTestKernel(t, {
    plugins: [
      directory(),
      met(),
      disclaimer({
        domains: ['own.test'],
        rules: [rule({ name: 'new', text: 'FIRST CONTACT', firstContact: true, place: 'top' })],
      }),
    ],
  })
  const out = await sent(here, letter('Hello\r\n'), ['ann@own.test', 'bob@own.test'])
  assert.equal(out.length, 2)
  assert.deepEqual(out.map((one) => one.includes('FIRST CONTACT')).sort(), [false, true])
})

const ALTERMIME = '/usr/bin/altermime'

test('altermime on the same corpus leaves out, changes or damages what this plugin does not', {
  skip: missing(ALTERMIME),
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'iems-altermime-'))
  t.after(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'text'), `${LEGAL}\n`)
  const corpus =
    python<readonly { name: string; content: string; where: 'text' | 'part' | 'none' }[]>('disclaimer-corpus.py')
  const contents = corpus.map(({ content }) => Buffer.from(content, 'base64'))
  const outputs: Buffer[] = []
  for (const [index, content] of contents.entries()) {
    const path = join(folder, String(index))
    await writeFile(path, content.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
    spawnSync(ALTERMIME, [`--input=${path}`, `--disclaimer=${join(folder, 'text')}`, '--multipart-insert'], {
      cwd: folder,
    })
    outputs.push(await readFile(path))
  }
  const [before, after] = [readMail(contents), readMail(outputs)]
  const broken = { 'the text is not readable in it': 0, 'what must not change has changed': 0 }
  for (const [at, { where }] of corpus.entries()) {
    const [was, is] = [before[at] as Read, after[at] as Read]
    const texts = is.leaves.filter(({ text }) => text?.includes(LEGAL)).length
    if (where === 'none') {
      const isSame =
        JSON.stringify(is.leaves.map(({ type }) => type)) === JSON.stringify(was.leaves.map(({ type }) => type))
      if (texts > 0 || !isSame || is.leaves.some(({ text }) => text?.includes('Haftung')))
        broken['what must not change has changed']++
    } else if (texts === 0) broken['the text is not readable in it']++
  }
  t.diagnostic(`altermime, of ${corpus.length} messages: ${JSON.stringify(broken)}`)
  assert.ok(broken['the text is not readable in it'] > 0 && broken['what must not change has changed'] > 0)
})
