/** JMAP as clients speak it: requests, mailboxes, emails, threads, queries, submission, blobs, pushes. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { type Json, message, startJmap } from '../support/jmap.ts'

test('the session says who the client is and where everything is', async (t) => {
  const { client, base } = await startJmap(t)
  const ann = await client('ann')
  const found = await fetch(`${base}/.well-known/jmap`, { headers: { authorization: ann.authorization } })
  const session = (await found.json()) as Json
  assert.equal(session.username, 'ann')
  assert.equal(session.apiUrl, `${base}/jmap/api`)
  assert.deepEqual(Object.keys(session.accounts), [ann.account])
  assert.equal(session.primaryAccounts['urn:ietf:params:jmap:mail'], ann.account)
  assert.equal(session.accounts[ann.account].isPersonal, true)
  assert.ok(session.capabilities['urn:ietf:params:jmap:core'].maxCallsInRequest >= 16)
  assert.match(session.capabilities['urn:ietf:params:jmap:websocket'].url, /^ws:/)
  assert.equal((await fetch(`${base}/jmap/session`)).status, 401)
})

test('what is no request is refused as RFC 8620 section 3.6.1 has it', async (t) => {
  const { client } = await startJmap(t, { limits: { calls: 3 } })
  const { post } = await client('ann')
  const refused = async (body: string, headers?: Record<string, string>) => {
    const response = await post(body, headers)
    return [response.status, ((await response.json()) as Json).type.replace('urn:ietf:params:jmap:error:', '')]
  }
  const core = 'urn:ietf:params:jmap:core'
  assert.deepEqual(await refused('{'), [400, 'notJSON'])
  assert.deepEqual(await refused('{}', { 'content-type': 'text/plain' }), [400, 'notJSON'])
  assert.deepEqual(await refused('[]'), [400, 'notRequest'])
  assert.deepEqual(await refused('{"using":["x"],"methodCalls":[]}'), [400, 'unknownCapability'])
  assert.deepEqual(await refused(JSON.stringify({ using: [core], methodCalls: [['Core/echo', 1, 'a']] })), [
    400,
    'notRequest',
  ])
  const many = Array.from({ length: 4 }, (_, index) => ['Core/echo', {}, String(index)])
  assert.deepEqual(await refused(JSON.stringify({ using: [core], methodCalls: many })), [400, 'limit'])
  const deep = `${'['.repeat(500)}${']'.repeat(500)}`
  assert.deepEqual(await refused(`{"using":["${core}"],"methodCalls":[["Core/echo",{"a":${deep}},"0"]]}`), [
    400,
    'notRequest',
  ])
})

test('RFC 8620 section 3.7: results are referred to, and wrong references are refused alone', async (t) => {
  const { client } = await startJmap(t)
  const { call, file } = await client('ann')
  const id = await file(message({ Subject: 'One' }))
  const [, got, wrong, both, none] = await call(
    ['Email/query', {}, 'q'],
    ['Email/get', { '#ids': { resultOf: 'q', name: 'Email/query', path: '/ids' }, properties: ['subject'] }],
    ['Email/get', { '#ids': { resultOf: 'q', name: 'Email/query', path: '/none' } }],
    ['Email/get', { ids: [], '#ids': { resultOf: 'q', name: 'Email/query', path: '/ids' } }],
    ['Email/get', { '#ids': { resultOf: 'x', name: 'Email/query', path: '/ids' } }],
  )
  assert.deepEqual(got?.list, [{ id, subject: 'One' }])
  assert.equal(wrong?.error.type, 'invalidResultReference')
  assert.equal(both?.error.type, 'invalidArguments')
  assert.equal(none?.error.type, 'invalidResultReference')
})

test('a mailbox is made, found, moved, and removed only when it may be', async (t) => {
  const { client } = await startJmap(t)
  const { one, call, mailboxes, file } = await client('ann')
  assert.ok((await mailboxes()).some(({ role, name }) => role === 'inbox' && name === 'Inbox'))
  const [made] = await call([
    'Mailbox/set',
    {
      create: {
        a: { name: 'Projects' },
        b: { name: 'Alpha', parentId: '#a' },
        c: { name: 'a/b' },
        d: { name: 'X', role: 'inbox' },
      },
    },
  ])
  const { a, b } = (made as Json).created
  assert.equal(made?.notCreated.c.type, 'invalidProperties')
  assert.deepEqual(made?.notCreated.d.properties, ['role'])
  const tree = await one('Mailbox/query', { filter: { parentId: a.id } })
  assert.deepEqual(tree.ids, [b.id])
  const removed = await one('Mailbox/set', { destroy: [a.id] })
  assert.equal(removed.notDestroyed[a.id].type, 'mailboxHasChild')
  const moved = await one('Mailbox/set', { update: { [b.id]: { parentId: null, name: 'Beta' } } })
  assert.deepEqual(moved.updated, { [b.id]: null })
  assert.equal((await mailboxes()).find(({ id }) => id === b.id)?.parentId, null)
  await file(message({}), { mailboxIds: { [b.id]: true } })
  assert.equal((await one('Mailbox/set', { destroy: [b.id] })).notDestroyed[b.id].type, 'mailboxHasEmail')
  assert.deepEqual((await one('Mailbox/set', { destroy: [b.id], onDestroyRemoveEmails: true })).destroyed, [b.id])
  assert.equal((await one('Mailbox/get', { ids: ['none'] })).notFound[0], 'none')
})

test('an email has what its header and its parts say', async (t) => {
  const { client } = await startJmap(t)
  const { one, file, mailbox } = await client('ann')
  const content = [
    'From: =?utf-8?q?J=C3=B6rg?= <joerg@there.test>',
    'To: Group: a@here.test, "B, C" <b@here.test>;, c@here.test',
    'Subject: =?utf-8?b?SGVsbG8g4oKs?=',
    'Date: Thu, 1 Jan 2026 12:00:00 +0200',
    'Message-ID: <one@there.test>',
    'References: <zero@there.test>',
    ' <half@there.test>',
    'List-Unsubscribe: <https://there.test/u>, <mailto:u@there.test>',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=x',
    '',
    '--x',
    'Content-Type: multipart/alternative; boundary=y',
    '',
    '--y',
    'Content-Type: text/plain; charset=iso-8859-1',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    'caf=E9',
    '--y',
    'Content-Type: text/html',
    '',
    '<b>cafe</b>',
    '--y--',
    '--x',
    'Content-Type: application/pdf; name="a.pdf"',
    'Content-Disposition: attachment; filename="a.pdf"',
    'Content-Transfer-Encoding: base64',
    '',
    'AAEC',
    '--x--',
    '',
  ].join('\r\n')
  const id = await file(content, { keywords: { $seen: true, work: true }, receivedAt: '2026-01-02T03:04:05Z' })
  const { list } = await one('Email/get', {
    ids: [id],
    properties: [
      'mailboxIds',
      'keywords',
      'receivedAt',
      'sentAt',
      'from',
      'to',
      'subject',
      'messageId',
      'references',
      'cc',
      'hasAttachment',
      'preview',
      'bodyValues',
      'textBody',
      'htmlBody',
      'attachments',
      'header:List-Unsubscribe:asURLs',
      'header:to:asGroupedAddresses',
      'header:X-None',
      'header:Message-ID:asRaw:all',
    ],
    bodyProperties: ['partId', 'type', 'name', 'size'],
    fetchTextBodyValues: true,
  })
  const [email] = list
  assert.deepEqual(email.mailboxIds, { [await mailbox('inbox')]: true })
  assert.deepEqual(email.keywords, { $seen: true, work: true })
  assert.equal(email.receivedAt, '2026-01-02T03:04:05Z')
  assert.equal(email.sentAt, '2026-01-01T12:00:00+02:00')
  assert.deepEqual(email.from, [{ name: 'Jörg', email: 'joerg@there.test' }])
  assert.deepEqual(
    email.to.map((one: Json) => one.email),
    ['a@here.test', 'b@here.test', 'c@here.test'],
  )
  assert.equal(email.subject, 'Hello €')
  assert.deepEqual(email.messageId, ['one@there.test'])
  assert.deepEqual(email.references, ['zero@there.test', 'half@there.test'])
  assert.equal(email.cc, null)
  assert.equal(email.hasAttachment, true)
  assert.match(email.preview, /café/)
  assert.deepEqual(
    email.textBody.map((part: Json) => part.type),
    ['text/plain'],
  )
  assert.deepEqual(
    email.htmlBody.map((part: Json) => part.type),
    ['text/html'],
  )
  assert.deepEqual(
    email.attachments.map((part: Json) => [part.name, part.type]),
    [['a.pdf', 'application/pdf']],
  )
  const [text] = email.textBody
  assert.deepEqual(email.bodyValues, { [text.partId]: { value: 'café', isEncodingProblem: false, isTruncated: false } })
  assert.deepEqual(email['header:List-Unsubscribe:asURLs'], ['https://there.test/u', 'mailto:u@there.test'])
  assert.deepEqual(
    email['header:to:asGroupedAddresses'].map((group: Json) => [group.name, group.addresses.length]),
    [
      ['Group', 2],
      [null, 1],
    ],
  )
  assert.equal(email['header:X-None'], null)
  assert.deepEqual(email['header:Message-ID:asRaw:all'], [' <one@there.test>'])
  for (const property of ['nonsense', 'header:To:asDate', 'header::asText', 'header:To:asText:all:more'])
    assert.equal(
      (await one('Email/get', { ids: [id], properties: [property] })).error.type,
      'invalidArguments',
      property,
    )
})

test('keywords and mailboxes are changed by patches, and an email is always somewhere', async (t) => {
  const { client } = await startJmap(t)
  const { one, file, mailbox, account } = await client('ann')
  const [inbox, archive, trash] = [await mailbox('inbox'), await mailbox('archive'), await mailbox('trash')]
  const id = await file(message({ Subject: 'Here' }))
  const get = async () => (await one('Email/get', { ids: [id], properties: ['keywords', 'mailboxIds'] })).list[0]
  const set = (patch: object) => one('Email/set', { update: { [id]: patch } })
  assert.deepEqual((await set({ 'keywords/$flagged': true, 'keywords/work': true })).updated, { [id]: null })
  assert.deepEqual((await get()).keywords, { $flagged: true, work: true })
  await set({ 'keywords/$flagged': null, [`mailboxIds/${archive}`]: true })
  assert.deepEqual(await get(), { id, keywords: { work: true }, mailboxIds: { [inbox]: true, [archive]: true } })
  await set({ mailboxIds: { [trash]: true } })
  assert.deepEqual((await get()).mailboxIds, { [trash]: true })
  assert.equal((await set({ mailboxIds: {} })).notUpdated[id].type, 'invalidProperties')
  assert.equal((await set({ mailboxIds: { none: true } })).notUpdated[id].type, 'invalidProperties')
  assert.equal((await set({ subject: 'x' })).notUpdated[id].type, 'invalidProperties')
  assert.equal((await set({ 'keywords/a b': true })).notUpdated[id].type, 'invalidProperties')
  assert.equal((await set({ 'keywords/__proto__': true })).notUpdated[id].type, 'invalidPatch')
  const stale = await one('Email/set', { ifInState: 'old', destroy: [id] })
  assert.equal(stale.error.type, 'stateMismatch')
  assert.deepEqual((await one('Email/set', { destroy: [id, 'none'] })).destroyed, [id])
  assert.deepEqual((await one('Email/get', { ids: [id] })).notFound, [id])
  assert.ok(account)
})

test('emails are found by every condition of RFC 8621 section 4.4', async (t) => {
  const { client } = await startJmap(t)
  const { one, file, mailbox } = await client('ann')
  const archive = await mailbox('archive')
  const a = await file(message({ Subject: 'Apple pie', 'Message-ID': '<a@x>' }, 'sugar and butter\r\n'), {
    receivedAt: '2026-01-01T00:00:00Z',
    keywords: { $seen: true },
  })
  const b = await file(
    message({ Subject: 'Re: Apple pie', 'In-Reply-To': '<a@x>', 'Message-ID': '<b@x>', From: 'Cleo <cleo@x.test>' }),
    {
      receivedAt: '2026-01-02T00:00:00Z',
    },
  )
  const c = await file(message({ Subject: 'Zebra', 'X-Kind': 'striped' }, 'a long body '.repeat(100)), {
    receivedAt: '2026-01-03T00:00:00Z',
    mailboxIds: { [archive]: true },
    keywords: { $flagged: true },
  })
  const ids = async (filter: object | undefined, more: object = {}) => {
    const answer = await one('Email/query', { ...(filter ? { filter } : {}), ...more })
    return answer.error?.type ?? answer.ids
  }
  assert.deepEqual(await ids(undefined), [c, b, a])
  assert.deepEqual(await ids({ inMailbox: archive }), [c])
  assert.deepEqual(await ids({ inMailboxOtherThan: [archive] }), [b, a])
  assert.deepEqual(await ids({ before: '2026-01-02T00:00:00Z' }), [a])
  assert.deepEqual(await ids({ after: '2026-01-02T00:00:00Z' }), [c, b])
  assert.deepEqual(await ids({ minSize: 1000 }), [c])
  assert.deepEqual(await ids({ maxSize: 1000 }), [b, a])
  assert.deepEqual(await ids({ hasKeyword: '$flagged' }), [c])
  assert.deepEqual(await ids({ notKeyword: '$seen' }), [c, b])
  assert.deepEqual(await ids({ allInThreadHaveKeyword: '$seen' }), [])
  assert.deepEqual(await ids({ someInThreadHaveKeyword: '$seen' }), [b, a])
  assert.deepEqual(await ids({ noneInThreadHaveKeyword: '$seen' }), [c])
  assert.deepEqual(await ids({ text: 'butter' }), [a])
  assert.deepEqual(await ids({ from: 'cleo' }), [b])
  assert.deepEqual(await ids({ subject: 'apple' }), [b, a])
  assert.deepEqual(await ids({ body: '"long body"' }), [c])
  assert.deepEqual(await ids({ header: ['X-Kind', 'strip'] }), [c])
  assert.deepEqual(await ids({ header: ['X-Kind'] }), [c])
  assert.deepEqual(await ids({ operator: 'NOT', conditions: [{ subject: 'apple' }] }), [c])
  assert.deepEqual(await ids({ operator: 'OR', conditions: [{ from: 'cleo' }, { subject: 'zebra' }] }), [c, b])
  assert.deepEqual(await ids({ operator: 'AND', conditions: [{ from: 'cleo' }, { subject: 'zebra' }] }), [])
  assert.deepEqual(await ids(undefined, { collapseThreads: true }), [c, b])
  assert.deepEqual(await ids(undefined, { sort: [{ property: 'subject' }, { property: 'receivedAt' }] }), [a, b, c])
  assert.deepEqual(
    await ids(undefined, {
      sort: [
        { property: 'hasKeyword', keyword: '$flagged', isAscending: false },
        { property: 'receivedAt', isAscending: false },
      ],
    }),
    [c, b, a],
  )
  assert.deepEqual(await ids(undefined, { position: 1, limit: 1 }), [b])
  assert.deepEqual(await ids(undefined, { position: -1 }), [a])
  assert.deepEqual(await ids(undefined, { anchor: b, anchorOffset: -1 }), [c, b, a])
  assert.equal(await ids(undefined, { anchor: 'none' }), 'anchorNotFound')
  assert.equal(await ids({ nonsense: true }), 'unsupportedFilter')
  assert.equal(await ids(undefined, { sort: [{ property: 'nonsense' }] }), 'unsupportedSort')
  const snippets = await one('SearchSnippet/get', { filter: { text: 'butter' }, emailIds: [a, 'none'] })
  assert.match(snippets.list[0].preview, /sugar and <mark>butter<\/mark>/)
  assert.deepEqual(snippets.notFound, ['none'])
})

test('changes bring a client to the same state, and query changes to the same list', async (t) => {
  const { client } = await startJmap(t)
  const { one, file, mailbox } = await client('ann')
  const inbox = await mailbox('inbox')
  const query = { filter: { inMailbox: inbox }, collapseThreads: true }
  const kept: string[] = []
  for (let count = 0; count < 4; count++)
    kept.push(
      await file(message({ Subject: `Mail ${count}`, 'Message-ID': `<${count}@x>` }), {
        receivedAt: `2026-01-0${count + 1}T00:00:00Z`,
      }),
    )
  const before = await one('Email/query', query)
  const since = (await one('Email/get', { ids: [] })).state
  await file(message({ Subject: 'Re: Mail 1', 'In-Reply-To': '<1@x>' }), { receivedAt: '2026-02-01T00:00:00Z' })
  await one('Email/set', { update: { [kept[2] as string]: { 'keywords/$seen': true } }, destroy: [kept[3]] })
  const changes = await one('Email/changes', { sinceState: since })
  assert.deepEqual([changes.updated, changes.destroyed, changes.created.length], [[kept[2]], [kept[3]], 1])
  const threads = await one('Thread/changes', { sinceState: since })
  assert.equal(threads.destroyed.length, 1)
  const mailboxes = await one('Mailbox/changes', { sinceState: since })
  assert.deepEqual(mailboxes.updated, [inbox])
  const delta = await one('Email/queryChanges', { ...query, sinceQueryState: before.queryState })
  const list = before.ids.filter((id: string) => !delta.removed.includes(id))
  for (const { id, index } of delta.added) list.splice(index, 0, id)
  const after = await one('Email/query', query)
  assert.deepEqual(list, after.ids)
  assert.equal(delta.newQueryState, after.queryState)
  assert.equal((await one('Email/changes', { sinceState: 'nonsense' })).error.type, 'cannotCalculateChanges')
})

test('an email is composed, sent, and found in the recipient’s mailbox without its Bcc', async (t) => {
  const { client, clock, deliver, advance } = await startJmap(t)
  const ann = await client('ann')
  const bob = await client('bob')
  const drafts = await ann.mailbox('drafts')
  const sent = await ann.mailbox('sent')
  const identity = (await ann.one('Identity/get', { ids: null })).list[0]
  assert.equal(identity.email, 'ann@here.test')
  const attachment = await ann.upload('attached', 'text/x-note')
  const [made, submitted, updated] = await ann.call(
    [
      'Email/set',
      {
        create: {
          draft: {
            mailboxIds: { [drafts]: true },
            keywords: { $draft: true, $seen: true },
            from: [{ name: 'Ann', email: 'ann@here.test' }],
            to: [{ name: 'Bøb', email: 'bob@here.test' }],
            bcc: [{ email: 'bob@here.test' }],
            subject: 'Grüße\r\nX-Injected: yes',
            bodyValues: { t: { value: 'Text ü' }, h: { value: '<p>HTML ü' } },
            textBody: [{ partId: 't', type: 'text/plain' }],
            htmlBody: [{ partId: 'h', type: 'text/html' }],
            attachments: [{ blobId: attachment, type: 'text/x-note', name: 'nöte.txt', disposition: 'attachment' }],
          },
        },
      },
    ],
    [
      'EmailSubmission/set',
      {
        create: { s: { identityId: identity.id, emailId: '#draft' } },
        onSuccessUpdateEmail: { '#s': { mailboxIds: { [sent]: true }, 'keywords/$draft': null } },
      },
    ],
  )
  assert.equal(made?.notCreated, null)
  assert.equal(submitted?.created.s.undoStatus, 'pending')
  assert.deepEqual(Object.keys(updated?.updated), [made?.created.draft.id])
  await deliver()
  assert.deepEqual((await bob.one('Email/query')).ids, [])
  await advance(11_000)
  const [id] = (await bob.one('Email/query')).ids
  const { list } = await bob.one('Email/get', {
    ids: [id],
    properties: ['subject', 'to', 'bcc', 'bodyValues', 'attachments', 'header:X-Injected'],
    fetchAllBodyValues: true,
  })
  const [email] = list
  assert.equal(email.subject, 'Grüße X-Injected: yes')
  assert.deepEqual(email.to, [{ name: 'Bøb', email: 'bob@here.test' }])
  assert.equal(email.bcc, null)
  assert.equal(email['header:X-Injected'], null)
  assert.deepEqual(
    Object.values(email.bodyValues as Record<string, { value: string }>)
      .map(({ value }) => value.trim())
      .sort(),
    ['<p>HTML ü', 'Text ü', 'attached'],
  )
  assert.equal(email.attachments[0].name, 'nöte.txt')
  const { list: submissions } = await ann.one('EmailSubmission/get', { ids: null })
  assert.equal(submissions[0].undoStatus, 'final')
  assert.equal(submissions[0].deliveryStatus['bob@here.test'].delivered, 'yes')
  assert.ok(clock)
})

test('sending is undone on the server until its time has come', async (t) => {
  const { client, advance } = await startJmap(t)
  const ann = await client('ann')
  const bob = await client('bob')
  const identity = (await ann.one('Identity/get', { ids: null })).list[0]
  const emailId = await ann.file(message({ From: 'ann@here.test', To: 'bob@here.test', Subject: 'Undone' }))
  const send = async (more: object = {}) =>
    (await ann.one('EmailSubmission/set', { create: { s: { identityId: identity.id, emailId, ...more } } })) as Json
  const first = (await send()).created.s.id
  const undo = async (id: string) => ann.one('EmailSubmission/set', { update: { [id]: { undoStatus: 'canceled' } } })
  assert.deepEqual((await undo(first)).updated, { [first]: null })
  await advance(3_600_000)
  assert.deepEqual((await bob.one('Email/query')).ids, [])
  const second = (await send()).created.s.id
  await advance(11_000)
  assert.equal((await undo(second)).notUpdated[second].type, 'cannotUnsend')
  assert.equal((await bob.one('Email/query')).ids.length, 1)
  const later = await send({
    envelope: {
      mailFrom: { email: 'ann@here.test', parameters: { HOLDFOR: '7200' } },
      rcptTo: [{ email: 'bob@here.test' }],
    },
  })
  assert.equal(later.created.s.undoStatus, 'pending')
  await advance(3_600_000)
  assert.equal((await bob.one('Email/query')).ids.length, 1)
  await advance(3_700_000)
  assert.equal((await bob.one('Email/query')).ids.length, 2)
  const foreign = await send({
    envelope: { mailFrom: { email: 'bob@here.test' }, rcptTo: [{ email: 'bob@here.test' }] },
  })
  assert.equal(foreign.notCreated.s.type, 'forbiddenFrom')
  const unknown = await send({
    envelope: { mailFrom: { email: 'ann@here.test' }, rcptTo: [{ email: 'none@here.test' }] },
  })
  assert.deepEqual(unknown.notCreated.s.invalidRecipients, ['none@here.test'])
})

test('blobs: parts of a message, uploads and ranges, for those who may read them', async (t) => {
  const { client, base } = await startJmap(t)
  const ann = await client('ann')
  const bob = await client('bob')
  const inner = message({ Subject: 'Inner' })
  const id = await ann.file(
    `Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n${inner}\r\n--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQ=\r\n--x--\r\n`,
  )
  const { attachments, blobId } = (await ann.one('Email/get', { ids: [id], properties: ['attachments', 'blobId'] }))
    .list[0]
  const download = (who: { authorization: string; account: string }, blob: string, type = 'application/octet-stream') =>
    fetch(`${base}/jmap/download/${who.account}/${blob}/name?type=${encodeURIComponent(type)}`, {
      headers: { authorization: who.authorization },
    })
  const [rfc822, octets] = attachments
  assert.deepEqual([...new Uint8Array(await (await download(ann, octets.blobId)).arrayBuffer())], [0, 1, 2, 3, 4])
  assert.equal(await (await download(ann, rfc822.blobId)).text(), inner)
  const html = await download(ann, blobId, 'text/html')
  assert.match(html.headers.get('content-disposition') ?? '', /^attachment/)
  assert.match(html.headers.get('content-security-policy') ?? '', /sandbox/)
  await html.arrayBuffer()
  for (const blob of [blobId, octets.blobId]) assert.equal((await download(bob, blob)).status, 404)
  assert.equal((await download({ ...bob, account: ann.account }, blobId)).status, 404)
  const { parsed } = await ann.one('Email/parse', {
    blobIds: [rfc822.blobId, 'none'],
    properties: ['subject', 'preview'],
  })
  assert.equal(parsed[rfc822.blobId].subject, 'Inner')
  const up = await ann.one('Blob/upload', {
    create: { a: { data: [{ 'data:asText': 'ab' }, { 'data:asBase64': 'Y2Q=' }], type: 'text/plain' } },
  })
  const got = await ann.one('Blob/get', {
    ids: [up.created.a.id],
    offset: 1,
    length: 2,
    properties: ['data:asText', 'digest:sha-256', 'size'],
  })
  assert.deepEqual([got.list[0]['data:asText'], got.list[0].size], ['bc', 4])
  const found = await ann.one('Blob/lookup', { typeNames: ['Email', 'Mailbox'], ids: [octets.blobId] })
  assert.deepEqual(found.list[0].matchedIds.Email, [id])
})

test('an account sees another’s shared mailbox and nothing beside it', async (t) => {
  const { client, mail } = await startJmap(t)
  const ann = await client('ann')
  const bob = await client('bob')
  const secret = await ann.file(message({ Subject: 'Secret' }))
  const [made] = await ann.call(['Mailbox/set', { create: { a: { name: 'Shared' } } }])
  const shared = made?.created.a.id
  const open = await ann.file(message({ Subject: 'Open' }), { mailboxIds: { [shared]: true } })
  assert.equal((await bob.one('Email/get', { accountId: ann.account, ids: [open] })).error.type, 'accountNotFound')
  await mail.setAcl({ account: ann.account, id: shared }, { [bob.account]: 'lr' })
  const seen = await bob.one('Email/get', { accountId: ann.account, ids: [open, secret], properties: ['subject'] })
  assert.deepEqual([seen.list, seen.notFound], [[{ id: open, subject: 'Open' }], [secret]])
  assert.deepEqual((await bob.one('Email/query', { accountId: ann.account })).ids, [open])
  assert.deepEqual(
    (await bob.one('Mailbox/get', { accountId: ann.account, ids: null })).list.map(({ name }: Json) => name),
    ['Shared'],
  )
  const set = await bob.one('Email/set', {
    accountId: ann.account,
    update: { [open]: { 'keywords/$seen': true } },
    destroy: [secret],
  })
  assert.equal(set.notUpdated[open].type, 'forbidden')
  assert.equal(set.notDestroyed[secret].type, 'notFound')
})

test('a change is pushed by events and by a WebSocket', async (t) => {
  const { client, base, clock } = await startJmap(t)
  const ann = await client('ann')
  const events = await fetch(`${base}/jmap/eventsource?types=Email&closeafter=no&ping=0`, {
    headers: { authorization: ann.authorization },
  })
  const reader = (events.body as ReadableStream<Uint8Array>).getReader()
  let text = ''
  const until = async (found: RegExp) => {
    while (!found.test(text)) {
      const next = await reader.read()
      if (next.done) throw new Error(`ended with ${text}`)
      text += Buffer.from(next.value).toString()
    }
  }
  const ws = new WebSocket(`${base.replace('http', 'ws')}/jmap/ws`, 'jmap', {
    headers: { authorization: ann.authorization },
  })
  t.after(() => ws.terminate())
  await once(ws, 'open')
  const answered = once(ws, 'message')
  ws.send(
    JSON.stringify({
      '@type': 'Request',
      id: 'r1',
      using: ['urn:ietf:params:jmap:core'],
      methodCalls: [['Core/echo', { a: 1 }, 'c']],
    }),
  )
  const response = JSON.parse(String((await answered)[0]))
  assert.deepEqual(
    [response['@type'], response.requestId, response.methodResponses],
    ['Response', 'r1', [['Core/echo', { a: 1 }, 'c']]],
  )
  await clock.advance(100)
  await until(/event: state/)
  text = ''
  const wrong = once(ws, 'message')
  ws.send('nonsense')
  assert.equal(JSON.parse(String((await wrong)[0]))['@type'], 'RequestError')
  ws.send(JSON.stringify({ '@type': 'WebSocketPushEnable', dataTypes: ['Email'] }))
  const first = once(ws, 'message')
  const move = setInterval(() => void clock.advance(60), 5)
  t.after(() => clearInterval(move))
  await first
  const pushed = once(ws, 'message')
  await ann.file(message({ Subject: 'New' }))
  await until(/event: state\ndata: .*StateChange/)
  const change = JSON.parse(String((await pushed)[0]))
  assert.deepEqual([change['@type'], Object.keys(change.changed[ann.account])], ['StateChange', ['Email']])
  await reader.cancel()
})

test('nothing a client sends is a fault of the server', async (t) => {
  const { client } = await startJmap(t)
  const { post, account } = await client('ann')
  const values = [
    null,
    true,
    -1,
    1e300,
    '',
    'x'.repeat(300),
    [],
    [null],
    {},
    { a: 1 },
    { __proto__: null },
    [[]],
    { operator: 'AND', conditions: [{}] },
  ]
  const methods = [
    'Mailbox',
    'Thread',
    'Email',
    'Identity',
    'EmailSubmission',
    'Quota',
    'AddressBook',
    'ContactCard',
    'PushSubscription',
  ].flatMap((type) => ['get', 'changes', 'query', 'queryChanges', 'set'].map((method) => `${type}/${method}`))
  methods.push(
    'Email/import',
    'Email/parse',
    'Email/copy',
    'SearchSnippet/get',
    'Blob/get',
    'Blob/upload',
    'Blob/lookup',
    'Blob/copy',
    'None/get',
  )
  const names = [
    'ids',
    'properties',
    'filter',
    'sort',
    'sinceState',
    'sinceQueryState',
    'maxChanges',
    'position',
    'limit',
    'create',
    'update',
    'destroy',
    'emails',
    'blobIds',
    'data',
    '#ids',
    'fromAccountId',
    'typeNames',
    'emailIds',
  ]
  for (const name of names) {
    for (const value of values) {
      const methodCalls = methods.map((method, index) => [
        method,
        { accountId: account, sinceState: '0', sinceQueryState: '0', [name]: value },
        String(index),
      ])
      const response = await post(
        JSON.stringify({
          using: [
            'urn:ietf:params:jmap:core',
            'urn:ietf:params:jmap:mail',
            'urn:ietf:params:jmap:submission',
            'urn:ietf:params:jmap:blob',
            'urn:ietf:params:jmap:quota',
            'urn:ietf:params:jmap:contacts',
          ],
          methodCalls,
        }),
      )
      const json = (await response.json()) as Json
      assert.equal(response.status, 200, `${name} ${JSON.stringify(value)}: ${json.detail}`)
      for (const [method, given, id] of json.methodResponses)
        assert.notEqual(
          method === 'error' && given.type,
          'serverFail',
          `${methods[Number(id)]} with ${name}: ${JSON.stringify(value)}`,
        )
    }
  }
})

test('contacts: books and cards of one’s own, and the accounts of the server', async (t) => {
  const { client, make, directory } = await startJmap(t)
  const ann = await client('ann')
  const bob = await client('bob')
  const books = (await ann.one('AddressBook/get', { ids: null })).list as Json[]
  assert.deepEqual(
    books.map(({ name, isDefault, myRights }) => [name, isDefault, myRights.mayWrite]),
    [
      ['Contacts', true, true],
      ['Directory', false, false],
    ],
  )
  const [contacts, server] = books.map(({ id }) => id)
  const [made] = await ann.call(['AddressBook/set', { create: { b: { name: 'Friends' } } }])
  const friends = made?.created.b.id
  const card = {
    addressBookIds: { [friends]: true },
    name: { full: 'Cleo' },
    emails: { e1: { address: 'cleo@x.test' } },
  }
  const before = (await ann.one('ContactCard/get', { ids: [] })).state
  const set = await ann.one('ContactCard/set', {
    create: { a: card, b: { ...card, addressBookIds: { [server]: true } }, c: { ...card, addressBookIds: {} } },
  })
  assert.deepEqual([set.notCreated.b.type, set.notCreated.c.type], ['invalidProperties', 'invalidProperties'])
  const { id } = set.created.a
  assert.deepEqual((await ann.one('ContactCard/changes', { sinceState: before })).created, [id])
  const patch = { 'emails/e1/address': 'cleo@y.test', [`addressBookIds/${contacts}`]: true, 'notes/x/y': 1 }
  assert.equal((await ann.one('ContactCard/set', { update: { [id]: patch } })).notUpdated[id].type, 'invalidPatch')
  const { 'notes/x/y': _, ...right } = patch
  await ann.one('ContactCard/set', { update: { [id]: right } })
  const got = (await ann.one('ContactCard/get', { ids: [id] })).list[0]
  assert.deepEqual([got.emails.e1.address, got.addressBookIds], ['cleo@y.test', { [friends]: true, [contacts]: true }])
  const find = async (filter: object) => (await ann.one('ContactCard/query', { filter })).ids
  assert.deepEqual(await find({ email: 'CLEO@Y' }), [id])
  assert.deepEqual(await find({ inAddressBook: friends, name: 'cleo' }), [id])
  const [bobCard] = await find({ inAddressBook: server, email: 'bob@' })
  assert.equal((await ann.one('ContactCard/get', { ids: [bobCard] })).list[0].name.full, 'bob')
  assert.equal((await ann.one('ContactCard/set', { destroy: [bobCard] })).notDestroyed[bobCard].type, 'forbidden')
  assert.deepEqual((await bob.one('ContactCard/get', { ids: [id] })).notFound, [id])
  const kept = await ann.one('AddressBook/set', { destroy: [friends] })
  assert.equal(kept.notDestroyed[friends].type, 'addressBookHasContents')
  await ann.one('AddressBook/set', { destroy: [friends], onDestroyRemoveContents: true })
  assert.deepEqual((await ann.one('ContactCard/get', { ids: [id] })).list[0].addressBookIds, { [contacts]: true })
  const since = (await ann.one('ContactCard/get', { ids: [] })).state
  await make({ set: (await directory.byName('account', 'bob'))?.id ?? '', to: { displayName: 'Bob B' } })
  assert.equal((await ann.one('ContactCard/changes', { sinceState: since })).error.type, 'cannotCalculateChanges')
})

test('keywords are those of the email, though its copies differ and come and go', async (t) => {
  const { client, mail } = await startJmap(t)
  const { account, file, mailbox, one } = await client('ann')
  const [inbox, archive, trash] = [await mailbox('inbox'), await mailbox('archive'), await mailbox('trash')]
  const id = await file(message({ Subject: 'Two places' }), { mailboxIds: { [inbox]: true, [archive]: true } })
  const flagsIn = async (box: string) =>
    (await Array.fromAsync(mail.entries({ account, id: box }, [[1, 9]]))).flatMap(({ flags }) => flags)
  const set = async (patch: Json) =>
    assert.equal((await one('Email/set', { update: { [id]: patch } })).notUpdated, null)
  const keywords = async () =>
    Object.keys((await one('Email/get', { ids: [id], properties: ['keywords'] })).list[0].keywords)
  await mail.setFlags({ account, id: inbox }, [[1, 9]], { how: 'add', flags: ['work', '\\Seen'] })
  await set({ 'keywords/work': true })
  assert.deepEqual([await flagsIn(archive), await keywords()], [['work'], ['work']])
  await set({ 'keywords/$seen': null })
  assert.deepEqual([await flagsIn(inbox), await keywords()], [['work'], ['work']])
  await mail.setFlags({ account, id: archive }, [[1, 9]], { how: 'remove', flags: ['work'] })
  await mail.setFlags({ account, id: archive }, [[1, 9]], { how: 'add', flags: ['\\Seen'] })
  await set({ mailboxIds: { [archive]: true, [trash]: true } })
  assert.deepEqual([await flagsIn(archive), await flagsIn(trash), await keywords()], [['work'], ['work'], ['work']])
})
