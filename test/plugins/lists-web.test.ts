/** The pages of mailing lists without an account, the archive, and lists in the directory. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { http } from 'iems/plugins/http'
import { lists } from '../../plugins/lists/index.ts'
import { GERMAN } from '../../plugins/lists/web/words.ts'
import { createDirectoryKernel } from '../support/directory.ts'
import { fieldsOf, runCommand } from '../support/lists.ts'

const LIST = 'dev@here.test'
const PAGE = `/lists/${encodeURIComponent(LIST)}`

async function start(t: TestContext, settings: Record<string, unknown> = {}) {
  const kernel = await createDirectoryKernel(t, {
    channels: { web: http({ listen: '127.0.0.1:0' }), lists: lists({ site: 'https://here.test' }) },
    deliver: (delivery) =>
      delivery.recipients.map((recipient) => ({
        recipient,
        status: 'delivered',
        reply: { code: 250, enhanced: '2.0.0', text: 'OK' },
      })),
  })
  await kernel.make({ add: { kind: 'domain', name: 'here.test' } })
  for (const name of ['ann', 'bob'])
    await kernel.make({ add: { kind: 'account', name, addresses: [`${name}@here.test`], password: `${name}-secret` } })
  const base = `http://127.0.0.1:${kernel.listener('web').port}`
  const iems = async (words: string, values: Record<string, unknown>, input = '') =>
    (await runCommand(kernel, words, values, input)).flatMap((one) =>
      'value' in one ? [one.value as Record<string, unknown>] : [],
    )
  const add = {
    address: LIST,
    dmarc: 'none',
    welcome: '',
    description: 'Developers',
    archive: 'public',
    owners: ['ann@here.test'],
    explicit: 'no',
    ...settings,
  }
  await iems('list add', add)
  let count = 0
  return {
    ...kernel,
    iems,
    async post(message: { from: string; to?: string; subject?: string; head?: string; body?: string; id?: string }) {
      const { from, to = LIST, subject = 'Hello', head = '', body = 'Good day', id = `${++count}@far.test` } = message
      const content = `From: ${from}\r\nTo: ${to}\r\nSubject: ${subject}\r\nMessage-ID: <${id}>\r\n${head}\r\n${body}\r\n`
      const { reply } = await kernel.session().submit({ from, to: [to], content })
      await kernel.deliver()
      return reply
    },
    async get(path: string, headers: Record<string, string> = {}) {
      const response = await fetch(base + path, { headers: { accept: 'text/html', ...headers }, redirect: 'manual' })
      return { status: response.status, text: await response.text(), headers: response.headers }
    },
    async send(path: string, fields: Record<string, string>, headers: Record<string, string> = {}) {
      const response = await fetch(base + path, {
        method: 'POST',
        body: new URLSearchParams(fields),
        headers: { accept: 'text/html', ...headers },
        redirect: 'manual',
      })
      return { status: response.status, text: await response.text() }
    },
  }
}
const proofIn = (text: string, form: string) => {
  const [, proof = ''] = new RegExp(`${form}"[\\s\\S]*?name="proof" value="([^"]+)"`).exec(text) ?? []
  return proof
}
const basic = (name: string) => ({ authorization: `Basic ${Buffer.from(`${name}:${name}-secret`).toString('base64')}` })

test('a stranger joins, changes options and leaves on pages, with links sent to the address; GET changes nothing', async (t) => {
  const { get, send, iems, clock, delivered, deliver } = await start(t)
  assert.match((await get('/lists')).text, /dev@here\.test/)
  const about = (await get(PAGE)).text
  const proof = proofIn(about, 'subscribe')
  // A program answers at once, or fills in every field.
  assert.equal((await send(`${PAGE}/subscribe`, { address: 'zoe@z.test', proof })).status, 400)
  await clock.advance(5000)
  assert.equal((await send(`${PAGE}/subscribe`, { address: 'zoe@z.test', proof, website: 'x' })).status, 400)
  assert.equal((await send(`${PAGE}/subscribe`, { address: 'zoe', proof })).status, 400)
  assert.equal(
    (await send(`${PAGE}/subscribe`, { address: 'zoe@z.test', proof: `${clock.now() - 5000}.x` })).status,
    400,
  )
  assert.equal((await send(`${PAGE}/subscribe`, { address: 'zoe@z.test', proof })).status, 200)
  await deliver()
  const [, confirm = ''] =
    /https:\/\/here\.test(\/lists\/confirm\/[a-z2-7]{24})/.exec(delivered.at(-1)?.content ?? '') ?? []
  for (let time = 0; time < 2; time++) assert.equal((await get(confirm)).status, 200)
  assert.deepEqual(await iems('list members', { list: LIST }), [])
  assert.equal((await send(confirm, {})).status, 200)
  assert.equal((await send(confirm, {})).status, 404)
  assert.deepEqual(
    (await iems('list members', { list: LIST })).map(({ address }) => address),
    ['zoe@z.test'],
  )

  const asking = { address: 'zoe@z.test', proof: proofIn(about, 'options') }
  assert.equal((await send(`${PAGE}/options`, asking)).status, 200)
  const sent = delivered.length
  assert.equal((await send(`${PAGE}/options`, { ...asking, address: 'stranger@z.test' })).status, 200)
  await deliver()
  const letters = delivered.slice(sent - 1).filter(({ to }) => to[0]?.endsWith('z.test'))
  assert.equal(letters.filter(({ to }) => to[0] === 'stranger@z.test').length, 0)
  const content = delivered.findLast(({ to }) => to[0] === 'zoe@z.test')?.content ?? ''
  const [, options = ''] = /https:\/\/here\.test(\/lists\/options\/[a-z2-7]{24})/.exec(content) ?? []
  assert.match((await get(options)).text, /zoe@z\.test/)
  assert.equal((await send(options, { action: 'save', delivery: 'mime' })).status, 200)
  const [zoe] = await iems('list members', { list: LIST })
  assert.deepEqual([zoe?.delivery, zoe?.own], ['mime', false])
  assert.equal((await send(options, { action: 'leave' })).status, 200)
  assert.deepEqual(await iems('list members', { list: LIST }), [])
  assert.equal((await get(options)).status, 404)
})

test('one-click unsubscription is a POST without a page or a cookie; a fetched link only shows a button', async (t) => {
  const { post, iems, delivered, get, send } = await start(t)
  await iems('list join', { list: LIST, address: 'zoe@z.test' })
  await iems('list set', { list: LIST, post: 'anyone' })
  await post({ from: 'x@far.test' })
  const field = fieldsOf(delivered.at(-1) as { content: string }, 'List-Unsubscribe')[0] ?? ''
  const [, path = ''] = /<https:\/\/here\.test(\/[^>]+)>/.exec(field) ?? []
  assert.match((await get(path)).text, /<button/)
  assert.equal((await iems('list members', { list: LIST })).length, 1)
  assert.equal((await send(path, { 'List-Unsubscribe': 'One-Click' })).status, 200)
  assert.deepEqual(await iems('list members', { list: LIST }), [])
  assert.equal((await send(path, { 'List-Unsubscribe': 'One-Click' })).status, 200)
})

test('the archive shows months, threads, posts and search; addresses are masked, markup is text, links are permanent', async (t) => {
  const { post, iems, get } = await start(t, { post: 'anyone' })
  await post({
    from: 'Eve <eve@far.test>',
    subject: '<script>alert(1)</script>',
    body: 'Write to eve@far.test <b>',
    id: 'one@far.test',
  })
  await post({
    from: 'bob@far.test',
    subject: 'Re: script',
    head: 'References: <one@far.test>\r\n',
    body: 'An answer about porcupines',
    id: 'two@far.test',
  })
  const about = await get(PAGE)
  assert.match(about.text, /month\/2026-01/)
  const month = await get(`${PAGE}/month/2026-01`)
  assert.match(month.text, /&lt;script&gt;/)
  assert.doesNotMatch(month.text, /<script>/)
  const [link = ''] = /\/lists\/[^"]+\/thread\/[A-Z2-7]{32}/.exec(month.text) ?? []
  const thread = await get(link)
  assert.match(thread.text, /An answer about porcupines/)
  assert.match(thread.text, /eve@… &lt;b&gt;/)
  assert.doesNotMatch(thread.text, /eve@far\.test/)
  assert.match((await get(`${PAGE}/search?q=porcupines`)).text, /1 post</)
  // Base32 of the SHA-1 of the Message-ID, as Mailman has it.
  const hash = link.slice(-32)
  assert.equal((await get(`${PAGE}/message/${hash}`)).status, 200)
  const feed = await get(`${PAGE}/atom`)
  assert.match(feed.headers.get('content-type') ?? '', /atom\+xml/)
  assert.equal(feed.text.match(/<entry>/g)?.length, 2)
  const mbox = await get(`${PAGE}/mbox/2026-01`)
  assert.equal(mbox.text.match(/^From MAILER-DAEMON /gm)?.length, 2)
  assert.doesNotMatch(mbox.text, /eve@far\.test|^Received:/m)
  assert.match((await get('/robots.txt')).text, /^Disallow: \/lists\/\*\/mbox\/$/m)
  await iems('list erase', { list: LIST, hash })
  assert.equal((await get(`${PAGE}/message/${hash}`)).status, 410)
  assert.equal((await get(`${PAGE}/message/${'A'.repeat(32)}`)).status, 404)
})

test('answers without References belong to the latest post with their subject; other posts begin threads', async (t) => {
  const { iems, get } = await start(t)
  const post = (day: string, subject: string, text: string) =>
    `From a@far.test ${day} 10:00:00 2025\nFrom: a@far.test\nSubject: ${subject}\nMessage-ID: <${text}@far.test>\n\n${text}\n\n`
  const mbox = [
    post('Mon Feb  3', 'Lunch', 'first'),
    post('Tue Feb  4', 'AW: [Dev] Lunch', 'second'),
    post('Wed Feb  5', 'Lunch', 'third'),
    post('Thu May  1', 'Re: Lunch', 'late'),
  ]
  await iems('list import-archive', { list: LIST }, mbox.join(''))
  const month = (await get(`${PAGE}/month/2025-02`)).text
  const threads = [...month.matchAll(/\/lists\/[^"]+\/thread\/[A-Z2-7]{32}/g)].map(([link]) => link)
  assert.equal(threads.length, 2)
  const texts = await Promise.all(threads.map(async (link) => (await get(link)).text))
  assert.equal(texts.filter((text) => /first[\s\S]*second/.test(text)).length, 1)
  assert.equal(texts.filter((text) => /third/.test(text) && !/first|second/.test(text)).length, 1)
  assert.equal((await get(`${PAGE}/month/2025-05`)).text.match(/\/thread\//g)?.length, 1)
})

test('pages for readers and members are in the language of their list', async (t) => {
  const { post, iems, get, send, clock, deliver, delivered } = await start(t, { post: 'anyone', language: 'de' })
  await post({ from: 'x@far.test', subject: '' })
  const about = (await get(PAGE)).text
  assert.match(about, /<html lang="de">[\s\S]*Archiv durchsuchen[\s\S]*Abonnieren[\s\S]*Januar 2026/)
  const month = (await get(`${PAGE}/month/2026-01`)).text
  assert.match(month, /<h1>Januar 2026<\/h1>[\s\S]*1 Beitrag in 1 Thema[\s\S]*\(kein Betreff\)/)
  assert.match((await get(`${PAGE}/search?q=good`)).text, /role="status">1 Beitrag</)
  await clock.advance(5000)
  const sent = await send(`${PAGE}/subscribe`, { address: 'eve@far.test', proof: proofIn(about, 'subscribe') })
  assert.match(sent.text, /Fast fertig[\s\S]*mit einem Link unterwegs/)
  await deliver()
  const [, head = '', body = ''] = /([\s\S]*?)\r\n\r\n([\s\S]*)/.exec(delivered.at(-1)?.content ?? '') ?? []
  const letter = /^content-transfer-encoding: base64/im.test(head)
    ? Buffer.from(body, 'base64').toString()
    : body.replace(/=\r\n/g, '')
  const [link = ''] = /\/lists\/confirm\/[a-z2-7]+/.exec(letter) ?? []
  assert.match((await get(link)).text, /<button class="btn main">Der Liste beitreten</)
  assert.match((await send(link, {})).text, /Bestätigt/)
  // What owners see, and lists in other languages, are in English.
  await iems('list set', { list: LIST, language: 'fr' })
  assert.match((await get(PAGE)).text, /<html lang="en">[\s\S]*Subscribe/)
})

test('every phrase of a page has the same values in each language', () => {
  const values = (text: string) => text.split('{}').length
  for (const [english, german] of Object.entries(GERMAN)) assert.equal(values(german), values(english), english)
})

test('a private archive is for members who log in, and there may be none', async (t) => {
  const { post, iems, get } = await start(t, { post: 'anyone', archive: 'members' })
  await post({ from: 'x@far.test' })
  assert.equal((await get(`${PAGE}/month/2026-01`)).status, 401)
  assert.equal((await get(`${PAGE}/month/2026-01`, basic('bob'))).status, 403)
  await iems('list join', { list: LIST, address: 'bob@here.test' })
  assert.equal((await get(`${PAGE}/month/2026-01`, basic('bob'))).status, 200)
  await iems('list set', { list: LIST, archive: 'none' })
  assert.equal((await get(`${PAGE}/month/2026-01`, basic('bob'))).status, 404)
})

test('moderators decide on a page after logging in; others may not', async (t) => {
  const { post, iems, get, send, deliver } = await start(t)
  await iems('list join', { list: LIST, address: 'bob@here.test' })
  await post({ from: 'x@far.test', subject: 'Held' })
  assert.equal((await get(`${PAGE}/held`)).status, 401)
  assert.equal((await get(`${PAGE}/held`, basic('bob'))).status, 403)
  const shown = (await get(`${PAGE}/held`, basic('ann'))).text
  const [, id = ''] = /name="id" value="([a-z2-7]+)"/.exec(shown) ?? []
  assert.equal((await send(`${PAGE}/held`, { id, decision: 'approve' }, basic('bob'))).status, 403)
  assert.equal((await send(`${PAGE}/held`, { id, decision: 'approve' }, basic('ann'))).status, 303)
  await deliver()
  assert.match((await get(`${PAGE}/month/2026-01`)).text, /Held/)
})

test('a list in a domain of the directory: an entry there, members with mailboxes, aliases and groups that name it', async (t) => {
  const { post, iems, inbox, directory, make } = await start(t, { post: 'anyone' })
  await iems('list join', { list: LIST, address: 'ann@here.test' })
  await make({ add: { kind: 'alias', match: 'developers@here.test', targets: [LIST] } })
  assert.equal((await post({ from: 'x@far.test', subject: 'One' })).code, 250)
  assert.equal((await post({ from: 'x@far.test', to: 'developers@here.test', subject: 'Two' })).code, 250)
  assert.deepEqual(await inbox('ann'), ['One', 'Two'])
  assert.equal((await post({ from: 'x@far.test', to: 'dev-nothing@here.test' })).code, 550)
  const entries = await Array.fromAsync(directory.find({ attribute: 'mail', value: LIST, how: 'equal' }))
  assert.deepEqual(
    entries.map(({ kind }) => kind),
    ['object'],
  )
  await iems('list remove', { list: LIST, archive: true })
  assert.deepEqual(await Array.fromAsync(directory.list('route')), [])
  assert.equal((await post({ from: 'x@far.test' })).code, 550)
})

test('Mailman’s settings and archives are taken over; old links keep their hash, and an import may be repeated', async (t) => {
  const { iems, get } = await start(t, { post: 'anyone' })
  const config = {
    display_name: 'Devs',
    subject_prefix: '[Devs] ',
    max_message_size: 40,
    subscription_policy: 'confirm_then_moderate',
    default_nonmember_action: 'reject',
    dmarc_mitigate_action: 'munge_from',
    accept_these_nonmembers: ['x@x.test', '^.*@y'],
    pipeline: 'default',
  }
  const taken = await iems('list import-config', { list: LIST }, JSON.stringify(config))
  assert.deepEqual(taken[0], { unknown: 'pipeline' })
  const [shown] = await iems('list show', { list: LIST })
  assert.deepEqual(
    [
      shown?.description,
      shown?.subjectPrefix,
      shown?.maxSize,
      shown?.subscribe,
      shown?.nonmembers,
      shown?.dmarc,
      shown?.allowed,
    ],
    ['Devs', '[Devs]', 40_960, 'confirm-approve', 'refuse', 'rewrite', ['x@x.test']],
  )
  const mbox =
    'From eve@far.test Mon Feb  3 10:00:00 2025\nFrom: eve@far.test\nSubject: Old\nMessage-ID: <old@far.test>\n\nBody\n>From me\n\nFrom bob@far.test Tue Feb  4 10:00:00 2025\nSubject: No id\n\nMessage-ID: <body@far.test>\n'
  const first = await iems('list import-archive', { list: LIST }, mbox)
  assert.deepEqual(first, [
    { line: 9, fault: 'no Message-ID' },
    { done: 1, faults: 1 },
  ])
  await iems('list import-archive', { list: LIST }, mbox)
  const month = (await get(`${PAGE}/month/2025-02`)).text
  assert.equal(month.match(/\/thread\//g)?.length, 1)
  const hash = createHash('sha1').update('old@far.test').digest()
  const [, link = ''] = /\/thread\/([A-Z2-7]{32})/.exec(month) ?? []
  const bits = [...link]
    .map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'))
    .join('')
  assert.equal(bits, [...hash].map((octet) => octet.toString(2).padStart(8, '0')).join(''))
  assert.match((await get(`${PAGE}/message/${link}`)).text, /Body\r?\nFrom me/)
})

test('a post without a Message-ID gets one, under which the archive has it', async (t) => {
  const { session, deliver, get } = await start(t, { post: 'anyone' })
  await session().submit({
    from: 'x@far.test',
    to: [LIST],
    content: 'From: x@far.test\r\nSubject: Nameless\r\n\r\nx\r\n',
  })
  await deliver()
  const [link = ''] = /\/lists\/[^"]+\/thread\/[A-Z2-7]{32}/.exec((await get(`${PAGE}/month/2026-01`)).text) ?? []
  assert.match((await get(link)).text, /Nameless/)
})
