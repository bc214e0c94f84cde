/**
 * The client's copy of an account: mailboxes, emails, conversations and the open list, synchronized with the server.
 *
 * Invariants: a person's action shows at once; until the server answers, no older server state replaces it; a refusal
 * reverts everything and is shown.
 */
import { BODY_ARGUMENTS } from './body.ts'
import { type Call, Failure, type JmapClient, type Json, throwRefusal } from './client.ts'
import type { Contact } from './contact.ts'
import { decodedBodies } from './decoded.ts'
import type { Label } from './labels.ts'
import { ConversationList, type ListKey, type Loaded, threadsIn } from './list.ts'
import { type Body, EMAIL_PROPERTIES, type Email, type Identity, type Mailbox, type Row } from './objects.ts'
import { type OtherUpdate, OWN_TYPES, OwnObjects, type Snooze } from './own-objects.ts'
import { patched } from './patched.ts'
import { type Quota, quotaOf } from './quota.ts'
import { filterOf } from './search.ts'
import type { Snapshot } from './snapshot.ts'

export type Status = 'live' | 'connecting' | 'offline' | 'login'
const MAX_SYNC_ROUNDS = 20

export class MailStore {
  readonly client: JmapClient
  /** The owner of the mailboxes, if that is another person. */
  readonly owner: string | undefined
  readonly mailboxes = new Map<string, Mailbox>()
  readonly emails = new Map<string, Email>()
  readonly threads = new Map<string, readonly string[]>()
  readonly bodies = new Map<string, Body>()
  identities: readonly Identity[] = []
  quota: Quota | undefined
  list: ConversationList | undefined
  /** Loaded for the completion of addresses. */
  contacts: Promise<readonly Contact[]> | undefined
  status: Status = 'connecting'
  /** The last refusal that no caller waits for. */
  problem: Error | undefined
  /** Counts updates from the server: data outside the store is requested again when it grows. */
  pushes = 0
  /** Counts changes; a new number means that something is different. */
  version = 0
  readonly #own = new OwnObjects()
  readonly #listeners = new Set<() => void>()
  #state = ''
  /** Changes of the person's own that the server has not answered yet. */
  #pending = 0
  /** Whether the list may differ from the server's although no state of the server is new. */
  #isListInDoubt = false
  #wanted = false
  #syncing: Promise<void> | undefined

  constructor(client: JmapClient, owner?: string) {
    this.client = client
    this.owner = owner
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
    await this.#openAccount()
    const takeQuota = (quota: Quota | undefined) => {
      this.quota = quota
      this.changed()
    }
    quotaOf(this.client).then(takeQuota, () => undefined)
  }

  /** The mailboxes of another person that this login sees. */
  async openShared(): Promise<void> {
    const [mailboxes, email] = await this.client.call(['Mailbox/get', { ids: null }], ['Email/get', { ids: [] }])
    this.#setMailboxes(mailboxes?.list ?? [])
    this.#state = email?.state ?? ''
    this.changed()
  }

  async #openAccount(): Promise<void> {
    const [mailboxes, identities, email, labels, snoozes] = await this.client.call(
      ['Mailbox/get', { ids: null }],
      ['Identity/get', { ids: null }],
      ['Email/get', { ids: [] }],
      ...OWN_TYPES,
    )
    this.#setMailboxes(mailboxes?.list ?? [])
    this.#own.set(labels, snoozes)
    this.identities = identities?.list ?? []
    this.#state = email?.state ?? ''
    this.changed()
  }

  /** In order of name. */
  get labels(): readonly Label[] {
    return this.#own.labels
  }

  /** By thread. */
  get snoozes(): ReadonlyMap<string, Snooze> {
    return this.#own.snoozes
  }

  setLabels(list: readonly Label[]): void {
    this.#own.setLabels(list)
    this.changed()
  }

  #setMailboxes(list: readonly Mailbox[]): void {
    this.mailboxes.clear()
    for (const mailbox of list) this.mailboxes.set(mailbox.id, mailbox)
  }

  /** Starts from a snapshot; the server's state is taken as soon as it answers. */
  restore({ session, mailboxes, identities, labels = [], emails, threads, bodies }: Snapshot): void {
    if (session) this.client.resume(session)
    this.#setMailboxes(mailboxes)
    this.identities = identities
    this.#own.setLabels(labels)
    for (const email of emails) this.emails.set(email.id, email)
    for (const [id, ids] of threads) this.threads.set(id, ids)
    for (const [id, body] of bodies) this.bodies.set(id, body)
    this.#isListInDoubt = true
    this.status = 'offline'
    this.changed()
  }

  /** Whether the mailbox of the list allows something, such as `maySetSeen`. */
  may(right: string): boolean {
    const mailbox = this.list?.key.kind === 'mailbox' ? this.mailboxes.get(this.list.key.id) : undefined
    return mailbox?.myRights[right] !== false
  }

  withRole(role: string): Mailbox | undefined {
    return [...this.mailboxes.values()].find((mailbox) => mailbox.role === role)
  }

  /** Opens a list; the rows of the last one are forgotten. */
  show(key: ListKey): ConversationList {
    const filter =
      key.kind === 'mailbox' ? { inMailbox: key.id } : filterOf(key.query, [...this.mailboxes.values()], this.labels)
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
      if (!list.isLoaded && this.status === 'offline') list.fill(threadsIn(list.key, this.emails.values()))
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
        ...BODY_ARGUMENTS,
      },
    ])
    const emails = (got?.list ?? []) as Json[]
    const bodies = await decodedBodies(this.client, emails)
    for (const [index, { id }] of emails.entries()) this.bodies.set(id, bodies[index] as Body)
    this.changed()
  }

  /**
   * Changes emails here at once and on the server after. Throws a `Failure` when the server refuses; everything is as
   * before then. `other`: what changes them on the server in place of an `Email/set`.
   */
  async update(
    patches: ReadonlyMap<string, Json>,
    gone: ReadonlySet<string> = new Set(),
    other: OtherUpdate = { calls: [['Email/set', { update: Object.fromEntries(patches) }]], snoozes: new Map() },
  ): Promise<readonly Json[]> {
    const before = new Map<string, Email>()
    for (const [id, patch] of patches) {
      const email = this.emails.get(id)
      if (!email) continue
      before.set(id, email)
      this.emails.set(id, patched(email, patch))
    }
    const snoozesBefore = new Map([...other.snoozes.keys()].map((id) => [id, this.snoozes.get(id)]))
    this.#own.setSnoozes(other.snoozes)
    if (gone.size > 0) this.list?.remove(gone)
    if (gone.size > 0 || other.snoozes.size > 0) this.#isListInDoubt = true
    this.changed()
    return this.act(async () => {
      try {
        const answers = await this.client.call(...other.calls)
        for (const set of answers) throwRefusal(set)
        return answers
      } catch (cause) {
        for (const [id, email] of before) this.emails.set(id, email)
        this.#own.setSnoozes(snoozesBefore)
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
    const looked: readonly Call[] = [['Mailbox/get', { ids: null }], ...OWN_TYPES]
    const [mailboxes, labels, snoozes, changes] = await this.client
      .call(...looked, ['Email/changes', { sinceState: this.#state, maxChanges: 500 }])
      .catch(async (cause: unknown) => {
        if (!(cause instanceof Failure) || cause.type !== 'cannotCalculateChanges') throw cause
        return [...(await this.client.call(...looked)), undefined]
      })
    if (this.#pending > 0) return
    this.#setMailboxes(mailboxes?.list ?? [])
    this.#own.set(labels, snoozes)
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
