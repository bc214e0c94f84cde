/**
 * Drafts from messages: an answer with the original quoted as it was, or a stored draft to be continued.
 */

import { t } from '../../app/ui/language.ts'
import { type Attached, type Draft, emptyDraft, type ReplyKind, replyDraft, textAsHtml } from '../store/compose.ts'
import type { MailStore } from '../store/mail-store.ts'
import { type Body, type Email, nameOf } from '../store/objects.ts'
import { uuid } from '../store/uuid.ts'
import { quoteTime } from './format.ts'
import { safeMarkup } from './sanitise.ts'

async function bodyOf(
  store: MailStore,
  email: Email,
): Promise<{ readonly html: string; readonly attachments: readonly Attached[] }> {
  await store.loadBodies([email.id])
  const body = store.bodies.get(email.id) as Body
  const attachments = body.attachments.flatMap(({ blobId, name, type, size, cid, disposition }): Attached[] => {
    if (blobId === null) return []
    const isInside = cid !== null && disposition !== 'attachment' && body.html?.includes(`cid:${cid}`)
    return [{ blobId, name: name ?? 'file', type, size, ...(isInside ? { cid } : {}) }]
  })
  const markup = body.html === undefined ? '' : safeMarkup(body.html)
  return { html: markup.trim() === '' ? textAsHtml(body.text) : markup, attachments }
}

/** Content of another person's mailbox, for messages of the account itself. */
async function copied(
  from: MailStore,
  home: MailStore,
  attachments: readonly Attached[],
): Promise<readonly Attached[]> {
  if (from === home || attachments.length === 0) return attachments
  const blobIds = attachments.map(({ blobId }) => blobId)
  const [copy] = await home.client.call(['Blob/copy', { fromAccountId: from.client.account, blobIds }])
  return attachments.flatMap((one) => {
    const blobId = copy?.copied?.[one.blobId] as string | undefined
    return blobId === undefined ? [] : [{ ...one, blobId }]
  })
}

export async function draftOfReply(
  { store, home }: { readonly store: MailStore; readonly home: MailStore },
  kind: ReplyKind,
  email: Email,
): Promise<Draft> {
  const { html, attachments: originals } = await bodyOf(store, email)
  const attachments = await copied(store, home, originals)
  const who = (email.from ?? []).map(nameOf).join(', ') || t('row.nobody')
  const heading = t(kind === 'forward' ? 'compose.forwarded' : 'compose.wrote', {
    when: quoteTime(email.receivedAt),
    who,
  })
  const base = emptyDraft(uuid(), home.identities[0])
  return { ...replyDraft(base, home.identities, { kind, email, html, attachments, heading }), isFresh: true }
}

export async function draftOfEmail(store: MailStore, email: Email): Promise<Draft> {
  const { html, attachments } = await bodyOf(store, email)
  const from = email.from?.[0]?.email.toLowerCase()
  const identity = store.identities.find((one) => one.email.toLowerCase() === from) ?? store.identities[0]
  return {
    ...emptyDraft(email.id, identity),
    to: email.to ?? [],
    cc: email.cc ?? [],
    bcc: email.bcc ?? [],
    subject: email.subject ?? '',
    html,
    attachments,
    references: email.references ?? [],
    inReplyTo: email.references?.slice(-1) ?? [],
    emailId: email.id,
  }
}
