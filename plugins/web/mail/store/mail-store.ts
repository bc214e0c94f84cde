/**
 * The client's copy of an account: mailboxes, emails, conversations and the open list, synchronized with the server.
 *
 * Invariants: a person's action shows at once; until the server answers, no older server state replaces it; a refusal
 * reverts everything and is shown.
 */
import { type Call, Failure, type JmapClient, type Json } from './client.ts'
import { ConversationList, type ListKey, type Loaded } from './list.ts'
import { type Body, EMAIL_PROPERTIES, type Email, type Identity, type Mailbox, type Part, type Row } from './objects.ts'
import { filterOf } from './search.ts'

export type Status = 'live' | 'connecting' | 'offline' | 'login'
const MAX_BODY = 1_000_000
const MAX_SYNC_ROUNDS = 20
const LIST_UNSUBSCRIBE = 'header:List-Unsubscribe:asURLs'
const LIST_POST = 'header:List-Unsubscribe-Post:asText'
const BODY_PROPERTIES = ['partId', 'blobId', 'size', 'name', 'type', 'cid', 'disposition']

export class MailStore {
  readonly client: JmapClient
  readonly mailboxes = new Map<string, Mailbox>()
  readonly emails = new Map<string, Email>()
  readonly threads = new Map<string, readonly string[]>()
  readonly bodies = new Map<string, Body>()
  identities: readonly Identity[] = []
  quota: { readonly used: number; readonly limit: number } | undefined
  list: ConversationList | undefined
  status: Status = 'connecting'
  /** The last refusal that no caller waits for. */
  problem: Error | undefined
  /** Counts updates from the server: data outside the store is requested again when it grows. */
  pushes = 0
  /** Counts changes; a new number means that something is different. */
  version = 0
  readonly #listeners = new Set<() => void>()
  #state = ''
  /** Changes of the person's own that the server has not answered yet. */
  #pending = 0
  /** Whether the list may differ from the server's although no state of the server is new. */
  #isListInDoubt = false
  #wanted = false
  #syncing: Promise<void> | undefined

  constructor(client: JmapClient) {
    this.client = client
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  changed(): void {
    this.version++
    for (const listener of this.#listeners) listener()
  }

  setStatus(status: Status): void {
    if (this.status === status) return
    this.status = status
    this.changed()
  }

  /** The session, the mailboxes and the identities. */
  async open(): Promise<void> {
    await this.client.open()
    const [mailboxes, identities, email] = await this.client.call(
      ['Mailbox/get', { ids: null }],
      ['Identity/get', { ids: null }],
      ['Email/get', { ids: [] }],
    )
    this.#setMailboxes(mailboxes?.list ?? [])
    this.identities = identities?.list ?? []
    this.#state = email?.state ?? ''
    this.changed()
    void this.#readQuota()
  }

  /** Changes the name or the signature of an identity. Throws a `Failure`. */
  async changeIdentity(id: string, patch: Json): Promise<void> {
    const [set, got] = await this.client.call(
      ['Identity/set', { update: { [id]: patch } }],
      ['Identity/get', { ids: null }],
    )
    const refused = set?.notUpdated?.[id] as Json | undefined
    if (refused) throw new Failure('refused', refused.description ?? refused.type, refused.type)
    this.identities = got?.list ?? []
    this.changed()
  }

  async #readQuota(): Promise<void> {
    const [quotas] = await this.client.call(['Quota/get', { ids: null }]).catch(() => [])
    const found = (quotas?.list as Json[] | undefined)?.find(({ resourceType }) => resourceType === 'octets')
    if (!found) return
    this.quota = { used: found.used, limit: found.hardLimit }
    this.changed()
  }

  #setMailboxes(list: readonly Mailbox[]): void {
    this.mailboxes.clear()
    for (const mailbox of list) this.mailboxes.set(mailbox.id, mailbox)
  }

  withRole(role: string): Mailbox | undefined {
    return [...this.mailboxes.values()].find((mailbox) => mailbox.role === role)
  }

  /** Opens a list; the rows of the last one are forgotten. */
  show(key: ListKey): ConversationList {
    const filter = key.kind === 'mailbox' ? { inMailbox: key.id } : filterOf(key.query, [...this.mailboxes.values()])
    const list = new ConversationList(key, filter)
    this.list = list
    this.see(0, 0)
    this.changed()
    return list
  }

  /** Sets the visible rows and loads missing ones. */
  see(first: number, last: number): void {
    const { list } = this
    if (list) for (const start of list.needed(first, last)) void this.#load(list, start)
  }

  async #load(list: ConversationList, start: number): Promise<void> {
    try {
      this.#keep(await list.load(this.client, start))
    } catch (cause) {
      list.error = this.#failed(cause)
    }
    this.changed()
  }

  #keep({ emails, threads }: Loaded): void {
    for (const email of emails) this.emails.set(email.id, email)
    for (const { id, emailIds } of threads) this.threads.set(id, emailIds)
  }

  row(index: number): Row | undefined {
    const threadId = this.list?.at(index)
    return threadId === undefined ? undefined : { threadId, emails: this.emailsOf(threadId) }
  }

  /** A conversation's emails, oldest first. Those in Trash or Junk belong to it only there. */
  emailsOf(threadId: string): Email[] {
    const apart = ['trash', 'junk'].flatMap((role) => this.withRole(role)?.id ?? [])
    const here = this.list?.key.kind === 'mailbox' ? this.list.key.id : undefined
    const all = (this.threads.get(threadId) ?? []).flatMap((id) => this.emails.get(id) ?? [])
    const shown = all.filter(({ mailboxIds }) => {
      const ids = Object.keys(mailboxIds)
      return here !== undefined && apart.includes(here) ? ids.includes(here) : !ids.every((id) => apart.includes(id))
    })
    return (shown.length > 0 ? shown : all).sort((a, b) => a.receivedAt.localeCompare(b.receivedAt))
  }

  /** All emails of a conversation, as after a click on a link to it. */
  async openThread(threadId: string): Promise<void> {
    const [threads, emails] = await this.client.call(
      ['Thread/get', { ids: [threadId] }],
      [
        'Email/get',
        { '#ids': { resultOf: 'c0', name: 'Thread/get', path: '/list/*/emailIds' }, properties: EMAIL_PROPERTIES },
      ],
    )
    this.#keep({ emails: emails?.list ?? [], threads: threads?.list ?? [] })
    this.changed()
  }

  async loadBodies(ids: readonly string[]): Promise<void> {
    const missing = ids.filter((id) => !this.bodies.has(id))
    if (missing.length === 0) return
    const [got] = await this.client.call([
      'Email/get',
      {
        ids: missing,
        properties: ['id', 'bodyValues', 'htmlBody', 'textBody', 'attachments', LIST_UNSUBSCRIBE, LIST_POST],
        bodyProperties: BODY_PROPERTIES,
        fetchHTMLBodyValues: true,
        fetchTextBodyValues: true,
        maxBodyValueBytes: MAX_BODY,
      },
    ])
    for (const email of (got?.list ?? []) as Json[]) this.bodies.set(email.id, bodyOf(email))
    this.changed()
  }

  /**
   * Changes emails here at once and on the server after. Throws a `Failure` when the server refuses; everything is as
   * before then.
   */
  async update(patches: ReadonlyMap<string, Json>, gone: ReadonlySet<string> = new Set()): Promise<void> {
    const before = new Map<string, Email>()
    for (const [id, patch] of patches) {
      const email = this.emails.get(id)
      if (!email) continue
      before.set(id, email)
      this.emails.set(id, patched(email, patch))
    }
    if (gone.size > 0) {
      this.list?.remove(gone)
      this.#isListInDoubt = true
    }
    this.changed()
    await this.act(async () => {
      try {
        const [set] = await this.client.call(['Email/set', { update: Object.fromEntries(patches) }])
        const [refused] = Object.values((set?.notUpdated ?? {}) as Record<string, Json>)
        if (refused) throw new Failure('refused', refused.description ?? refused.type, refused.type)
      } catch (cause) {
        for (const [id, email] of before) this.emails.set(id, email)
        throw this.#failed(cause)
      }
    })
  }

  /** Runs a person's change; pushes that arrive meanwhile are handled afterwards. */
  async act<T>(run: () => Promise<T>): Promise<T> {
    this.#pending++
    try {
      return await run()
    } finally {
      this.#pending--
      this.#wanted = true
      void this.sync()
    }
  }

  /** Makes this picture the server's. Called at each push, after each change and when the network is back. */
  async sync(): Promise<void> {
    this.pushes++
    this.#wanted = true
    this.#syncing ??= this.#rounds().finally(() => {
      this.#syncing = undefined
    })
    await this.#syncing
  }

  async #rounds(): Promise<void> {
    try {
      for (let round = 0; this.#wanted && this.#pending === 0 && round < MAX_SYNC_ROUNDS; round++) {
        this.#wanted = false
        await this.#round()
      }
    } catch (cause) {
      this.#failed(cause)
    }
  }

  async #round(): Promise<void> {
    const [mailboxes, changes] = await this.client
      .call(['Mailbox/get', { ids: null }], ['Email/changes', { sinceState: this.#state, maxChanges: 500 }])
      .catch(async (cause: unknown) => {
        if (!(cause instanceof Failure) || cause.type !== 'cannotCalculateChanges') throw cause
        return [...(await this.client.call(['Mailbox/get', { ids: null }])), undefined]
      })
    if (this.#pending > 0) return
    this.#setMailboxes(mailboxes?.list ?? [])
    if (changes && changes.newState === changes.oldState && !this.#isListInDoubt) {
      this.changed()
      return
    }
    const stale = changes ? [...changes.updated, ...changes.created] : [...this.emails.keys()]
    await this.#refresh(stale, changes?.destroyed ?? [])
    if (!changes) {
      const [{ state } = {} as Json] = await this.client.call(['Email/get', { ids: [] }])
      this.#state = state
    } else this.#state = changes.newState
    if (changes?.hasMoreChanges) this.#wanted = true
  }

  async #refresh(changed: readonly string[], destroyed: readonly string[]): Promise<void> {
    const known = changed.filter((id) => this.emails.has(id)).slice(0, 500)
    const { list } = this
    const calls: Call[] = known.length > 0 ? [['Email/get', { ids: known, properties: EMAIL_PROPERTIES }]] : []
    const [[got], ...loaded] = await Promise.all([
      calls.length > 0 ? this.client.call(...calls) : ([] as Json[]),
      ...(list ? list.markStale().map((start) => list.load(this.client, start)) : []),
    ])
    if (this.#pending > 0) {
      // The person changed something meanwhile: the data read may be older.
      this.#wanted = true
      return
    }
    this.#isListInDoubt = false
    this.#keep({ emails: got?.list ?? [], threads: [] })
    for (const one of loaded) this.#keep(one)
    for (const id of [...destroyed, ...((got?.notFound ?? []) as string[])]) {
      this.emails.delete(id)
      this.bodies.delete(id)
    }
    this.changed()
  }

  #failed(cause: unknown): Error {
    const error = cause instanceof Error ? cause : new Error(String(cause))
    if (error instanceof Failure && error.kind === 'offline') this.setStatus('offline')
    if (error instanceof Failure && error.kind === 'login') this.setStatus('login')
    return error
  }
}

/** An email with a patch as `Email/set` has them: whole properties or `keywords/$seen`. */
export function patched(email: Email, patch: Json): Email {
  const next: Record<string, unknown> = { ...email }
  for (const [path, value] of Object.entries(patch)) {
    const [property = '', key] = path.split('/')
    if (key === undefined) next[property] = value
    else {
      const { [key]: _, ...others } = next[property] as Record<string, true>
      next[property] = value === null ? others : { ...others, [key]: true }
    }
  }
  return next as unknown as Email
}

/** The unsubscribe address of a mailing list; a web page that asks questions is left to the text. */
function unsubscribeOf(urls: readonly string[] | null | undefined, post: string | null | undefined) {
  const isOneClick =
    /^\s*list-unsubscribe=one-click\s*$/i.test(post ?? '') && (urls ?? []).some((url) => /^https:/i.test(url))
  const mailto = (urls ?? []).find((url) => /^mailto:[^\s?]{3,500}/i.test(url))?.slice('mailto:'.length)
  return isOneClick || mailto ? { isOneClick, mailto } : undefined
}

export function bodyOf(email: Json): Body {
  const { bodyValues, htmlBody, textBody, attachments } = email
  const values = bodyValues as Record<string, { value: string; isTruncated?: boolean }>
  const textOf = ({ partId }: Part) => values[partId ?? '']?.value ?? ''
  const htmlParts = (htmlBody as Part[]).filter(({ type }) => type === 'text/html')
  const textParts = (textBody as Part[]).filter(({ type }) => type === 'text/plain')
  return {
    html: htmlParts.length > 0 ? htmlParts.map(textOf).join('\n') : undefined,
    text: textParts.map(textOf).join('\n'),
    attachments,
    unsubscribe: unsubscribeOf(email[LIST_UNSUBSCRIBE], email[LIST_POST]),
    isTruncated: Object.values(values).some(({ isTruncated }) => isTruncated),
  }
}
