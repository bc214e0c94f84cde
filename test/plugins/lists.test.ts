/** Mailing lists through the public listener: who may post, what members get, moderation, commands by mail. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definePlugin } from 'iems'
import { decodeWords } from 'iems/mime'
import * as z from 'zod'
import { bodyOf, createListsKernel, fieldsOf, LIST, type ListsKernel } from '../support/lists.ts'

const SITE = 'https://lists.test'

async function withMembers(
  kernel: ListsKernel,
  settings: Record<string, unknown> = {},
  members = ['ann@a.test', 'bob@b.test', 'cat@c.test'],
) {
  await kernel.iems('list add', { address: LIST, owners: ['owner@o.test'], welcome: '', dmarc: 'none', ...settings })
  for (const address of members) await kernel.iems('list join', { list: LIST, address })
}

test('a post of a member reaches every member once, under a return path of their own, with the fields of the RFCs', async (t) => {
  const kernel = await createListsKernel(t, { lists: { site: SITE } })
  await withMembers(kernel, {
    description: 'The developers',
    subjectPrefix: '[Dev %d]',
    footer: 'Bye\\n%list',
    archive: 'public',
  })
  const { code, sent } = await kernel.post({
    from: 'Ann <ann@a.test>',
    sender: 'ann@a.test',
    head: 'List-Unsubscribe: <mailto:other@x.test>\r\nDisposition-Notification-To: ann@a.test\r\n',
  })
  assert.equal(code, 250)
  assert.deepEqual(sent.flatMap(({ to }) => to).sort(), ['ann@a.test', 'bob@b.test', 'cat@c.test'])
  assert.equal(new Set(sent.map(({ from }) => from)).size, 3)
  for (const one of sent) {
    assert.match(one.from, /^dev-bounces\+[a-z2-7]{16}@lists\.test$/)
    assert.deepEqual(fieldsOf(one, 'From'), ['Ann <ann@a.test>'])
    assert.deepEqual(fieldsOf(one, 'Subject'), ['[Dev 1] Hello'])
    assert.deepEqual(fieldsOf(one, 'List-Id'), ['"The developers" <dev.lists.test>'])
    assert.deepEqual(fieldsOf(one, 'List-Post'), ['<mailto:dev@lists.test>'])
    assert.deepEqual(fieldsOf(one, 'List-Help'), ['<mailto:dev-request@lists.test?subject=help>'])
    assert.deepEqual(fieldsOf(one, 'List-Owner'), ['<mailto:dev-owner@lists.test>'])
    assert.deepEqual(fieldsOf(one, 'List-Subscribe'), ['<mailto:dev-join@lists.test>'])
    assert.deepEqual(fieldsOf(one, 'List-Unsubscribe-Post'), ['List-Unsubscribe=One-Click'])
    const [leave = '', ...more] = fieldsOf(one, 'List-Unsubscribe')
    assert.match(leave, /^<https:\/\/lists\.test\/lists\/unsubscribe\/[a-z2-7]{16}>, <mailto:dev-leave@lists\.test>$/)
    assert.deepEqual(more, [])
    assert.match(
      fieldsOf(one, 'Archived-At')[0] ?? '',
      /^<https:\/\/lists\.test\/lists\/dev%40lists\.test\/message\/[A-Z2-7]{32}>$/,
    )
    assert.deepEqual(fieldsOf(one, 'Precedence'), ['list'])
    assert.deepEqual(fieldsOf(one, 'Disposition-Notification-To'), [])
    assert.equal(bodyOf(one), 'Good day.\r\n-- \r\nBye\r\ndev@lists.test\r\n')
  }
})

test('without return paths for each member one message holds the members of a batch, and one body is stored', async (t) => {
  const kernel = await createListsKernel(t)
  await withMembers(kernel, { verpEvery: 0 }, ['ann@a.test', 'bob@a.test', 'cat@a.test'])
  const { sent } = await kernel.post({ from: 'ann@a.test' })
  assert.deepEqual(
    sent.map(({ from, to }) => [from, ...to]),
    [['dev-bounces@lists.test', 'ann@a.test', 'bob@a.test', 'cat@a.test']],
  )
})

test('members choose: no mail, none of their own posts, none that names them already, away until a day', async (t) => {
  const kernel = await createListsKernel(t)
  await withMembers(kernel)
  await kernel.iems('list member', { list: LIST, address: 'ann@a.test', own: 'no' })
  await kernel.iems('list member', { list: LIST, address: 'cat@c.test', delivery: 'none' })
  await kernel.iems('list join', { list: LIST, address: 'dan@d.test', away: '2999-01-01' })
  await kernel.iems('list join', { list: LIST, address: 'eve@e.test' })
  await kernel.iems('list join', { list: LIST, address: 'fay@f.test', duplicates: 'yes' })
  const { sent } = await kernel.post({ from: 'ann@a.test', head: 'Cc: Eve <EVE@e.test>, fay@f.test\r\n' })
  assert.deepEqual(
    sent.flatMap(({ to }) => to),
    ['bob@b.test', 'fay@f.test'],
  )
})

test('strangers are held, refused or discarded; bans, loops, reports and automatic replies are refused to the client', async (t) => {
  const kernel = await createListsKernel(t)
  await withMembers(kernel, { bans: ['*@spam.test'], allowed: ['*@friends.test'], notify: 'no', owners: [] })
  assert.deepEqual((await kernel.post({ from: 'x@far.test' })).sent, [])
  assert.equal((await kernel.rows('list held', { list: LIST })).length, 1)
  assert.equal((await kernel.post({ from: 'y@friends.test' })).sent.length, 3)
  assert.equal((await kernel.post({ from: 'z@spam.test' })).code, 550)
  assert.equal((await kernel.post({ from: 'ann@a.test', sender: '' })).code, 550)
  assert.equal((await kernel.post({ from: 'ann@a.test', head: 'Auto-Submitted: auto-replied\r\n' })).code, 550)
  assert.equal((await kernel.post({ from: 'ann@a.test', head: 'List-Id: Dev <dev.lists.test>\r\n' })).code, 550)
  assert.equal((await kernel.post({ from: 'ann@a.test, bob@b.test', sender: 'ann@a.test' })).code, 550)
  await kernel.iems('list set', { list: LIST, nonmembers: 'refuse' })
  const refused = await kernel.post({ from: 'x@far.test' })
  assert.equal(refused.code, 550)
  assert.match(refused.text, /^Only members may post to this list/)
  await kernel.iems('list set', { list: LIST, nonmembers: 'discard' })
  assert.deepEqual(
    [(await kernel.post({ from: 'x@far.test' })).sent, (await kernel.rows('list held', { list: LIST })).length],
    [[], 1],
  )
  assert.equal((await kernel.post({ from: 'x@far.test', to: 'dev-approved+abc@lists.test' })).code, 550)
})

for (const [what, message, settings] of [
  ['too large', { body: 'x'.repeat(3000) }, { maxSize: '2 kB' }],
  ['too many recipients', { head: 'Cc: a@x.test, b@x.test, c@x.test\r\n' }, { maxRecipients: 3 }],
  ['a header rule', { subject: 'Win the LOTTERY now' }, { rules: ['hold: Subject: *lottery*'] }],
  ['a command', { subject: 'unsubscribe' }, {}],
  ['a command in the text', { body: 'unsubscribe me please' }, {}],
  ['not addressed to the list', { head: 'Resent-To: dev@lists.test\r\n', to: LIST }, { explicit: 'yes' }],
] as const)
  test(`held for a moderator: ${what}`, async (t) => {
    const kernel = await createListsKernel(t)
    await withMembers(kernel, { notify: 'no', owners: [], ...settings })
    if (what === 'not addressed to the list') {
      const content = 'From: ann@a.test\r\nTo: someone@else.test\r\n\r\nHi\r\n'
      await kernel.session().submit({ from: 'ann@a.test', to: [LIST], content })
      await kernel.deliver()
    } else await kernel.post({ from: 'ann@a.test', ...message })
    assert.equal((await kernel.rows('list held', { list: LIST })).length, 1)
  })

test('a moderator approves by a reply; the post goes out once, and the token counts no more', async (t) => {
  const kernel = await createListsKernel(t)
  await withMembers(kernel, { moderators: ['mod@m.test'] })
  const { sent } = await kernel.post({ from: 'x@far.test', subject: 'A question' })
  const asked = sent.find(({ to }) => to[0] === 'mod@m.test')
  const informed = sent.find(({ to }) => to[0] === 'x@far.test')
  assert.ok(asked && informed)
  assert.equal(informed.from, '')
  assert.deepEqual(fieldsOf(informed, 'Auto-Submitted'), ['auto-replied'])
  assert.match(asked.content, /Content-Type: message\/rfc822\r\n\r\n(?:.*\r\n)*Subject: A question/)
  const [replyTo = ''] = fieldsOf(asked, 'Reply-To')
  // A vacation notice decides nothing.
  const away = await kernel.post({
    from: 'mod@m.test',
    to: replyTo,
    head: 'Auto-Submitted: auto-replied\r\n',
    body: 'approve',
  })
  assert.deepEqual(away.sent, [])
  const { sent: posts } = await kernel.post({ from: 'mod@m.test', to: replyTo, body: 'approve\r\n\r\n> quoted' })
  assert.deepEqual(
    posts.flatMap(({ to }) => to),
    ['ann@a.test', 'bob@b.test', 'cat@c.test'],
  )
  assert.deepEqual(await kernel.rows('list held', { list: LIST }), [])
  const again = await kernel.post({ from: 'mod@m.test', to: replyTo, body: 'approve' })
  assert.deepEqual(
    again.sent.map(({ to }) => to),
    [['mod@m.test']],
  )
})

test('reject informs the author, discard does not, allow lets the author post from then on', async (t) => {
  const kernel = await createListsKernel(t)
  await withMembers(kernel, { notify: 'no', owners: [] })
  const heldId = async () => String((await kernel.rows('list held', { list: LIST }))[0]?.id)
  const decide = async (decision: string, text?: string) => {
    const before = kernel.delivered.length
    await kernel.iems('list decide', { list: LIST, decision, id: await heldId(), ...(text ? { text } : {}) })
    await kernel.deliver()
    return kernel.delivered.slice(before)
  }
  await kernel.post({ from: 'x@far.test' })
  const [rejected, ...none] = await decide('reject', 'Off topic')
  assert.deepEqual([rejected?.to, none.length], [['x@far.test'], 0])
  assert.match(rejected?.content ?? '', /Off topic/)
  await kernel.post({ from: 'x@far.test' })
  assert.deepEqual(await decide('discard'), [])
  await kernel.post({ from: 'x@far.test' })
  assert.equal((await decide('allow')).length, 3)
  assert.equal((await kernel.post({ from: 'x@far.test' })).sent.length, 3)
})

test('people join and leave by mail, after a confirmation; tokens are bound, expire and count once', async (t) => {
  const kernel = await createListsKernel(t)
  await withMembers(kernel, { welcome: 'Hello to %list' }, [])
  const addresses = async () => (await kernel.rows('list members', { list: LIST })).map(({ address }) => address)
  const [asked] = (await kernel.post({ from: 'Zoe <Zoe@Z.test>', sender: 'zoe@z.test', to: 'dev-join@lists.test' }))
    .sent
  assert.ok(asked)
  assert.deepEqual([asked.from, asked.to], ['', ['zoe@z.test']])
  assert.deepEqual(await addresses(), [])
  const [confirm = ''] = /dev-confirm\+[a-z2-7]{24}@lists\.test/.exec(fieldsOf(asked, 'From')[0] ?? '') ?? []
  // An automatic reply confirms nothing.
  await kernel.post({ from: 'zoe@z.test', to: confirm, head: 'Auto-Submitted: auto-replied\r\n' })
  assert.deepEqual(await addresses(), [])
  const { sent } = await kernel.post({ from: 'zoe@z.test', to: confirm, subject: `Re: ${asked.message}` })
  assert.deepEqual(await addresses(), ['zoe@z.test'])
  assert.match(sent[0]?.content ?? '', /Hello to dev@lists\.test/)
  assert.match((await kernel.post({ from: 'zoe@z.test', to: confirm })).sent[0]?.content ?? '', /expired or is done/)
  const [leaving] = (
    await kernel.post({ from: 'zoe@z.test', to: 'dev-request@lists.test', body: 'unsubscribe' })
  ).sent.filter(({ content }) => content.includes('dev-confirm+'))
  const [leave = ''] = /dev-confirm\+[a-z2-7]{24}@lists\.test/.exec(leaving?.content ?? '') ?? []
  await kernel.advance(4 * 86_400_000)
  await kernel.post({ from: 'zoe@z.test', to: leave })
  assert.deepEqual(await addresses(), ['zoe@z.test'])
})

test('the request address understands help, info, which, set and confirm; machines get no answer, people few in a day', async (t) => {
  const kernel = await createListsKernel(t, { lists: { repliesPerDay: 3 } })
  await withMembers(kernel, { info: 'All about it' })
  const ask = async (body: string, head = '') =>
    (await kernel.post({ from: 'ann@a.test', to: 'dev-request@lists.test', subject: '', body, head })).sent
  assert.deepEqual(await ask('help', 'Precedence: bulk\r\n'), [])
  const [answer] = await ask('info\r\nwhich\r\nend\r\nfrobnicate')
  assert.match(answer?.content ?? '', /All about it\r\n\r\n> which\r\ndev@lists\.test/)
  assert.doesNotMatch(answer?.content ?? '', /frobnicate/)
  const sent = await ask('set delivery digest')
  const asked = sent.find(({ content }) => content.includes('dev-confirm+'))
  const [, token = ''] = /dev-confirm\+([a-z2-7]{24})@/.exec(asked?.content ?? '') ?? []
  await ask(`confirm ${token}`)
  const [ann] = await kernel.rows('list members', { list: LIST })
  assert.equal(ann?.delivery, 'mime')
  assert.deepEqual(await ask('help'), [])
})

test('the owner address reaches the owners and does not loop', async (t) => {
  const kernel = await createListsKernel(t)
  await withMembers(kernel)
  const { sent } = await kernel.post({ from: 'x@far.test', to: 'dev-owner@lists.test' })
  assert.deepEqual(
    sent.map(({ to, from }) => [to[0], from]),
    [['owner@o.test', 'dev-bounces@lists.test']],
  )
  const again = await kernel.post({
    from: 'x@far.test',
    to: 'dev-owner@lists.test',
    head: 'X-Loop: dev-owner@lists.test\r\n',
  })
  assert.deepEqual(
    again.sent.filter(({ to }) => to[0] === 'owner@o.test'),
    [],
  )
})

test('signed and encrypted bodies keep every octet', async (t) => {
  const kernel = await createListsKernel(t)
  await withMembers(kernel, { footer: 'Footer', subjectPrefix: '[Dev]' })
  for (const type of ['multipart/signed; boundary=b', 'multipart/encrypted; boundary=b', 'application/pkcs7-mime']) {
    const body = '--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--'
    const { sent } = await kernel.post({
      from: 'ann@a.test',
      head: `MIME-Version: 1.0\r\nContent-Type: ${type}\r\n`,
      body,
    })
    assert.equal(bodyOf(sent[0] as { content: string }), `${body}\r\n`, type)
  }
  const { sent } = await kernel.post({ from: 'ann@a.test', body: '-----BEGIN PGP SIGNED MESSAGE-----\r\nx' })
  assert.doesNotMatch(sent[0]?.content ?? '', /Footer/)
})

test('other plugins moderate, transform and mirror posts', async (t) => {
  const mirrored: string[] = []
  const third = definePlugin({
    name: 'third',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        'lists:post': ({ message }) =>
          message.headers.get('subject')[0] === 'Spam' ? { kind: 'refuse', why: 'Not here' } : undefined,
        'lists:outgoing': (post) => ({
          ...post,
          async *open() {
            yield Buffer.from(`X-Third: ${post.number} ${post.author}\r\n`)
            yield* post.open()
          },
        }),
        async 'lists:posted'({ hash, open }) {
          mirrored.push(
            `${hash.length} ${
              Buffer.concat(await Array.fromAsync(open()))
                .toString()
                .split('\r\n')[0]
            }`,
          )
        },
      },
    }),
  })
  const kernel = await createListsKernel(t, { plugins: [third()] })
  await withMembers(kernel, {}, ['ann@a.test'])
  assert.match((await kernel.post({ from: 'ann@a.test', subject: 'Spam' })).text, /Not here/)
  const { sent } = await kernel.post({ from: 'ann@a.test' })
  assert.deepEqual(fieldsOf(sent[0] as { content: string }, 'X-Third'), ['1 ann@a.test'])
  assert.deepEqual(mirrored, ['32 X-Third: 1 ann@a.test'])
})

test('members get posts about their topics, by Subject or Keywords, and what the list writes in their language', async (t) => {
  const kernel = await createListsKernel(t)
  await withMembers(kernel, { topics: ['Releases: *release*', 'Bugs: *bug*'] }, ['ann@a.test'])
  const join = (address: string, options: Record<string, string>) =>
    kernel.iems('list join', { list: LIST, address, ...options })
  await join('rel@r.test', { topics: 'Releases', otherTopics: 'no' })
  await join('bug@b.test', { topics: 'Bugs' })
  await join('gone@g.test', { topics: 'Forgotten' })
  const readers = async (subject: string, head = '') =>
    (await kernel.post({ from: 'ann@a.test', subject, head })).sent.flatMap(({ to }) => to).sort()
  assert.deepEqual(await readers('The new release'), ['ann@a.test', 'gone@g.test', 'rel@r.test'])
  assert.deepEqual(await readers('Lunch'), ['ann@a.test', 'bug@b.test', 'gone@g.test'])
  assert.deepEqual(await readers('It fails', 'Keywords: noise, BUG 7\r\n'), ['ann@a.test', 'bug@b.test', 'gone@g.test'])

  const ask = async (body: string) =>
    (await kernel.post({ from: 'rel@r.test', to: 'dev-request@lists.test', subject: '', body })).sent
  const tokenIn = (sent: readonly { readonly content: string }[]) =>
    /dev-confirm\+([a-z2-7]{24})@/.exec(sent.map(({ content }) => content).join(''))?.[1] ?? ''
  await ask(`confirm ${tokenIn(await ask('set language fr'))}`)
  await ask(`confirm ${tokenIn(await ask('set topics Releases, Bugs'))}`)
  const member = (await kernel.rows('list members', { list: LIST })).find(({ address }) => address === 'rel@r.test')
  assert.deepEqual([member?.language, member?.topics], ['fr', ['Releases', 'Bugs']])
  const sent = await ask('unsubscribe')
  assert.match(decodeWords(sent.map((one) => fieldsOf(one, 'Subject')[0]).join('\n')), /Confirmation demandée/)
})
