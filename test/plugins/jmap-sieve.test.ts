/** Sieve scripts (RFC 9661) and the vacation reply (RFC 8621 section 8) over JMAP, beside ManageSieve and delivery. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mailsort } from 'iems/plugins/mailsort'
import { managesieve } from 'iems/plugins/managesieve'
import { webmail } from 'iems/plugins/webmail'
import { connectLineClient, playTranscript } from '../../core/testing/index.ts'
import { type Json, startJmap } from '../support/jmap.ts'

const KEEP = 'require ["fileinto"];\r\nfileinto "Archive";\r\n'

test('RFC 9661: scripts come, change, become active and go', async (t) => {
  const { client, deliver, submit, listener, base } = await startJmap(t, {}, [mailsort()], {
    sieve: managesieve({ listen: '127.0.0.1:0', authWithoutTls: true }),
  })
  const { account, authorization, call, mailbox, one, upload } = await client('ann')
  const session = (await (await fetch(`${base}/jmap/session`, { headers: { authorization } })).json()) as Json
  const capability = session.accounts[account].accountCapabilities['urn:ietf:params:jmap:sieve']
  assert.equal(capability.maxNumberScripts, 32)
  assert.ok(capability.sieveExtensions.includes('fileinto'))
  const blobId = await upload(KEEP, 'application/sieve')

  assert.deepEqual(await one('SieveScript/validate', { blobId }), { accountId: account, error: null })
  const wrong = await upload('nonsense here', 'application/sieve')
  assert.equal((await one('SieveScript/validate', { blobId: wrong })).error.type, 'invalidSieve')
  assert.equal((await one('SieveScript/validate', { blobId: 'Unone' })).error.type, 'blobNotFound')

  const made = await one('SieveScript/set', {
    create: { a: { name: 'first', blobId }, b: { blobId: wrong }, c: { name: 'third', blobId: 'Unone' }, d: { x: 1 } },
    onSuccessActivateScript: '#a',
  })
  assert.deepEqual(
    ['b', 'c', 'd'].map((key) => made.notCreated[key].type),
    ['invalidSieve', 'blobNotFound', 'invalidProperties'],
  )
  const { id } = made.created.a
  assert.equal(made.created.a.isActive, false, 'not all of the set succeeded')

  const done = await one('SieveScript/set', { create: { b: { blobId } }, onSuccessActivateScript: id })
  assert.deepEqual(done.updated, { [id]: { isActive: true } })
  assert.match(done.created.b.name, /^[0-9a-f-]{36}$/)
  assert.equal((await one('SieveScript/set', { create: { e: { name: 'first', blobId } } })).notCreated.e.existingId, id)
  assert.equal((await one('SieveScript/set', { destroy: [id] })).notDestroyed[id].type, 'sieveIsActive')
  assert.equal(
    (await one('SieveScript/set', { update: { [id]: { isActive: false } } })).notUpdated[id].type,
    'invalidProperties',
  )

  const { list, state } = await one('SieveScript/get', { ids: [id, 'other'] })
  assert.deepEqual([list[0].name, list[0].isActive], ['first', true])
  const content = await fetch(`${base}/jmap/download/${account}/${list[0].blobId}/a.siv`, {
    headers: { authorization },
  })
  assert.equal(await content.text(), KEEP)
  await submit({ from: 'eve@example.org', to: ['ann@here.test'], content: 'Subject: Hi\r\n\r\nHi\r\n' })
  await deliver()
  assert.equal((await one('Email/query', { filter: { inMailbox: await mailbox('archive') } })).ids.length, 1)

  const renamed = await one('SieveScript/set', { update: { [id]: { name: 'renamed', blobId: list[0].blobId } } })
  assert.equal(renamed.notUpdated, null)
  assert.notEqual(renamed.newState, state)
  await playTranscript(
    await connectLineClient(t, listener('sieve').port, { timeout: 10_000 }),
    `${'S: *\n'.repeat(8)}S: OK "ManageSieve is ready"
C: AUTHENTICATE "PLAIN" "${Buffer.from('\0ann\0ann-secret').toString('base64')}"
S: OK "Authentication completed"
C: RENAMESCRIPT "renamed" "named by another"
S: OK "Renamescript completed"
`,
  )
  const [query, sorted] = await call(
    ['SieveScript/query', { filter: { operator: 'NOT', conditions: [{ isActive: false }] } }],
    ['SieveScript/query', { filter: { name: 'NAMED BY' }, sort: [{ property: 'name' }] }],
  )
  assert.deepEqual([query?.ids, sorted?.ids], [[id], [id]])
  const ended = await one('SieveScript/set', { onSuccessDeactivateScript: true })
  assert.deepEqual(ended.updated, { [id]: { isActive: false } })
  assert.deepEqual((await one('SieveScript/set', { destroy: [id] })).destroyed, [id])
})

test('RFC 8621 section 8: the vacation reply is a rule among others', async (t) => {
  const { client, deliver, inbox, submit } = await startJmap(t, {}, [mailsort(), webmail()])
  const { authorization, base, one, upload } = await client('ann')
  const get = async () => (await one('VacationResponse/get', { ids: null })).list[0]
  const set = async (patch: Json) => one('VacationResponse/set', { update: { singleton: patch } })
  const nothing = { isEnabled: false, fromDate: null, toDate: null, subject: null, textBody: null, htmlBody: null }
  assert.deepEqual(await get(), { id: 'singleton', ...nothing })
  const rules = (method: string, body?: object) =>
    fetch(`${base}/mail/api/rules`, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
  assert.equal((await set({ isEnabled: true })).notUpdated.singleton.type, 'invalidProperties')
  assert.equal((await set({ fromDate: 'tomorrow' })).notUpdated.singleton.type, 'invalidProperties')
  assert.equal((await one('VacationResponse/set', { create: { a: {} } })).notCreated.a.type, 'singleton')
  assert.equal((await one('VacationResponse/set', { destroy: ['singleton'] })).notDestroyed.singleton.type, 'singleton')
  assert.deepEqual((await one('VacationResponse/get', { ids: ['other'] })).notFound, ['other'])

  const filing = { name: 'File', match: 'all', conditions: [], actions: [{ kind: 'copy', mailbox: 'Archive' }] }
  assert.equal((await rules('PUT', { rules: [filing] })).status, 200)
  const text = { isEnabled: true, subject: 'Away', htmlBody: '<p>Back on <b>Monday</b>.</p>' }
  const done = await set({ ...text, fromDate: '2020-01-01T10:00:00Z', toDate: '2099-12-24T18:30:00Z' })
  assert.match(done.updated.singleton.textBody, /Back on Monday\./)
  assert.deepEqual(
    [await get(), ((await (await rules('GET')).json()) as Json).rules.map(({ name }: Json) => name)],
    [
      {
        ...{ id: 'singleton', ...text, textBody: done.updated.singleton.textBody },
        ...{ fromDate: '2020-01-01T10:00:00Z', toDate: '2099-12-24T18:30:00Z' },
      },
      ['Vacation', 'File'],
    ],
  )
  const ask = async (from: string) => {
    await submit({ from, to: ['ann@here.test'], content: `From: ${from}\r\nTo: ann@here.test\r\n\r\nHi\r\n` })
    await deliver()
  }
  await ask('bob@here.test')
  assert.deepEqual(await inbox('bob'), ['Away'])

  const stored = (await (await rules('GET')).json()) as Json
  assert.equal((await rules('PUT', { rules: stored.rules })).status, 200, 'web mail keeps times and HTML')
  assert.equal((await get()).toDate, '2099-12-24T18:30:00Z')
  await set({ toDate: '2020-01-02T00:00:00Z' })
  await ask('eve@here.test')
  await set(nothing)
  assert.deepEqual(((await (await rules('GET')).json()) as Json).rules, [filing])

  const blobId = await upload(
    'require ["body"]; if body :raw :contains "x" { if not false { keep; } }',
    'application/sieve',
  )
  await one('SieveScript/set', { create: { a: { name: 'own', blobId } }, onSuccessActivateScript: '#a' })
  assert.equal((await set({ isEnabled: true, textBody: 'Away' })).notUpdated.singleton.type, 'forbidden')
})
