/**
 * Composed messages: replies and forwards, drafts on the server, sending and undo.
 *
 * Invariants: a draft is never destroyed before its successor is stored; the sent message is the last stored draft.
 */
import { mailboxWithRole } from './actions.ts'
import { escaped } from './body.ts'
import { Failure, type Json } from './client.ts'
import type { MailStore } from './mail-store.ts'
import { type Address, type Email, type Identity, nameOf } from './objects.ts'

export interface Attached {
  readonly blobId: string
  readonly name: string
  readonly type: string
  readonly size: number
  /** Of an image inside the text. */
  readonly cid?: string
}

export interface Draft {
  /** Assigned by this device, constant during the draft's life. */
  readonly key: string
  readonly identityId: string
  readonly to: readonly Address[]
  readonly cc: readonly Address[]
  readonly bcc: readonly Address[]
  readonly subject: string
  readonly html: string
  readonly attachments: readonly Attached[]
  readonly inReplyTo: readonly string[]
  readonly references: readonly string[]
  /** The email that it answers or forwards, to be marked when it is sent. */
  readonly answers?: { readonly id: string; readonly keyword: '$answered' | '$forwarded' }
  /** The last stored form on the server. */
  readonly emailId?: string
  /** Sent as soon as the server is reached. */
  readonly isWaiting?: boolean
  /** An answer in which nothing has been written yet: it is not kept. */
  readonly isFresh?: boolean
}

export type ReplyKind = 'reply' | 'reply-all' | 'forward'

const same = (a: Address, b: Address) => a.email.toLowerCase() === b.email.toLowerCase()
const MAX_REFERENCES = 50

export function emptyDraft(key: string, identity: Identity | undefined): Draft {
  const signature = identity?.htmlSignature ?? ''
  return {
    key,
    identityId: identity?.id ?? '',
    to: [],
    cc: [],
    bcc: [],
    subject: '',
    html: signature === '' ? '<div><br></div>' : `<div><br></div><div>${signature}</div>`,
    attachments: [],
    inReplyTo: [],
    references: [],
  }
}

const prefixed = (prefix: 'Re' | 'Fwd', subject: string) =>
  (prefix === 'Re' ? /^(?:re|aw|antw):/i : /^(?:fwd?|wg):/i).test(subject) ? subject : `${prefix}: ${subject}`

/** Plain text as HTML for the editor. */
export const textAsHtml = (text: string): string =>
  text
    .split(/\r?\n/)
    .map((line) => `<div>${line === '' ? '<br>' : escaped(line)}</div>`)
    .join('')

export interface ReplySource {
  readonly kind: ReplyKind
  readonly email: Email
  /** The original, safe to be shown. */
  readonly html: string
  readonly attachments: readonly Attached[]
  /** "On Monday, Bob wrote:" in the person's language. */
  readonly heading: string
}

export function replyDraft(base: Draft, identities: readonly Identity[], source: ReplySource): Draft {
  const { kind, email, html, heading, attachments } = source
  const isMine = (address: Address) => identities.some((own) => same(own as unknown as Address, address))
  const from = email.from ?? []
  const wroteIt = from.some(isMine)
  const answered = wroteIt ? (email.to ?? []) : (email.replyTo ?? from)
  const others = [...(email.to ?? []), ...(email.cc ?? [])].filter(
    (one, index, all) =>
      !isMine(one) &&
      !answered.some((other) => same(one, other)) &&
      all.findIndex((other) => same(one, other)) === index,
  )
  const ids = email.messageId ?? []
  const quoted = `<div>${escaped(heading)}</div><blockquote type="cite">${html}</blockquote>`
  const addressed = identities.find((own) =>
    [...(email.to ?? []), ...(email.cc ?? [])].some((one) => same(own as unknown as Address, one)),
  )
  return {
    ...base,
    identityId: addressed?.id ?? base.identityId,
    to: kind === 'forward' ? [] : answered,
    cc: kind === 'reply-all' ? others : [],
    subject: prefixed(kind === 'forward' ? 'Fwd' : 'Re', email.subject ?? ''),
    html: `${base.html}<div><br></div>${quoted}`,
    // A reply keeps the images inside the text; a forward keeps everything.
    attachments: attachments.filter(({ cid }) => kind === 'forward' || cid !== undefined),
    inReplyTo: kind === 'forward' ? [] : ids,
    references: kind === 'forward' ? [] : [...(email.references ?? []), ...ids].slice(-MAX_REFERENCES),
    answers: { id: email.id, keyword: kind === 'forward' ? '$forwarded' : '$answered' },
  }
}

/** Whether there is nothing in it that would be missed. */
export const isUntouched = (draft: Draft, plain: string): boolean =>
  (draft.isFresh === true && draft.emailId === undefined) ||
  (draft.to.length + draft.cc.length + draft.bcc.length + draft.attachments.length === 0 &&
    draft.subject === '' &&
    plain.trim() === '')

/** Whether a message whose sending got no answer was sent after all. */
export async function isSent(store: MailStore, { emailId }: Draft): Promise<boolean> {
  if (emailId === undefined) return false
  const [got] = await store.client.call(['Email/get', { ids: [emailId], properties: ['keywords'] }])
  const [email] = (got?.list ?? []) as { readonly keywords: Readonly<Record<string, true>> }[]
  return email !== undefined && !email.keywords.$draft
}

function emailOf(
  draft: Draft,
  plain: string,
  { identity, mailboxId }: { identity: Identity; mailboxId: string },
): Json {
  return {
    mailboxIds: { [mailboxId]: true },
    keywords: { $draft: true, $seen: true },
    from: [{ name: identity.name || null, email: identity.email }],
    to: draft.to,
    cc: draft.cc,
    bcc: draft.bcc,
    subject: draft.subject,
    ...(draft.inReplyTo.length > 0 ? { inReplyTo: draft.inReplyTo } : {}),
    ...(draft.references.length > 0 ? { references: draft.references } : {}),
    textBody: [{ partId: 'text', type: 'text/plain' }],
    htmlBody: [{ partId: 'html', type: 'text/html' }],
    bodyValues: { text: { value: plain }, html: { value: `<!doctype html><html><body>${draft.html}</body></html>` } },
    attachments: draft.attachments.map(({ blobId, name, type, cid }) => ({
      blobId,
      name,
      type,
      disposition: cid === undefined ? 'attachment' : 'inline',
      ...(cid === undefined ? {} : { cid }),
    })),
  }
}

const refusedBy = (given: Json | undefined): Failure | undefined =>
  given && new Failure('refused', given.description ?? given.type, given.type)

/** Stores the draft in place of its last form. Answers the new email's id. */
export async function saveDraft(store: MailStore, draft: Draft, plain: string): Promise<string> {
  const mailboxId = await mailboxWithRole(store, 'drafts')
  const identity = store.identities.find(({ id }) => id === draft.identityId) ?? store.identities[0]
  if (!identity) throw new Failure('refused', 'The account has no address to send from')
  return store.act(async () => {
    const [made] = await store.client.call([
      'Email/set',
      { create: { draft: emailOf(draft, plain, { identity, mailboxId }) } },
    ])
    const refused = refusedBy(made?.notCreated?.draft)
    if (refused) throw refused
    if (draft.emailId !== undefined) await store.client.call(['Email/set', { destroy: [draft.emailId] }])
    return made?.created.draft.id as string
  })
}

export const discardDraft = async (store: MailStore, draft: Draft): Promise<void> => {
  const { emailId } = draft
  if (emailId !== undefined) await store.act(() => store.client.call(['Email/set', { destroy: [emailId] }]))
}

/** Sends a stored draft. The answer takes it back, as long as the server still holds it. */
export async function sendDraft(store: MailStore, draft: Draft, sendAt?: Date): Promise<() => Promise<void>> {
  const sent = await mailboxWithRole(store, 'sent')
  const drafts = await mailboxWithRole(store, 'drafts')
  const identity = store.identities.find(({ id }) => id === draft.identityId) ?? store.identities[0]
  const recipients = [...draft.to, ...draft.cc, ...draft.bcc]
  const envelope = sendAt && {
    mailFrom: { email: identity?.email, parameters: { HOLDUNTIL: `${sendAt.toISOString().slice(0, 19)}Z` } },
    rcptTo: recipients.map(({ email }) => ({ email, parameters: null })),
  }
  const submission = await store.act(async () => {
    const [made] = await store.client.call([
      'EmailSubmission/set',
      {
        create: { a: { identityId: identity?.id, emailId: draft.emailId, ...(envelope ? { envelope } : {}) } },
        onSuccessUpdateEmail: { '#a': { mailboxIds: { [sent]: true }, 'keywords/$draft': null } },
      },
    ])
    const refused = refusedBy(made?.notCreated?.a)
    if (refused) throw refused
    const { answers } = draft
    if (answers)
      // The message has gone; a mark that fails is no reason to say otherwise.
      await store.client
        .call(['Email/set', { update: { [answers.id]: { [`keywords/${answers.keyword}`]: true } } }])
        .catch(() => undefined)
    return made?.created.a.id as string
  })
  return () =>
    store.act(async () => {
      const [set] = await store.client.call([
        'EmailSubmission/set',
        {
          update: { [submission]: { undoStatus: 'canceled' } },
          onSuccessUpdateEmail: { [submission]: { mailboxIds: { [drafts]: true }, 'keywords/$draft': true } },
        },
      ])
      const refused = refusedBy(set?.notUpdated?.[submission])
      if (refused) throw refused
    })
}

/** Parses `Bob <bob@here.test>, ann@here.test`; invalid text is returned as the rest. */
export function readAddresses(text: string): { readonly addresses: readonly Address[]; readonly rest: string } {
  const addresses: Address[] = []
  const rest: string[] = []
  for (const part of text.slice(0, 10_000).split(/[,;\n]/)) {
    const trimmed = part.trim()
    if (trimmed === '') continue
    const open = trimmed.lastIndexOf('<')
    const email =
      open < 0
        ? trimmed
        : trimmed
            .slice(open + 1)
            .replace(/>$/, '')
            .trim()
    const name = open > 0 ? trimmed.slice(0, open).trim().replaceAll('"', '') : ''
    if (/^[^\s@<>]{1,64}@[^\s@<>]{1,255}$/.test(email)) addresses.push({ name: name || null, email })
    else rest.push(trimmed)
  }
  return { addresses, rest: rest.join(', ') }
}

/** Addresses of the cached mail that begin with or hold a text, the most frequent first. */
export function suggestions(store: MailStore, text: string, limit = 6): Address[] {
  const wanted = text.trim().toLowerCase()
  if (wanted === '') return []
  const counts = new Map<string, { address: Address; count: number }>()
  for (const { from, to, cc } of store.emails.values())
    for (const address of [...(from ?? []), ...(to ?? []), ...(cc ?? [])]) {
      const key = address.email.toLowerCase()
      if (!key.includes(wanted) && !nameOf(address).toLowerCase().includes(wanted)) continue
      const found = counts.get(key)
      if (found) found.count++
      else counts.set(key, { address, count: 1 })
    }
  return [...counts.values()]
    .sort((a, b) => b.count - a.count)
    .slice(0, limit)
    .map(({ address }) => address)
}
