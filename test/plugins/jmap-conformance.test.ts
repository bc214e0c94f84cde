/** What conformance tests of JMAP ask for: errors by their names, fields in every form, and states that count. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Json, message, startJmap } from '../support/jmap.ts'

const TEXT = { textBody: [{ partId: 't', type: 'text/plain' }], bodyValues: { t: { value: 'x' } } }
const structured = (part: Json) => ({
  bodyStructure: { partId: 't', type: 'text/plain', ...part },
  bodyValues: TEXT.bodyValues,
})

/** Emails that RFC 8621 section 4.6 forbids, and the property at fault. */
const FORBIDDEN: readonly (readonly [why: string, email: Json, property: string])[] = [
  ['no mailbox', { ...TEXT, mailboxIds: {} }, 'mailboxIds'],
  ['two texts', { ...TEXT, textBody: [...TEXT.textBody, ...TEXT.textBody] }, 'textBody'],
  ['no text in the list', { ...TEXT, textBody: [] }, 'textBody'],
  ['HTML as text', { ...TEXT, textBody: [{ partId: 't', type: 'text/html' }] }, 'textBody'],
  ['text as HTML', { htmlBody: TEXT.textBody, bodyValues: TEXT.bodyValues }, 'htmlBody'],
  ['a part without its value', { textBody: [{ partId: 'u', type: 'text/plain' }] }, 'bodyValues'],
  ['partId and blobId', { ...TEXT, textBody: [{ partId: 't', blobId: 'b' }] }, 'textBody'],
  ['a charset for a partId', { ...TEXT, textBody: [{ partId: 't', charset: 'utf-8' }] }, 'textBody'],
  ['a size for a partId', { ...TEXT, textBody: [{ partId: 't', size: 1 }] }, 'textBody'],
  ['a truncated value', { ...TEXT, bodyValues: { t: { value: 'x', isTruncated: true } } }, 'bodyValues'],
  ['structure and lists', { ...TEXT, ...structured({}) }, 'bodyStructure'],
  ['the headers as a list', { ...TEXT, headers: [] }, 'headers'],
  ['an unknown property of a part', structured({ headers: [] }), 'bodyStructure/headers'],
  ['an encoding', structured({ 'header:Content-Transfer-Encoding': '8bit' }), 'header:Content-Transfer-Encoding'],
  ['Content- on the email', { ...TEXT, 'header:Content-Type': 'text/plain' }, 'header:Content-Type'],
  ['a field twice', { ...TEXT, subject: 'a', 'header:Subject:asText': 'b' }, 'header:Subject:asText'],
  ['a field in two forms', { ...TEXT, 'header:X-A': 'a', 'header:x-a:asText': 'b' }, 'header:x-a:asText'],
  ['a field of the email on its part', { subject: 'a', ...structured({ 'header:Subject': 'b' }) }, 'header:Subject'],
  ['a list without :all', { ...TEXT, 'header:foo': ['a', 'b'] }, 'header:foo'],
  ['one value with :all', { ...TEXT, 'header:foo:all': 'a' }, 'header:foo:all'],
  ['a form that the field has not', { ...TEXT, 'header:From:asText': 'ann' }, 'header:From:asText'],
  ['a date that is none', { ...TEXT, 'header:X-At:asDate': 'today' }, 'header:X-At:asDate'],
]

/** Fields as they are given, and as they are written. */
const FIELDS: readonly (readonly [property: string, value: unknown, written: readonly string[]])[] = [
  ['header:X-Raw', 'one', [' one']],
  ['header:X-All:all', ['cat', 'dog'], [' cat', ' dog']],
  ['header:Subject:asText', 'Grüße', [' =?utf-8?B?R3LDvMOfZQ==?=']],
  ['header:X-Break:asText', 'a\r\nBcc: eve@here.test', [' a Bcc: eve@here.test']],
  ['header:Resent-To:asAddresses', [{ name: 'Foo bar', email: 'foo@here.test' }], [' "Foo bar" <foo@here.test>']],
  ['header:X-To:asAddresses', [{ email: 'a@here.test' }, { email: 'b@here.test' }], [' a@here.test, b@here.test']],
  ['header:Cc:asGroupedAddresses', [{ name: 'All', addresses: [{ email: 'a@here.test' }] }], [' All:a@here.test;']],
  ['header:In-Reply-To:asMessageIds', ['a@b', 'c@d'], [' <a@b> <c@d>']],
  ['header:References:asMessageIds', ['a@b', 'c@d'], [' <a@b> <c@d>']],
  ['header:Message-ID:asMessageIds', ['own@here.test'], [' <own@here.test>']],
  ['header:Resent-Date:asDate', '1969-02-14T12:02:00Z', [' Fri, 14 Feb 1969 12:02:00 +0000']],
  ['header:List-Post:asURLs', ['mailto:a@here.test', 'http://b'], [' <mailto:a@here.test>, <http://b>']],
]

test('a new email', async (t) => {
  const here = await startJmap(t)
  const ann = await here.client('ann')
  const inbox = await ann.mailbox('inbox')
  const create = (email: Json) => ann.one('Email/set', { create: { a: { mailboxIds: { [inbox]: true }, ...email } } })

  await t.test('is refused by the property at fault', async () => {
    for (const [why, email, property] of FORBIDDEN) {
      const { created, notCreated } = await create(email)
      assert.equal(created, null, why)
      assert.equal(notCreated.a.type, 'invalidProperties', why)
      assert.deepEqual(notCreated.a.properties, [property], why)
    }
  })

  await t.test('has fields in every form', async () => {
    for (const [property, value, written] of FIELDS) {
      const made = await create({ ...TEXT, [property]: value })
      assert.deepEqual(made.notCreated, null, property)
      const asked = `header:${property.split(':')[1]}:asRaw:all`
      const { list } = await ann.one('Email/get', { ids: [made.created.a.id], properties: [asked] })
      assert.deepEqual(list[0][asked], written, property)
    }
  })

  await t.test('takes fields of its outermost part', async () => {
    const fields = { 'header:From': 'Foo <foo@here.test>', 'header:Subject': 'of the part', 'header:X-Foo': 'bar' }
    const { created } = await create(structured({ ...fields, cid: 'c', language: ['en'] }))
    const properties = ['from', 'subject', 'bodyStructure', 'messageId', 'sentAt']
    const [email] = (await ann.one('Email/get', { ids: [created.a.id], properties })).list
    assert.deepEqual(email.from, [{ name: 'Foo', email: 'foo@here.test' }])
    assert.equal(email.subject, 'of the part')
    assert.equal(email.bodyStructure.cid, 'c')
    assert.equal(email.messageId.length, 1)
    assert.ok(email.sentAt)
  })
})

test('blobs that are no messages, missing or on the way to their own account are refused by name', async (t) => {
  const here = await startJmap(t)
  const ann = await here.client('ann')
  const mailboxIds = { [await ann.mailbox('inbox')]: true }
  const none = await ann.upload('this is not an email', 'application/octet-stream')
  const imported = await ann.one('Email/import', {
    emails: { a: { blobId: none, mailboxIds }, b: { blobId: 'missing', mailboxIds } },
  })
  assert.equal(imported.notCreated.a.type, 'invalidEmail')
  assert.deepEqual(imported.notCreated.b.properties, ['blobId'])
  const parsed = await ann.one('Email/parse', { blobIds: [none] })
  assert.deepEqual(parsed.notParsable, [none])
  const real = await ann.upload(message({ Subject: 'parsed' }))
  const properties = ['id', 'threadId', 'mailboxIds', 'keywords', 'receivedAt', 'subject']
  assert.deepEqual((await ann.one('Email/parse', { blobIds: [real], properties })).parsed[real], {
    id: null,
    threadId: null,
    mailboxIds: null,
    keywords: null,
    receivedAt: null,
    subject: 'parsed',
  })
  const copied = await ann.one('Blob/copy', { fromAccountId: ann.account, blobIds: [real] })
  assert.equal(copied.error.type, 'invalidArguments')
  const push = await ann.call([
    'PushSubscription/set',
    { create: { a: { deviceClientId: 'd', url: 'http://push.test/' } } },
  ])
  assert.deepEqual(push[0]?.notCreated.a.properties, ['url'])
})

test('mailboxes keep their order, and name what the client did not send', async (t) => {
  const here = await startJmap(t)
  const ann = await here.client('ann')
  const set = (given: Json) => ann.one('Mailbox/set', given)
  const { a, b } = (await set({ create: { a: { name: 'Zebra', sortOrder: 2 }, b: { name: 'Ape', sortOrder: 99 } } }))
    .created
  assert.deepEqual(
    [a.parentId, a.role, a.isSubscribed, 'sortOrder' in a, 'name' in a],
    [null, null, true, false, false],
  )
  const order = async () =>
    ((await ann.one('Mailbox/query', { sort: [{ property: 'sortOrder' }] })).ids as string[]).filter((id) =>
      [a.id, b.id].includes(id),
    )
  assert.deepEqual(await order(), [a.id, b.id])
  const { state } = await ann.one('Mailbox/get', { ids: [] })
  await set({ update: { [a.id]: { sortOrder: 100 } } })
  assert.deepEqual(await order(), [b.id, a.id])
  assert.deepEqual((await ann.one('Mailbox/changes', { sinceState: state })).updated, [a.id])

  const [whole] = (await ann.one('Mailbox/get', { ids: [a.id] })).list
  const same = await set({ update: { [a.id]: { ...whole, name: 'Zoo' } } })
  assert.equal(same.notUpdated, null)
  const wrong = await set({ update: { [a.id]: { ...whole, totalEmails: 7 } } })
  assert.deepEqual(wrong.notUpdated[a.id].properties, ['totalEmails'])
  const taken = await set({ create: { c: { name: 'Zoo' } }, update: { [b.id]: { name: 'Zoo' } } })
  for (const refused of [taken.notCreated.c, taken.notUpdated[b.id]])
    assert.deepEqual([refused.type, refused.existingId], ['alreadyExists', a.id])
})

test('identities have a history, and emails an order by keywords of their threads', async (t) => {
  const here = await startJmap(t)
  const ann = await here.client('ann')
  const before = await ann.one('Identity/get', { ids: null })
  const [{ id }] = before.list
  assert.deepEqual((await ann.one('Identity/changes', { sinceState: before.state })).updated, [])
  await ann.one('Identity/set', { update: { [id]: { name: 'Ann of Here' } } })
  const changes = await ann.one('Identity/changes', { sinceState: before.state })
  assert.deepEqual(changes.updated, [id])
  assert.equal(changes.newState, (await ann.one('Identity/get', { ids: [] })).state)

  const keywords = { $flagged: true }
  const first = await ann.file(message({ Subject: 'one', 'Message-ID': '<1@here.test>' }), { keywords })
  const reply = await ann.file(
    message({ Subject: 'Re: one', 'Message-ID': '<2@here.test>', References: '<1@here.test>' }),
  )
  const other = await ann.file(message({ Subject: 'two', 'Message-ID': '<3@here.test>' }), { keywords })
  const byThreads = async (property: string) => {
    const sort = [{ property, keyword: '$flagged', isAscending: false }, { property: 'subject' }]
    return (await ann.one('Email/query', { sort })).ids as string[]
  }
  assert.deepEqual((await byThreads('allInThreadHaveKeyword'))[0], other)
  assert.deepEqual(new Set((await byThreads('someInThreadHaveKeyword')).slice(0, 3)), new Set([first, reply, other]))
  for (const sort of [[{ property: 'receivedAt', collation: 'i;none' }], [{ property: 'hasKeyword' }]])
    assert.equal((await ann.one('Email/query', { sort })).error.type, 'unsupportedSort')
})

test('address books have a default that clients choose, and cards are found and sorted by parts of names', async (t) => {
  const here = await startJmap(t)
  const ann = await here.client('ann')
  const isDefault = async () =>
    Object.fromEntries(
      (await ann.one('AddressBook/get', { ids: null })).list.map((one: Json) => [one.id, one.isDefault]),
    )
  const made = await ann.one('AddressBook/set', { create: { a: { name: 'Own' } }, onSuccessSetIsDefault: '#a' })
  const { id } = made.created.a
  assert.deepEqual([made.created.a.isDefault, made.updated], [true, { contacts: { isDefault: false } }])
  assert.deepEqual(await isDefault(), { contacts: false, [id]: true, directory: false })
  await ann.one('AddressBook/set', { onSuccessSetIsDefault: 'missing' })
  assert.equal((await isDefault())[id], true)
  const chosen = await ann.one('AddressBook/set', { update: { [id]: { isDefault: false } } })
  assert.deepEqual(chosen.notUpdated[id].properties, ['isDefault'])
  await ann.one('AddressBook/set', { destroy: [id] })
  assert.equal((await isDefault()).contacts, true)

  const addressBookIds = { contacts: true }
  const named = (given: string, surname: string) => ({
    addressBookIds,
    name: {
      components: [
        { kind: 'given', value: given },
        { kind: 'surname', value: surname },
      ],
    },
  })
  const cards = await ann.one('ContactCard/set', {
    create: {
      a: named('Zoe', 'Adams'),
      b: named('Ben', 'Baker'),
      c: named('Amy', 'Baker'),
      wrong: { addressBookIds, name: 'text' },
      wronger: { addressBookIds, emails: ['a@here.test'] },
    },
  })
  const { a, b, c } = cards.created
  assert.deepEqual(cards.notCreated.wrong.properties, ['name'])
  assert.deepEqual(cards.notCreated.wronger.properties, ['emails'])
  const query = async (filter: Json, ...sort: Json[]) =>
    (await ann.one('ContactCard/query', { filter: { ...filter, inAddressBook: 'contacts' }, sort })).ids as string[]
  const bySurname = [{ property: 'name/surname' }, { property: 'name/given', isAscending: false }]
  assert.deepEqual(await query({}, ...bySurname), [a.id, b.id, c.id])
  assert.deepEqual(await query({}, { property: 'name/given' }), [c.id, b.id, a.id])
  assert.deepEqual(await query({ 'name/surname': 'baker' }, { property: 'name/given' }), [c.id, b.id])
  assert.deepEqual(await query({ 'name/given': 'Baker' }), [])
})

test('emails are copied between accounts, and originals destroyed by a set of their own', async (t) => {
  const here = await startJmap(t)
  const [ann, bob] = [await here.client('ann'), await here.client('bob')]
  const shared = (await bob.one('Mailbox/set', { create: { s: { name: 'Shared' } } })).created.s.id
  const rights = { mayReadItems: true, mayAddItems: true, mayRemoveItems: true, maySetSeen: true, maySetKeywords: true }
  await bob.one('Mailbox/set', { update: { [shared]: { [`shareWith/${ann.account}`]: rights } } })
  const original = await bob.file(message({ Subject: 'to be copied' }), { mailboxIds: { [shared]: true } })
  const copy = (given: Json) => {
    const create = { k: { id: original, mailboxIds: {} as Json } }
    return ann.mailbox('inbox').then((inbox) => {
      create.k.mailboxIds = { [inbox]: true }
      return ann.call(['Email/copy', { fromAccountId: bob.account, create, ...given }])
    })
  }
  assert.equal((await copy({ ifFromInState: 'other' }))[0]?.error.type, 'stateMismatch')
  const [copied, refused] = await copy({ onSuccessDestroyOriginal: true, destroyFromIfInState: 'other' })
  assert.ok(copied?.created.k.id)
  assert.equal(refused?.error.type, 'stateMismatch')
  const [again, destroyed] = await copy({ onSuccessDestroyOriginal: true })
  assert.ok(again?.created.k.id)
  assert.deepEqual([destroyed?.accountId, destroyed?.destroyed], [bob.account, [original]])
  assert.equal((await copy({}))[0]?.notCreated.k.type, 'notFound')
})
