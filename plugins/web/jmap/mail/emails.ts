/**
 * Emails (RFC 8621 section 4) and search snippets (section 5): the type, and its methods that are not standard ones.
 */
import { readFields } from 'iems/mime'
import * as z from 'zod'
import { type JmapApi, type JmapCall, type JmapObject, MAIL, type ObjectType } from '../api.ts'
import { idSchema } from '../arguments.ts'
import { octetsOf, openBlob } from '../blob/blobs.ts'
import { invalidProperties, MethodError, ObjectError, type SetError } from '../errors.ts'
import { readFilter } from '../objects.ts'
import { orNull } from '../set.ts'
import { changesOf, type MailDeps, stateOf, viewOf } from './deps.ts'
import {
  type BodyWishes,
  checkProperties,
  DEFAULT_PROPERTIES,
  factsOf,
  parsedContent,
  readProperties,
} from './email-properties.ts'
import { affectedEmails, EMAIL_SORTS, type EmailCondition, emailFilter, queryEmails } from './email-query.ts'
import { copyEmail, createEmail, destroyEmail, type EmailSetDeps, fileContent, updateEmail } from './email-set.ts'
import { snippetOf } from './snippets.ts'

const bodyArguments = {
  bodyProperties: z.array(z.string().max(300)).max(100).nullish(),
  fetchTextBodyValues: z.boolean().default(false),
  fetchHTMLBodyValues: z.boolean().default(false),
  fetchAllBodyValues: z.boolean().default(false),
  maxBodyValueBytes: z.int().min(0).default(0),
}
const wishesOf = (more: Readonly<Record<string, unknown>>): BodyWishes => ({
  ...(more as BodyWishes),
  bodyProperties: (more.bodyProperties as readonly string[] | null) ?? undefined,
})

export function emailType(deps: EmailSetDeps): ObjectType<EmailCondition> {
  return {
    capability: MAIL,
    properties: '*',
    state: (account) => stateOf(deps, account),
    getArguments: z.strictObject(bodyArguments),
    async get({ account, ids, properties = DEFAULT_PROPERTIES, more }, call) {
      checkProperties(properties)
      // RFC 8621 section 4.2: all emails at once are too many.
      if (!ids) throw new MethodError('requestTooLarge', 'Name the ids of emails')
      const view = await viewOf(deps, account, call)
      const found: JmapObject[] = []
      for (const email of await deps.query.emailsById(account, ids)) {
        const content = view.sees(email) ? await deps.mail.email(email.id) : undefined
        if (!content) continue
        const facts = factsOf(email)
        found.push(await readProperties({ blob: String(facts.blobId), facts, content }, properties, wishesOf(more)))
      }
      return found
    },
    async changes(account, since, limit) {
      const { emails, threads, state, hasMore } = await changesOf(deps, account, since, limit)
      return { ...emails, newState: state, hasMoreChanges: hasMore, hint: threads }
    },
    filter: emailFilter,
    sorts: EMAIL_SORTS,
    queryArguments: z.strictObject({ collapseThreads: z.boolean().default(false) }),
    query: (asked) => queryEmails(deps, asked),
    affected: (account, changes) => affectedEmails(deps, account, changes),
    create: (account, given, call) => createEmail(deps, account, given, call),
    update: (account, id, patch, call) => updateEmail(deps, account, id, { patch, call }),
    destroy: (account, id, call) => destroyEmail(deps, account, id, call),
    copy: (from, to, given, call) => copyEmail(deps, { from, to, given }, call),
  }
}

const MAX_OBJECTS = 500
const MAX_PARSED = 50 * 1024 * 1024

export function addEmailMethods(jmap: JmapApi, deps: EmailSetDeps): void {
  jmap.method('Email/import', {
    capability: MAIL,
    arguments: z.strictObject({
      accountId: idSchema,
      ifInState: z.string().nullish(),
      emails: z.record(z.string().max(255), z.unknown()),
    }),
    async run({ accountId, ifInState, emails }, call) {
      await requireState(deps, { account: accountId, ifInState }, call)
      return several(deps, accountId, { wanted: emails, call }, (given) => importOne(deps, accountId, given, call))
    },
  })
  jmap.method('Email/parse', {
    capability: MAIL,
    arguments: z.strictObject({
      accountId: idSchema,
      blobIds: z.array(z.string()).max(MAX_OBJECTS),
      properties: z.array(z.string().max(300)).max(200).nullish(),
      ...bodyArguments,
    }),
    run: ({ accountId, blobIds, properties, ...more }, call) =>
      parseAll(
        deps,
        { account: accountId, blobIds, properties: properties ?? PARSED_PROPERTIES, wishes: wishesOf(more) },
        call,
      ),
  })
  jmap.method('SearchSnippet/get', {
    capability: MAIL,
    arguments: z.strictObject({
      accountId: idSchema,
      filter: z.unknown().optional(),
      emailIds: z.array(z.string()).max(MAX_OBJECTS),
    }),
    async run({ accountId, filter, emailIds }, call) {
      if (!(await call.mayUse(accountId))) throw new MethodError('accountNotFound')
      const read = await readFilter(filter, emailFilter)
      const view = await viewOf(deps, accountId, call)
      const list: object[] = []
      for await (const email of deps.mail.emails(accountId, emailIds)) {
        const content = view.sees(email) ? await deps.mail.email(email.id) : undefined
        if (content) list.push({ emailId: email.id, ...(await snippetOf(content, read)) })
      }
      const found = new Set(list.map((one) => (one as { emailId: string }).emailId))
      const notFound = emailIds.filter((id) => !found.has(id))
      return { accountId, list, notFound: notFound.length === 0 ? null : notFound }
    },
  })
}

async function requireState(
  deps: MailDeps,
  { account, ifInState }: { readonly account: string; readonly ifInState: string | null | undefined },
  call: JmapCall,
): Promise<void> {
  if (!(await call.mayUse(account))) throw new MethodError('accountNotFound')
  if (ifInState && ifInState !== (await stateOf(deps, account))) throw new MethodError('stateMismatch')
}

interface Several {
  readonly wanted: Readonly<Record<string, unknown>>
  readonly call: JmapCall
}

/** Makes several emails; each is refused by itself. */
async function several(
  deps: MailDeps,
  account: string,
  { wanted, call }: Several,
  make: (given: unknown) => Promise<JmapObject>,
) {
  if (Object.keys(wanted).length > MAX_OBJECTS) throw new MethodError('requestTooLarge')
  const oldState = await stateOf(deps, account)
  const created: Record<string, JmapObject> = Object.create(null)
  const notCreated: Record<string, SetError> = Object.create(null)
  for (const [key, given] of Object.entries(wanted)) {
    try {
      const made = await make(given)
      created[key] = made
      call.createdIds.set(key, made.id)
    } catch (cause) {
      if (!(cause instanceof ObjectError)) throw cause
      notCreated[key] = cause.error
    }
  }
  return {
    accountId: account,
    oldState,
    newState: await stateOf(deps, account),
    created: orNull(created),
    notCreated: orNull(notCreated),
  }
}

const importSchema = z.strictObject({
  blobId: z.string(),
  mailboxIds: z.record(z.string(), z.literal(true)),
  keywords: z.record(z.string(), z.literal(true)).default({}),
  receivedAt: z.iso.datetime().optional(),
})

async function importOne(deps: MailDeps, account: string, given: unknown, call: JmapCall): Promise<JmapObject> {
  const read = importSchema.safeParse(given)
  if (!read.success)
    throw new ObjectError('invalidProperties', read.error.issues[0]?.message, {
      properties: read.error.issues.map(({ path }) => String(path[0])),
    })
  const { blobId, ...rest } = read.data
  const plain = blobId.startsWith('#') ? (call.createdIds.get(blobId.slice(1)) ?? '') : blobId
  const blob = await openBlob(deps, { account, blobId: plain }, call)
  if (!blob) throw invalidProperties(['blobId'], 'There is no such blob')
  if (!(await isMessage(blob.open()))) throw new ObjectError('invalidEmail', 'The blob has no header fields')
  return fileContent(deps, account, { ...rest, content: blob.open() }, call)
}

const MAX_HEADER_READ = 65_536

/** Whether content begins with a header field. */
async function isMessage(content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<boolean> {
  const read: Uint8Array[] = []
  let size = 0
  for await (const chunk of content) {
    read.push(chunk)
    size += chunk.length
    if (size >= MAX_HEADER_READ) break
  }
  return readFields(Buffer.concat(read).subarray(0, MAX_HEADER_READ)).list.length > 0
}

const PARSED_PROPERTIES = DEFAULT_PROPERTIES.filter(
  (name) => !['id', 'threadId', 'mailboxIds', 'keywords', 'receivedAt'].includes(name),
)

interface Parsing {
  readonly account: string
  readonly blobIds: readonly string[]
  readonly properties: readonly string[]
  readonly wishes: BodyWishes
}

async function parseAll(deps: MailDeps, { account, blobIds, properties, wishes }: Parsing, call: JmapCall) {
  if (!(await call.mayUse(account))) throw new MethodError('accountNotFound')
  checkProperties(properties)
  const parsed: Record<string, unknown> = Object.create(null)
  const notFound: string[] = []
  const notParsable: string[] = []
  for (const blobId of blobIds) {
    const blob = await openBlob(deps, { account, blobId }, call)
    const octets = blob && (await octetsOf(blob, MAX_PARSED))
    if (!octets) notFound.push(blobId)
    else {
      const content = parsedContent(octets)
      if (!(await isMessage([octets]))) notParsable.push(blobId)
      else {
        const facts = {
          blobId,
          size: octets.length,
          id: null,
          threadId: null,
          mailboxIds: null,
          keywords: null,
          receivedAt: null,
        }
        const { id, ...email } = await readProperties({ blob: blobId, facts, content }, properties, wishes)
        parsed[blobId] = properties.includes('id') ? { id, ...email } : email
      }
    }
  }
  return { accountId: account, parsed: orNull(parsed), notFound: orNull(notFound), notParsable: orNull(notParsable) }
}
