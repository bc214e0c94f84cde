/**
 * EmailSubmission (RFC 8621 section 7): sending, undoing and scheduling, with the delivery status of each recipient.
 *
 * Invariants: a message is submitted to the kernel like any other client's, under the client's own identity; a
 * submission that can be undone is still in the queue; the client sees the status in the message trace.
 */
import { randomUUID } from 'node:crypto'
import type { Queue } from 'iems'
import * as z from 'zod'
import { type JmapCall, type JmapObject, type ObjectType, type Patch, type SetResult, SUBMISSION } from '../api.ts'
import { invalidProperties, ObjectError } from '../errors.ts'
import { meetsFilter } from '../filters.ts'
import { type MailDeps, viewOf } from '../mail/deps.ts'
import { formed, readRawFields } from '../mail/header-forms.ts'
import { idOf, setObjects, setResponse } from '../set.ts'
import type { Identities } from './identities.ts'
import type { Envelope, SubmissionRecord, Submissions } from './records.ts'
import { send } from './send.ts'
import { deliveryStatus } from './status.ts'

export interface SubmissionDeps extends MailDeps {
  readonly queue: Queue
  readonly submissions: Submissions
  readonly identities: Identities
  /** ms that a message waits, so that sending can be undone. */
  readonly undo: number
  readonly maxSendLater: number
}

const parameters = z.record(z.string().max(50), z.string().max(1000).nullable()).nullish()
const address = z.strictObject({ email: z.string().min(1).max(1000), parameters })
const created = z.strictObject({
  identityId: z.string(),
  emailId: z.string(),
  envelope: z
    .strictObject({
      mailFrom: z.strictObject({ email: z.string().max(1000), parameters }),
      rcptTo: z.array(address).min(1).max(10_000),
    })
    .nullish(),
})

const PROPERTIES = [
  'id',
  'identityId',
  'emailId',
  'threadId',
  'envelope',
  'sendAt',
  'undoStatus',
  'deliveryStatus',
  'dsnBlobIds',
  'mdnBlobIds',
]

/** The envelope that the message's own header means. */
async function envelopeOf(deps: SubmissionDeps, emailId: string, from: string): Promise<Envelope> {
  const header = await (await deps.mail.email(emailId))?.header()
  const fields = readRawFields(header ?? new Uint8Array())
  const seen = new Set<string>()
  const rcptTo = ['to', 'cc', 'bcc'].flatMap((name) =>
    fields
      .filter((field) => field.name.toLowerCase() === name)
      .flatMap(({ value }) => formed(value, 'Addresses') as { email: string }[])
      .filter(({ email }) => !seen.has(email.toLowerCase()) && seen.add(email.toLowerCase()))
      .map(({ email }) => ({ email, parameters: null })),
  )
  if (rcptTo.length === 0) throw new ObjectError('noRecipients', 'The message has no recipients')
  return { mailFrom: { email: from, parameters: null }, rcptTo }
}

/** RFC 4865: when a message is to be sent, by the parameters of its sender. */
function sendAtOf(deps: SubmissionDeps, given: Readonly<Record<string, string | null>>): number {
  const now = deps.clock.now()
  const named = Object.fromEntries(Object.entries(given).map(([name, value]) => [name.toUpperCase(), value]))
  const seconds = named.HOLDFOR
  const until = named.HOLDUNTIL
  const at = seconds ? now + Number(seconds) * 1000 : until ? new Date(until).getTime() : now + deps.undo
  if (!Number.isFinite(at) || at > now + deps.maxSendLater || at < now - 86_400_000)
    throw invalidProperties(['envelope'], 'The message cannot be held until then')
  return Math.max(at, seconds || until ? 0 : now)
}

async function create(deps: SubmissionDeps, account: string, given: Patch, call: JmapCall): Promise<JmapObject> {
  if (account !== call.own) throw new ObjectError('forbidden')
  const read = created.safeParse(given)
  if (!read.success)
    throw invalidProperties(
      read.error.issues.map(({ path }) => String(path[0] ?? '')),
      read.error.issues[0]?.message,
    )
  const emailId = idOf(read.data.emailId, call)
  const identity = await deps.identities.find(account, read.data.identityId).catch(() => {
    throw invalidProperties(['identityId'], 'There is no such identity')
  })
  const view = await viewOf(deps, account, call)
  const [email] = await Array.fromAsync(deps.mail.emails(account, [emailId]))
  if (!email || !view.sees(email)) throw invalidProperties(['emailId'], 'There is no such email')
  const envelope = plainEnvelope(read.data.envelope) ?? (await envelopeOf(deps, emailId, identity.email))
  const sendAt = sendAtOf(deps, envelope.mailFrom.parameters ?? {})
  const message = await send(deps, { emailId, envelope, sendAt }, call)
  const id = `S${randomUUID().replaceAll('-', '')}`
  const record = {
    identityId: identity.id,
    emailId,
    threadId: email.thread,
    envelope,
    sendAt,
    canceled: false,
    message,
  }
  await deps.submissions.put(account, id, () => record)
  const { undoStatus, deliveryStatus } = await describe(deps, id, record)
  return { id, threadId: email.thread, sendAt: iso(sendAt), undoStatus, deliveryStatus, envelope }
}

type GivenEnvelope = z.output<typeof created>['envelope']
function plainEnvelope(given: GivenEnvelope): Envelope | undefined {
  if (!given) return undefined
  const plain = (one: { email: string; parameters?: Record<string, string | null> | null | undefined }) => ({
    email: one.email,
    parameters: one.parameters ?? null,
  })
  return { mailFrom: plain(given.mailFrom), rcptTo: given.rcptTo.map(plain) }
}

const iso = (at: number) => `${new Date(at).toISOString().slice(0, 19)}Z`

async function describe(deps: SubmissionDeps, id: string, record: SubmissionRecord): Promise<JmapObject> {
  const { message, canceled, sendAt } = record
  const isPending = !canceled && sendAt > deps.clock.now()
  return {
    id,
    identityId: record.identityId,
    emailId: record.emailId,
    threadId: record.threadId,
    envelope: record.envelope,
    sendAt: iso(sendAt),
    undoStatus: canceled ? 'canceled' : isPending ? 'pending' : 'final',
    deliveryStatus: canceled ? null : deliveryStatus(await deps.queue.trace(message), record.envelope),
    dsnBlobIds: [],
    mdnBlobIds: [],
  }
}

async function update(
  deps: SubmissionDeps,
  account: string,
  id: string,
  { patch, call }: { readonly patch: Patch; readonly call: JmapCall },
) {
  const record = account === call.own ? await deps.submissions.get(account, id) : undefined
  if (!record) throw new ObjectError('notFound')
  const others = Object.keys(patch).filter((name) => name !== 'undoStatus')
  if (others.length > 0) throw invalidProperties(others)
  if (patch.undoStatus !== 'canceled') throw invalidProperties(['undoStatus'], 'It can become canceled only')
  const taken = await deps.queue.remove({ message: record.message, scheduled: true })
  if (taken === 0) throw new ObjectError('cannotUnsend', 'The message has left already')
  await deps.submissions.put(account, id, (before) => ({ ...(before ?? record), canceled: true }))
  return null
}

const filterSchema = z.strictObject({
  identityIds: z.array(z.string()).optional(),
  emailIds: z.array(z.string()).optional(),
  threadIds: z.array(z.string()).optional(),
  undoStatus: z.enum(['pending', 'final', 'canceled']).optional(),
  before: z.iso.datetime().optional(),
  after: z.iso.datetime().optional(),
})
type SubmissionCondition = z.output<typeof filterSchema>

function meets(one: JmapObject, condition: SubmissionCondition): boolean {
  const among = (ids: readonly string[] | undefined, value: unknown) => ids === undefined || ids.includes(String(value))
  const at = Date.parse(String(one.sendAt))
  return (
    among(condition.identityIds, one.identityId) &&
    among(condition.emailIds, one.emailId) &&
    among(condition.threadIds, one.threadId) &&
    (condition.undoStatus === undefined || condition.undoStatus === one.undoStatus) &&
    (condition.before === undefined || at < Date.parse(condition.before)) &&
    (condition.after === undefined || at >= Date.parse(condition.after))
  )
}

async function listOf(deps: SubmissionDeps, account: string, call: JmapCall): Promise<JmapObject[]> {
  const all: JmapObject[] = []
  if (account !== call.own) return all
  for await (const [id, record] of deps.submissions.all(account)) all.push(await describe(deps, id, record))
  return all
}

interface AfterSuccess {
  readonly onSuccessUpdateEmail?: Readonly<Record<string, Patch>> | null
  readonly onSuccessDestroyEmail?: readonly string[] | null
}

/** RFC 8621 section 7.5: an Email/set for the emails of the submissions that succeeded. */
async function setEmails(
  deps: SubmissionDeps,
  { account, done, more, emails }: { account: string; done: SetResult; more: AfterSuccess; emails: ObjectType },
  call: JmapCall,
): Promise<readonly (readonly [string, object])[]> {
  const emailOf = async (given: string): Promise<string | undefined> => {
    const id = given.startsWith('#') ? call.createdIds.get(given.slice(1)) : given
    const hasSucceeded =
      id !== undefined &&
      (Object.values(done.created).some((one) => one.id === id) || id in done.updated || done.destroyed.includes(id))
    return hasSucceeded ? (await deps.submissions.get(account, id))?.emailId : undefined
  }
  const update: Record<string, Patch> = {}
  for (const [given, patch] of Object.entries(more.onSuccessUpdateEmail ?? {})) {
    const id = await emailOf(given)
    if (id !== undefined) update[id] = patch
  }
  const destroy = (await Promise.all((more.onSuccessDestroyEmail ?? []).map(emailOf))).filter((id) => id !== undefined)
  if (Object.keys(update).length + destroy.length === 0) return []
  const oldState = await emails.state(account, call)
  const made = await setObjects(emails, { account, create: {}, update, destroy, more: {} }, call)
  const newState = await emails.state(account, call)
  return [['Email/set', setResponse({ accountId: account, oldState, newState }, made)]]
}

export function submissionType(deps: SubmissionDeps, emails: ObjectType): ObjectType<SubmissionCondition> {
  return {
    capability: SUBMISSION,
    properties: PROPERTIES,
    state: (account) => deps.submissions.state(account),
    get: async ({ account, ids }, call) =>
      (await listOf(deps, account, call)).filter(({ id }) => ids === undefined || ids.includes(id)),
    changes: (account, since, limit) => deps.submissions.changes(account, since, limit),
    filter: filterSchema,
    sorts: ['emailId', 'threadId', 'sentAt', 'sendAt'],
    async query({ account, filter, sort, call }) {
      const found = (await listOf(deps, account, call)).filter((one) =>
        meetsFilter(filter, (condition) => meets(one, condition)),
      )
      const [{ property = 'sendAt', isAscending = true } = {}] = sort
      const by = property === 'sentAt' ? 'sendAt' : property
      found.sort((a, b) => String(a[by]).localeCompare(String(b[by]), 'en') * (isAscending ? 1 : -1))
      return found.map(({ id }) => id)
    },
    create: (account, given, call) => create(deps, account, given, call),
    update: (account, id, patch, call) => update(deps, account, id, { patch, call }),
    async destroy(account, id, call) {
      const record = account === call.own ? await deps.submissions.get(account, id) : undefined
      if (!record) throw new ObjectError('notFound')
      await deps.submissions.put(account, id, () => undefined)
    },
    setArguments: z.strictObject({
      onSuccessUpdateEmail: z.record(z.string(), z.record(z.string(), z.unknown())).nullish(),
      onSuccessDestroyEmail: z.array(z.string()).nullish(),
    }),
    afterSet: (account, done, more, call) => setEmails(deps, { account, done, more, emails }, call),
  }
}
