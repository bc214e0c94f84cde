/** JMAP as jmap-jam speaks it: its requests, back-references, uploads and downloads. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mailsort } from 'iems/plugins/mailsort'
import * as z from 'zod'
import { definePlugin } from '../../core/index.ts'
import { Accounts } from '../../plugins/directory/static/api.ts'
import { type Json, message, startJmap } from '../support/jmap.ts'

// Its types are sources that need other options of the compiler.
const { default: JamClient } = (await import('jmap-jam' as string)) as { default: new (given: object) => Json }

/** Takes `ann-token` for ann: the client knows Bearer alone. */
const tokens = definePlugin({
  name: 'tokens',
  config: z.undefined(),
  needs: [Accounts],
  setup: (_, ctx) => ({
    hooks: {
      auth: {
        mechanisms: ['OAUTHBEARER'],
        handler: (attempt) =>
          attempt.kind === 'bearer' && attempt.token === 'ann-token' ? ctx.use(Accounts).identify('ann') : undefined,
      },
    },
  }),
})

test('jmap-jam reads, writes, searches, sends and follows changes', async (t) => {
  const { base, deliver, inbox, clock } = await startJmap(t, {}, [tokens(), mailsort()])
  const jam = new JamClient({ sessionUrl: `${base}/.well-known/jmap`, bearerToken: 'ann-token' })
  const accountId = await jam.getPrimaryAccount()
  const { blobId } = await jam.uploadBlob(accountId, message({ Subject: 'Harbour' }, 'Ships and cranes.\r\n'))
  const [{ list: boxes }] = await jam.api.Mailbox.get({ accountId })
  const byRole = (role: string) => boxes.find((one: Json) => one.role === role)?.id as string
  const [{ created }] = await jam.api.Email.import({
    accountId,
    emails: {
      a: { blobId, mailboxIds: { [byRole('inbox')]: true }, keywords: {}, receivedAt: '2026-01-01T00:00:00Z' },
    },
  })
  const emailId = created?.a?.id as string
  const [{ ids, messages, oldState }] = await jam.requestMany((r: Json) => {
    const ids = r.Email.query({ accountId, filter: { inMailbox: byRole('inbox'), text: 'cranes' } })
    const messages = r.Email.get({ accountId, ids: ids.$ref('/ids'), properties: ['id', 'subject', 'threadId'] })
    const oldState = r.Email.get({ accountId, ids: [] })
    return { ids, messages, oldState }
  })
  assert.deepEqual([ids.ids, messages.list.map(({ subject }: Json) => subject)], [[emailId], ['Harbour']])
  await jam.api.Email.set({ accountId, update: { [emailId]: { 'keywords/$seen': true } } })
  const [changes] = await jam.api.Email.changes({ accountId, sinceState: oldState.state })
  assert.deepEqual(changes.updated, [emailId])
  const blob = await jam.downloadBlob({ accountId, blobId, mimeType: 'message/rfc822', fileName: 'a.eml' })
  assert.match(await blob.text(), /Ships and cranes/)

  const [{ list: identities }] = await jam.api.Identity.get({ accountId })
  const [sent] = await jam.requestMany((r: Json) => ({
    draft: r.Email.set({
      accountId,
      create: {
        d: {
          ...{ mailboxIds: { [byRole('drafts')]: true }, subject: 'Sent by jam' },
          ...{ from: [{ name: null, email: 'ann@here.test' }], to: [{ name: null, email: 'bob@here.test' }] },
          ...{ textBody: [{ partId: '1', type: 'text/plain' }], bodyValues: { 1: { value: 'Hello' } } },
        },
      },
    }),
    submission: r.EmailSubmission.set({
      accountId,
      create: { s: { identityId: identities[0]?.id as string, emailId: '#d' } },
    }),
  }))
  assert.ok(sent.submission.created?.s, JSON.stringify(sent))
  await clock.advance(20_000)
  await deliver()
  assert.deepEqual(await inbox('bob'), ['Sent by jam'])

  const [{ updated }] = await jam.api.VacationResponse.set({
    accountId,
    update: { singleton: { isEnabled: true, subject: 'Away', textBody: 'Back soon' } },
  })
  assert.ok(updated && 'singleton' in updated)
  await assert.rejects(jam.api.Email.query({ accountId: 'other' }))
})
