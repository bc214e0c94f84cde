/** JMAP with wrong types in every place of every method: always an error of the protocol, never a fault. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Jmap } from 'iems/plugins/jmap'
import { mailsort } from 'iems/plugins/mailsort'
import * as z from 'zod'
import { definePlugin } from '../../core/index.ts'
import { type Json, message, startJmap } from '../support/jmap.ts'

type Path = readonly (string | number)[]

/** One value of each kind, and those that programs trip over. */
const WRONG: readonly unknown[] = [
  ...[null, true, 0, -1, 0.5, 1e308, 4_294_967_296, '', 'x', '#none', '\0', 'é'.repeat(300), '../..'],
  ...[[], [null], [['x']], [{}], {}, { x: 1 }, { 'a/b/c': null }, JSON.parse('{"__proto__":{"x":1}}')],
]

/** Valid arguments of every method; ids are those of one account with one email. */
const examples = (ids: { email: string; thread: string; inbox: string; blob: string; identity: string }): Json => {
  const { email, thread, inbox, blob, identity } = ids
  const query = { sort: [{ property: 'name', isAscending: true }], position: 0, limit: 5, calculateTotal: true }
  const window = { anchor: null, anchorOffset: 0, ...query }
  const filter = { operator: 'OR', conditions: [{ operator: 'NOT', conditions: [{ inMailbox: inbox }] }] }
  const condition = {
    ...{ inMailbox: inbox, inMailboxOtherThan: [inbox], before: '2030-01-01T00:00:00Z', after: '2000-01-01T00:00:00Z' },
    ...{ minSize: 1, maxSize: 99_999, hasKeyword: '$seen', notKeyword: '$seen', allInThreadHaveKeyword: 'a' },
    ...{ someInThreadHaveKeyword: 'a', noneInThreadHaveKeyword: 'a', hasAttachment: false, text: 'x', from: 'x' },
    ...{ to: 'x', cc: 'x', bcc: 'x', subject: 'x', body: 'x', header: ['x-a', 'b'] },
  }
  const sort = [
    { property: 'receivedAt', isAscending: false },
    { property: 'hasKeyword', keyword: '$seen' },
  ]
  const draft = {
    ...{ mailboxIds: { [inbox]: true }, keywords: { $draft: true }, receivedAt: '2020-01-01T00:00:00Z' },
    ...{ from: [{ name: 'Ann', email: 'ann@here.test' }], to: [{ name: null, email: 'bob@here.test' }] },
    ...{ subject: 'Draft', messageId: ['a@b'], sentAt: '2020-01-01T00:00:00+01:00', 'header:X-A:asText': 'b' },
    ...{ textBody: [{ partId: '1', type: 'text/plain' }], bodyValues: { 1: { value: 'Hi', isTruncated: false } } },
    attachments: [{ blobId: blob, type: 'text/plain', name: 'a.txt', disposition: 'attachment', cid: 'x' }],
  }
  const submission = {
    ...{ identityId: identity, emailId: email },
    envelope: {
      mailFrom: { email: 'ann@here.test', parameters: { HOLDFOR: '3600' } },
      rcptTo: [{ email: 'bob@here.test', parameters: null }],
    },
  }
  const card = {
    ...{ '@type': 'Card', version: '1.0', uid: 'u', name: { full: 'A' }, addressBookIds: { default: true } },
    emails: { e: { address: 'a@b.test', contexts: { work: true }, pref: 1 } },
  }
  return {
    'Core/echo': { a: [1] },
    'Mailbox/get': { ids: [inbox], properties: ['name'] },
    'Mailbox/changes': { sinceState: 's', maxChanges: 5 },
    'Mailbox/query': {
      ...window,
      filter: { name: 'x', parentId: null, role: 'inbox', hasAnyRole: true },
      sortAsTree: true,
    },
    'Mailbox/queryChanges': { sinceQueryState: 's', filter: { isSubscribed: true }, upToId: inbox, maxChanges: 5 },
    'Mailbox/set': {
      create: { a: { name: 'A', parentId: null, role: null, sortOrder: 1, isSubscribed: true } },
      update: { [inbox]: { isSubscribed: true, name: 'Inbox', 'shareWith/anyone': { mayReadItems: true } } },
      ...{ destroy: ['none'], onDestroyRemoveEmails: false, ifInState: null },
    },
    'Thread/get': { ids: [thread] },
    'Thread/changes': { sinceState: 's' },
    'Email/get': {
      ...{
        ids: [email],
        properties: ['subject', 'header:X-A:asText:all', 'bodyStructure'],
        bodyProperties: ['partId'],
      },
      ...{ fetchTextBodyValues: true, fetchHTMLBodyValues: false, fetchAllBodyValues: false, maxBodyValueBytes: 10 },
    },
    'Email/changes': { sinceState: 's' },
    'Email/query': {
      ...window,
      sort,
      filter: { operator: 'AND', conditions: [condition, filter] },
      collapseThreads: true,
    },
    'Email/queryChanges': {
      sinceQueryState: 's',
      sort,
      filter: condition,
      collapseThreads: true,
      calculateTotal: true,
    },
    'Email/set': {
      create: { d: draft },
      update: { [email]: { 'keywords/$seen': true, mailboxIds: { [inbox]: true } } },
      destroy: ['x'],
    },
    'Email/import': {
      emails: { a: { blobId: blob, mailboxIds: { [inbox]: true }, keywords: {}, receivedAt: null } },
      ifInState: null,
    },
    'Email/parse': { blobIds: [blob], properties: ['subject'], bodyProperties: ['partId'], maxBodyValueBytes: 5 },
    'Email/copy': {
      fromAccountId: 'other',
      create: { a: { id: email, mailboxIds: { [inbox]: true } } },
      onSuccessDestroyOriginal: false,
    },
    'SearchSnippet/get': { filter: condition, emailIds: [email] },
    'Identity/get': { ids: null },
    'Identity/changes': { sinceState: 's' },
    'Identity/set': {
      update: { [identity]: { name: 'Ann', replyTo: [{ name: null, email: 'a@b.test' }], textSignature: '' } },
    },
    'EmailSubmission/get': { ids: null },
    'EmailSubmission/changes': { sinceState: 's' },
    'EmailSubmission/query': {
      ...window,
      sort: [{ property: 'sentAt' }],
      filter: { identityIds: [identity], undoStatus: 'pending', before: '2030-01-01T00:00:00Z' },
    },
    'EmailSubmission/queryChanges': { sinceQueryState: 's', filter: { emailIds: [email], threadIds: [thread] } },
    'EmailSubmission/set': {
      create: { s: submission },
      update: { x: { undoStatus: 'canceled' } },
      onSuccessUpdateEmail: { '#s': { 'keywords/$sent': true } },
      onSuccessDestroyEmail: ['#s'],
    },
    'Quota/get': { ids: null, properties: ['used'] },
    'Quota/changes': { sinceState: 's' },
    'Quota/queryChanges': { sinceQueryState: 's', filter: { type: 'Mail' } },
    'Quota/query': { ...window, filter: { name: 'x', scope: 'account', resourceType: 'octets', type: 'Mail' } },
    'Principal/get': { ids: null, properties: ['name'] },
    'Principal/changes': { sinceState: 's' },
    'Principal/query': {
      ...window,
      filter: { accountIds: ['x'], email: 'e', name: 'n', text: 't', type: 'group', timeZone: 'z' },
    },
    'Principal/queryChanges': { sinceQueryState: 's', filter: { text: 't' } },
    'ShareNotification/get': { ids: null },
    'ShareNotification/changes': { sinceState: 's' },
    'ShareNotification/query': {
      ...window,
      sort: [{ property: 'created' }],
      filter: { after: '2020-01-01T00:00:00Z', before: null, objectType: 'Mailbox', objectAccountId: 'x' },
    },
    'ShareNotification/queryChanges': { sinceQueryState: 's' },
    'ShareNotification/set': { destroy: ['x'] },
    'Blob/upload': {
      create: {
        b: {
          data: [{ 'data:asText': 'x' }, { 'data:asBase64': 'eA==' }, { blobId: blob, offset: 0, length: 1 }],
          type: 'text/plain',
        },
      },
    },
    'Blob/get': { ids: [blob], properties: ['data:asText', 'digest:sha-256', 'size'], offset: 0, length: 10 },
    'Blob/lookup': { typeNames: ['Email', 'Mailbox'], ids: [blob] },
    'Blob/copy': { fromAccountId: 'other', blobIds: [blob] },
    'AddressBook/get': { ids: null },
    'AddressBook/changes': { sinceState: 's' },
    'AddressBook/set': {
      create: { a: { name: 'A', description: null, sortOrder: 1 } },
      onDestroyRemoveContents: false,
      onSuccessSetIsDefault: null,
    },
    'ContactCard/get': { ids: null },
    'ContactCard/changes': { sinceState: 's' },
    'ContactCard/query': {
      ...window,
      sort: [{ property: 'created' }],
      filter: { inAddressBook: 'default', uid: 'u', email: 'x', name: 'n', text: 't' },
    },
    'ContactCard/queryChanges': { sinceQueryState: 's', filter: { uid: 'u' } },
    'ConversationSnooze/get': { ids: null },
    'ConversationSnooze/changes': { sinceState: 's' },
    'ConversationSnooze/set': {
      create: { s: { threadId: thread, mailboxId: inbox, until: '2030-01-01T00:00:00Z' } },
      update: { [thread]: { until: '2031-01-01T00:00:00Z' } },
      destroy: ['none'],
    },
    'EmailLabel/get': { ids: null },
    'EmailLabel/changes': { sinceState: 's' },
    'EmailLabel/set': {
      create: { l: { keyword: 'work', name: 'Work', color: 'blue' } },
      update: { none: { name: 'Home' } },
      destroy: ['none'],
    },
    'ContactCard/set': { create: { c: card }, update: { none: { 'emails/e/address': 'c@d.test' } }, destroy: ['none'] },
    'PushSubscription/get': { ids: null },
    'PushSubscription/set': {
      create: {
        p: {
          deviceClientId: 'd',
          url: 'https://push.example/x',
          keys: { p256dh: 'x', auth: 'y' },
          expires: '2030-01-01T00:00:00Z',
          types: ['Email'],
        },
      },
    },
    'SieveScript/get': { ids: null },
    'SieveScript/query': { ...window, filter: { name: 'x', isActive: true } },
    'SieveScript/set': {
      create: { s: { name: 's', blobId: blob } },
      onSuccessActivateScript: '#s',
      onSuccessDeactivateScript: false,
    },
    'SieveScript/validate': { blobId: blob },
    'VacationResponse/get': { ids: ['singleton'] },
    'VacationResponse/set': {
      update: {
        singleton: {
          isEnabled: true,
          fromDate: '2020-01-01T00:00:00Z',
          toDate: null,
          subject: 'S',
          textBody: 'T',
          htmlBody: null,
        },
      },
    },
  }
}

/** Every place of a value. */
function pathsOf(value: unknown, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [at]
  return [
    at,
    ...Object.entries(value).flatMap(([name, one]) =>
      pathsOf(one, [...at, Array.isArray(value) ? Number(name) : name]),
    ),
  ]
}

/** A copy with another value at one place, or without it. */
function withWrong(value: Json, path: Path, wrong: unknown): Json {
  const copy = structuredClone(value)
  let target: Json = copy
  for (const step of path.slice(0, -1)) target = target[step]
  const last = path.at(-1) as string
  if (wrong === undefined) delete target[last]
  else target[last] = wrong
  return copy
}

test('wrong types in every place of every method are errors of the protocol', { timeout: 170_000 }, async (t) => {
  let api: { readonly methodNames: readonly string[] } | undefined
  const peek = definePlugin({
    name: 'peek',
    config: z.undefined(),
    needs: [Jmap],
    setup(_, ctx) {
      api = ctx.use(Jmap) as unknown as { readonly methodNames: readonly string[] }
      return {}
    },
  })
  const { client } = await startJmap(t, { limits: { calls: 1000 } }, [mailsort(), peek()])
  const { account, call, file, mailbox, one, post, upload } = await client('ann')
  const email = await file(message({ Subject: 'One' }))
  const { threadId, blobId } = (await one('Email/get', { ids: [email], properties: ['threadId', 'blobId'] })).list[0]
  const identity = (await one('Identity/get', { ids: null })).list[0].id
  await upload('keep;', 'application/sieve')
  const valid = examples({ email, thread: threadId, inbox: await mailbox('inbox'), blob: blobId, identity })
  assert.deepEqual([...(api?.methodNames ?? [])].sort(), Object.keys(valid).sort(), 'every method has an example')

  // The examples are understood, so that what follows fails for one reason.
  const misread: string[] = []
  for (const [method, given] of Object.entries(valid)) {
    const [answer] = await call([method, given as Json])
    const type = answer?.error?.type
    if (type === 'invalidArguments' || type === 'serverFail' || type === 'unknownMethod')
      misread.push(`${method}: ${JSON.stringify(answer?.error)}`)
  }
  assert.deepEqual(misread, [])

  const step = process.env.IEMS_TEST_LONG ? 1 : 7
  const faults: string[] = []
  let count = 0
  for (const [method, given] of Object.entries(valid)) {
    const calls: [string, Json][] = []
    // Another part of the values at each place; the long form takes all.
    for (const path of pathsOf(given).slice(1))
      for (const wrong of [undefined, ...WRONG])
        if (count++ % step === 0) calls.push([method, withWrong(given as Json, path, wrong)])
    for (let at = 0; at < calls.length; at += 200) {
      const page = calls.slice(at, at + 200)
      for (const [index, answer] of (await call(...page)).entries())
        if (answer.error?.type === 'serverFail') faults.push(JSON.stringify(page[index]))
    }
  }
  assert.deepEqual(faults.slice(0, 20), [], `${faults.length} of ${count}`)

  const request = {
    using: ['urn:ietf:params:jmap:core'],
    methodCalls: [['Core/echo', { a: 1 }, 'c']],
    createdIds: { a: 'b' },
  }
  for (const path of pathsOf(request).slice(1))
    for (const wrong of [undefined, ...WRONG]) {
      const response = await post(JSON.stringify(withWrong(request, path, wrong)))
      assert.ok(response.status === 200 || response.status === 400, `${path.join('/')} ${JSON.stringify(wrong)}`)
      await response.arrayBuffer()
    }
  assert.ok(account)
})
