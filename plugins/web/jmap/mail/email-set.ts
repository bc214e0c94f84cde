/**
 * Creates, changes and removes emails (RFC 8621 sections 4.6 to 4.8).
 *
 * Invariants: an existing email is in at least one mailbox at every moment: copies precede removals; all rights are
 * checked before anything changes.
 */
import type { AccountEmail, FlagChange, MailboxRef } from '../../../mailbox/store/api.ts'
import type { JmapCall, JmapObject, Patch } from '../api.ts'
import type { Blob } from '../blob/blob.ts'
import { openBlob } from '../blob/blobs.ts'
import { blobIdOfEmail } from '../blob/ids.ts'
import { invalidProperties, ObjectError } from '../errors.ts'
import { patched } from '../patched.ts'
import { idOf } from '../set.ts'
import { compose, readNewEmail } from './compose.ts'
import { done, type MailDeps, type View, viewOf } from './deps.ts'
import { factsOf } from './email-properties.ts'
import { flagOf } from './email-query.ts'

export interface EmailSetDeps extends MailDeps {
  readonly hostname: string
}

const KEYWORD = /^[!#$&'+,\-./0-9:;<=>?@A-Z[^_`a-z|}~]{1,255}$/

function flagsOf(keywords: Readonly<Record<string, unknown>>): string[] {
  const wrong = Object.entries(keywords).filter(([name, value]) => value !== true || !KEYWORD.test(name))
  if (wrong.length > 0) throw invalidProperties(['keywords'], `${wrong[0]?.[0]} is no keyword`)
  return Object.keys(keywords).map(flagOf)
}

/** Mailboxes of the account, by ids or creation ids, in which the login has some rights. */
function mailboxesOf(
  ids: Readonly<Record<string, unknown>>,
  rights: string,
  { view, call }: { view: View; call: JmapCall },
) {
  return Object.keys(ids).map((given) => {
    const mailbox = view.find(idOf(given, call))
    if (!mailbox || mailbox.noSelect) throw invalidProperties(['mailboxIds'], 'There is no such mailbox')
    if (!view.may(mailbox.id, rights)) throw new ObjectError('forbidden')
    return mailbox
  })
}

export interface NewContent {
  readonly content: AsyncIterable<Uint8Array>
  readonly mailboxIds: Readonly<Record<string, unknown>>
  readonly keywords: Readonly<Record<string, unknown>>
  readonly receivedAt?: string | undefined
}

/** Files content in mailboxes. Returns the server-set properties. */
export async function fileContent(
  deps: MailDeps,
  account: string,
  given: NewContent,
  call: JmapCall,
): Promise<JmapObject> {
  const view = await viewOf(deps, account, call)
  const [first, ...others] = mailboxesOf(given.mailboxIds, 'i', { view, call })
  if (!first) throw invalidProperties(['mailboxIds'], 'An email is in a mailbox')
  const message = {
    content: given.content,
    flags: flagsOf(given.keywords),
    ...(given.receivedAt === undefined ? {} : { received: Date.parse(given.receivedAt) }),
  }
  const { uids } = done(await deps.mail.append(first, [message]))
  const [uid = 0] = uids
  for (const other of others) done(await deps.mail.copy(first, [[uid, uid]], other))
  for await (const { email } of deps.mail.entries(first, [[uid, uid]]))
    for await (const found of deps.mail.emails(account, [email])) {
      const { id, blobId, threadId, size } = factsOf(found) as JmapObject
      return { id, blobId, threadId, size }
    }
  throw new ObjectError('notFound', 'The email was removed at once')
}

export async function createEmail(
  deps: EmailSetDeps,
  account: string,
  given: Patch,
  call: JmapCall,
): Promise<JmapObject> {
  const email = readNewEmail(given)
  const content = await compose({
    email,
    hostname: deps.hostname,
    now: deps.clock.now(),
    openBlob: async (blobId) => {
      const blob = await openBlob(deps, { account, blobId: idOrCreated(blobId, call) }, call)
      if (!blob) throw new ObjectError('blobNotFound', undefined, { notFound: [blobId] })
      return () => blob.open()
    },
  })
  const { mailboxIds, keywords, receivedAt } = email
  return fileContent(deps, account, { content, mailboxIds, keywords, receivedAt }, call)
}

const idOrCreated = (id: string, { createdIds }: JmapCall) =>
  id.startsWith('#') ? (createdIds.get(id.slice(1)) ?? '') : id

async function find(deps: MailDeps, account: string, id: string, view: View): Promise<AccountEmail> {
  for await (const email of deps.mail.emails(account, [id])) if (view.sees(email)) return email
  throw new ObjectError('notFound')
}

export async function updateEmail(
  deps: MailDeps,
  account: string,
  id: string,
  { patch, call }: { readonly patch: Patch; readonly call: JmapCall },
) {
  const view = await viewOf(deps, account, call)
  const email = await find(deps, account, id, view)
  const fixed = Object.keys(patch).filter((key) => !/^(?:keywords|mailboxIds)(?:\/|$)/.test(key))
  if (fixed.length > 0) throw invalidProperties(fixed, 'Only keywords and mailboxIds can be changed')
  const before = factsOf(email) as { keywords: object; mailboxIds: object }
  const after = patched({ keywords: before.keywords, mailboxIds: before.mailboxIds }, patch)
  const keywords = (after.keywords ?? {}) as Record<string, unknown>
  const mailboxIds = (after.mailboxIds ?? {}) as Record<string, unknown>
  if (Object.keys(mailboxIds).length === 0) throw invalidProperties(['mailboxIds'], 'An email is in a mailbox')
  const flags = flagsOf(keywords)
  const targets = mailboxesOf(mailboxIds, '', { view, call })
  const change = keywordChange(patch, flags)
  const isMoved =
    targets.length !== email.places.length ||
    targets.some(({ id }) => !email.places.some(({ mailbox }) => mailbox === id))
  // Keywords are the email's: a copy that goes must not take any along, nor a new one lack any.
  if (isMoved && email.places.length > 1) await setFlags(deps, { email, view }, [{ how: 'set', flags }])
  else if (change.length > 0) await setFlags(deps, { email, view }, change)
  await setMailboxes(deps, { email, targets, view })
  return null
}

/** Changes of flags for all places: the copies may differ, so each keyword that a patch names counts. */
function keywordChange(patch: Patch, flags: readonly string[]): readonly FlagChange[] {
  if ('keywords' in patch) return [{ how: 'set', flags }]
  const named = Object.entries(patch).flatMap(([path, value]) =>
    path.startsWith('keywords/')
      ? [
          {
            flag: flagOf(path.slice('keywords/'.length).replaceAll('~1', '/').replaceAll('~0', '~')),
            isSet: value === true,
          },
        ]
      : [],
  )
  const changes: readonly FlagChange[] = [
    { how: 'add', flags: named.filter(({ isSet }) => isSet).map(({ flag }) => flag) },
    { how: 'remove', flags: named.filter(({ isSet }) => !isSet).map(({ flag }) => flag) },
  ]
  return changes.filter((one) => one.flags.length > 0)
}

async function setFlags(
  { mail }: MailDeps,
  { email, view }: { readonly email: AccountEmail; readonly view: View },
  changes: readonly FlagChange[],
): Promise<void> {
  for (const { mailbox } of email.places) if (!view.may(mailbox, 'w')) throw new ObjectError('forbidden')
  for (const change of changes) done(await mail.setEmailFlags(view.account, email.id, change))
}

interface Moving {
  readonly email: AccountEmail
  readonly targets: readonly MailboxRef[]
  readonly view: View
}

async function setMailboxes({ mail }: MailDeps, { email, targets, view }: Moving): Promise<void> {
  const added = targets.filter(({ id }) => !email.places.some(({ mailbox }) => mailbox === id))
  const removed = email.places.filter(({ mailbox }) => !targets.some(({ id }) => id === mailbox))
  for (const { id } of added) if (!view.may(id, 'i')) throw new ObjectError('forbidden')
  for (const { mailbox } of removed) if (!view.may(mailbox, 'te')) throw new ObjectError('forbidden')
  const [from] = email.places
  if (!from) throw new ObjectError('notFound')
  const refOf = (id: string): MailboxRef => ({ account: view.account, id })
  const [onlyAdded, onlyRemoved] = [added[0], removed[0]]
  if (added.length === 1 && removed.length === 1 && onlyAdded && onlyRemoved) {
    done(await mail.move(refOf(onlyRemoved.mailbox), [[onlyRemoved.uid, onlyRemoved.uid]], onlyAdded))
    return
  }
  for (const to of added) done(await mail.copy(refOf(from.mailbox), [[from.uid, from.uid]], to))
  for (const { mailbox, uid } of removed) done(await mail.expunge(refOf(mailbox), [[uid, uid]]))
}

export async function destroyEmail({ ...deps }: MailDeps, account: string, id: string, call: JmapCall): Promise<void> {
  const view = await viewOf(deps, account, call)
  const email = await find(deps, account, id, view)
  for (const { mailbox } of email.places) if (!view.may(mailbox, 'te')) throw new ObjectError('forbidden')
  for (const { mailbox, uid } of email.places) done(await deps.mail.expunge({ account, id: mailbox }, [[uid, uid]]))
}

/** Email/copy of one email: from an account that the login sees into its mailboxes of another. */
export async function copyEmail(
  deps: MailDeps,
  { from, to, given }: { readonly from: string; readonly to: string; readonly given: Patch },
  call: JmapCall,
): Promise<JmapObject> {
  const { id, mailboxIds, keywords, receivedAt } = given as {
    id?: string
    mailboxIds?: Record<string, unknown>
    keywords?: Record<string, unknown>
    receivedAt?: string
  }
  if (typeof id !== 'string') throw invalidProperties(['id'])
  if (typeof mailboxIds !== 'object' || mailboxIds === null) throw invalidProperties(['mailboxIds'])
  const blob = (await openBlob(deps, { account: from, blobId: blobIdOfEmail(id) }, call)) as Blob | undefined
  const source = await find(deps, from, id, await viewOf(deps, from, call))
  if (!blob) throw new ObjectError('notFound')
  const facts = factsOf(source) as { keywords: Record<string, unknown>; receivedAt: string }
  return fileContent(
    deps,
    to,
    {
      content: blob.open(),
      mailboxIds,
      keywords: keywords ?? facts.keywords,
      receivedAt: receivedAt ?? facts.receivedAt,
    },
    call,
  )
}
