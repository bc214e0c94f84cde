/**
 * Mailboxes: made, found, renamed, shared, removed.
 *
 * What must stay true: an id and a UIDVALIDITY are given once; the record of a name and the mailbox of that name change
 * in one commit; INBOX is always there.
 */
import { randomBytes } from 'node:crypto'
import { type Clock, type Key, type Store, unkey } from 'iems'
import { type Change, type ChangeAccount, isRefused } from './account-transactions.ts'
import type { Mailbox, MailboxRef, Or, SpecialUse } from './api.ts'
import { GONE, mailboxOf, readMailbox, refused } from './mailbox.ts'
import { FIRST_MAILBOXES, isNewName, levelsAbove, readName } from './names.ts'
import {
  decode,
  type MailboxRecord,
  mailboxesOf,
  mailboxKey,
  metadataOf,
  nameKey,
  namesOf,
  removedKey,
  sharedKey,
  sharedWith,
  subscribedKey,
  subscribedOf,
} from './records.ts'

const BAD_NAME = refused('CANNOT', 'This cannot be the name of a mailbox')

const TOO_MANY = refused('LIMIT', 'There are too many mailboxes')

/** Names that stay subscribed after their mailbox. */
const MAX_LOST = 1000

interface NewMailbox {
  readonly name: string
  readonly specialUse?: SpecialUse | undefined
  readonly noSelect?: boolean
  readonly subscribed?: boolean
}

/** Writes a mailbox that is not there. */
export async function addMailbox(
  change: Change,
  { account, now }: { readonly account: string; readonly now: number },
  { name, specialUse, noSelect, subscribed = !noSelect }: NewMailbox,
): Promise<Mailbox> {
  const id = `M${randomBytes(12).toString('base64url')}`
  const kept = await change.account()
  // RFC 9051 section 2.3.1.1: greater than any before, also when the clock was set back.
  const validity = Math.max(kept.validity + 1, Math.floor(now / 1000))
  change.setAccount({ ...kept, validity })
  const record: MailboxRecord = {
    v: 1,
    name,
    ...(noSelect ? { noSelect } : {}),
    ...(specialUse ? { specialUse } : {}),
    subscribed,
    acl: {},
    keywords: 0,
    uidValidity: validity,
    uidNext: 1,
    modseq: await change.modseq(),
    forgotten: 0,
    messages: 0,
    unseen: 0,
    deleted: 0,
    size: 0,
  }
  change.put(mailboxKey(account, id), record)
  change.put(nameKey(account, name), id)
  change.del(subscribedKey(account, name))
  change.tell(id)
  return mailboxOf({ account, id }, record)
}

/** The mailboxes every account has, made by the first who asks. */
export async function ensureFirst(change: Change, account: string, now: number): Promise<void> {
  if (await change.get(nameKey(account, 'INBOX'))) return
  for (const first of FIRST_MAILBOXES) await addMailbox(change, { account, now }, first)
}

/** The mailbox of a name, made with the levels above it if need be. */
export async function ensureMailbox(
  change: Change,
  { account, now }: { readonly account: string; readonly now: number },
  wanted: NewMailbox,
): Promise<Mailbox> {
  await ensureFirst(change, account, now)
  const id = await change.get<string>(nameKey(account, wanted.name))
  const record = id === undefined ? undefined : await change.get<MailboxRecord>(mailboxKey(account, id))
  if (id !== undefined && record && !record.noSelect) return mailboxOf({ account, id }, record)
  for (const above of levelsAbove(wanted.name)) {
    if ((await change.get(nameKey(account, above))) === undefined)
      await addMailbox(change, { account, now }, { name: above })
  }
  if (id === undefined || !record) return addMailbox(change, { account, now }, wanted)
  const { noSelect: _, ...rest } = record
  const opened = { ...rest, subscribed: true }
  change.put(mailboxKey(account, id), opened)
  change.tell(id)
  return mailboxOf({ account, id }, opened)
}

export interface MailboxesDeps {
  readonly store: Store
  readonly clock: Clock
  readonly changeAccount: ChangeAccount
  /** Moves all that one mailbox holds at this moment to another. */
  moveAll(from: MailboxRef, to: MailboxRef): Or<null>
  /** Told of a mailbox whose messages are to go. */
  removed(ref: MailboxRef): void
  groupsOf(account: string): Promise<readonly string[]>
  /** Mailboxes of one account. */
  readonly maxMailboxes: number
}

export type Mailboxes = ReturnType<typeof createMailboxes>

export function createMailboxes(parts: MailboxesDeps) {
  const { store, clock, changeAccount, moveAll, removed, groupsOf, maxMailboxes } = parts

  async function read(ref: MailboxRef): Promise<Mailbox | undefined> {
    const value = await store.get(mailboxKey(ref.account, ref.id))
    return value && mailboxOf(ref, decode<MailboxRecord>(value))
  }

  async function ensure(account: string): Promise<void> {
    if (await store.get(nameKey(account, 'INBOX'))) return
    await changeAccount(account, async (change) => {
      await ensureFirst(change, account, clock.now())
      return null
    })
  }

  async function all(account: string): Promise<readonly Mailbox[]> {
    await ensure(account)
    const mailboxes: Mailbox[] = []
    for await (const [at, value] of store.scan(mailboxesOf(account))) {
      const [, , id] = unkey(at) as [string, string, string]
      mailboxes.push(mailboxOf({ account, id }, decode<MailboxRecord>(value)))
    }
    return mailboxes.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async function find(account: string, name: string): Promise<Mailbox | undefined> {
    const wanted = readName(name)
    if (wanted === undefined) return undefined
    await ensure(account)
    const id = await store.get(nameKey(account, wanted))
    return id && read({ account, id: decode<string>(id) })
  }

  function create(account: string, name: string, options: { readonly specialUse?: SpecialUse } = {}): Or<Mailbox> {
    const wanted = readName(name)
    if (wanted === undefined || !isNewName(wanted)) return Promise.resolve(BAD_NAME)
    return changeAccount(account, async (change) => {
      await ensureFirst(change, account, clock.now())
      const id = await change.get<string>(nameKey(account, wanted))
      const record = id === undefined ? undefined : await change.get<MailboxRecord>(mailboxKey(account, id))
      if (record && !record.noSelect) return refused('ALREADYEXISTS', 'There is a mailbox of that name')
      if (!record && !(await hasRoom(change, account, [...levelsAbove(wanted), wanted]))) return TOO_MANY
      return ensureMailbox(change, { account, now: clock.now() }, { name: wanted, specialUse: options.specialUse })
    })
  }

  /** Whether the account may have mailboxes of these names, as far as they are new. */
  async function hasRoom(change: Change, account: string, names: readonly string[]): Promise<boolean> {
    let count = 0
    for (const name of names) if ((await change.get(nameKey(account, name))) === undefined) count++
    if (count === 0) return true
    for await (const _ of store.scan({ ...namesOf(account), limit: maxMailboxes })) count++
    return count <= maxMailboxes
  }

  /** What is below a mailbox, by name. Read outside the change: whoever made one meanwhile has it under the old name. */
  async function namesBelow(account: string, name: string): Promise<readonly string[]> {
    const below: string[] = []
    for await (const [at] of store.scan(namesOf(account))) {
      const [, , other] = unkey(at) as [string, string, string]
      if (other.startsWith(`${name}/`)) below.push(other)
    }
    return below
  }

  /** Changes a mailbox's record. */
  function edit(ref: MailboxRef, change: (record: MailboxRecord) => MailboxRecord): Or<Mailbox> {
    return changeAccount(ref.account, async (changes) => {
      const record = await readMailbox(changes, ref)
      if (!record) return GONE
      const next = change(record)
      changes.put(mailboxKey(ref.account, ref.id), next)
      changes.tell(ref.id)
      return mailboxOf(ref, next)
    })
  }

  async function rename(ref: MailboxRef, name: string): Or<Mailbox> {
    const { account, id } = ref
    const wanted = readName(name)
    if (wanted === undefined || !isNewName(wanted)) return BAD_NAME
    const now = await read(ref)
    if (!now) return GONE
    if (now.name === 'INBOX') return renameInbox(ref, wanted)
    if (wanted === 'INBOX' || wanted.startsWith(`${now.name}/`))
      return refused('CANNOT', 'A mailbox cannot become INBOX or go below itself')
    const below = await namesBelow(account, now.name)
    return changeAccount(account, async (change) => {
      const record = await readMailbox(change, ref)
      if (record?.name !== now.name) return GONE
      if (await change.get(nameKey(account, wanted))) return refused('ALREADYEXISTS', 'There is a mailbox of that name')
      if (!(await hasRoom(change, account, levelsAbove(wanted)))) return TOO_MANY
      for (const above of levelsAbove(wanted))
        if (!(await change.get(nameKey(account, above))))
          await addMailbox(change, { account, now: clock.now() }, { name: above })
      for (const old of [now.name, ...below])
        await renameOne(change, { account, old, name: wanted + old.slice(now.name.length) })
      const renamed = await readMailbox(change, { account, id })
      return renamed ? mailboxOf(ref, renamed) : GONE
    })
  }

  async function renameOne(change: Change, { account, old, name }: { account: string; old: string; name: string }) {
    const id = await change.get<string>(nameKey(account, old))
    const record = id === undefined ? undefined : await readMailbox(change, { account, id })
    if (id === undefined || !record) return
    change.del(nameKey(account, old))
    change.put(nameKey(account, name), id)
    change.del(subscribedKey(account, name))
    if (record.subscribed) change.put(subscribedKey(account, old), 1)
    change.put(mailboxKey(account, id), { ...record, name })
    change.tell(id)
  }

  /** RFC 9051 section 6.3.6: INBOX stays and is empty, its messages are in the new one. */
  async function renameInbox(ref: MailboxRef, name: string): Or<Mailbox> {
    const made = await create(ref.account, name)
    if (isRefused(made)) return made
    const moved = await moveAll(ref, made)
    if (isRefused(moved)) return moved
    return (await read(made)) ?? GONE
  }

  async function remove(ref: MailboxRef): Or<null> {
    const { account, id } = ref
    const now = await read(ref)
    if (!now) return GONE
    if (now.name === 'INBOX') return refused('CANNOT', 'INBOX cannot be removed')
    const hasBelow = (await namesBelow(account, now.name)).length > 0
    if (hasBelow && now.noSelect) return refused('HASCHILDREN', 'There are mailboxes below it')
    const staysSubscribed = !hasBelow && now.subscribed && (await lostSubscriptions(account)).length < MAX_LOST
    const annotations: Key[] = []
    for await (const [at] of store.scan(metadataOf(account, id))) annotations.push(at)
    const done = await changeAccount(account, async (change) => {
      const record = await readMailbox(change, ref)
      if (record?.name !== now.name) return GONE
      const kept = await change.account()
      change.setAccount({ ...kept, octets: kept.octets - record.size })
      change.del(mailboxKey(account, id))
      change.put(removedKey(account, id), record)
      change.del(nameKey(account, record.name))
      for (const identifier of Object.keys(record.acl)) change.del(sharedKey(identifier, account, id))
      for (const at of annotations) change.del(at)
      const { name, subscribed } = record
      if (hasBelow) await addMailbox(change, { account, now: clock.now() }, { name, noSelect: true, subscribed })
      else if (staysSubscribed) change.put(subscribedKey(account, name), 1)
      change.tell(id)
      return null
    })
    if (!isRefused(done)) removed(ref)
    return done
  }

  async function lostSubscriptions(account: string): Promise<readonly string[]> {
    const names: string[] = []
    for await (const [at] of store.scan(subscribedOf(account))) names.push(unkey(at)[2] as string)
    return names
  }

  async function unsubscribeLost(account: string, name: string): Promise<void> {
    const kept = readName(name)
    if (kept === undefined || !(await store.get(subscribedKey(account, kept)))) return
    await changeAccount(account, async (change) => {
      change.del(subscribedKey(account, kept))
      return null
    })
  }

  function setAcl(ref: MailboxRef, acl: Readonly<Record<string, string>>): Or<Mailbox> {
    const { account, id } = ref
    return changeAccount(account, async (change) => {
      const record = await readMailbox(change, ref)
      if (!record) return GONE
      for (const identifier of Object.keys(record.acl)) change.del(sharedKey(identifier, account, id))
      for (const identifier of Object.keys(acl)) change.put(sharedKey(identifier, account, id), 1)
      const next = { ...record, acl }
      change.put(mailboxKey(account, id), next)
      change.tell(id)
      return mailboxOf(ref, next)
    })
  }

  /** Mailboxes of others in which an account has any right. */
  async function shared(account: string): Promise<readonly Mailbox[]> {
    const found = new Map<string, Mailbox>()
    for (const identifier of await identifiersOf(account)) {
      for await (const [at] of store.scan(sharedWith(identifier))) {
        const [, , owner, id] = unkey(at) as [string, string, string, string]
        if (owner === account || found.has(id)) continue
        const mailbox = await read({ account: owner, id })
        if (mailbox && (await rights(mailbox, account)) !== '') found.set(id, mailbox)
      }
    }
    return [...found.values()]
  }

  async function identifiersOf(account: string): Promise<readonly string[]> {
    return [account, ...(await groupsOf(account)).map((group) => `group:${group}`), 'anyone']
  }

  /** RFC 4314 section 2: what is given by any identifier, less what is taken by any. */
  async function rights({ account: owner, acl }: Mailbox, account: string): Promise<string> {
    if (owner === account) return ALL_RIGHTS
    const given = new Set<string>()
    const taken = new Set<string>()
    for (const identifier of await identifiersOf(account)) {
      for (const right of acl[identifier] ?? '') given.add(right)
      for (const right of acl[`-${identifier}`] ?? '') taken.add(right)
    }
    return Array.from(ALL_RIGHTS)
      .filter((right) => given.has(right) && !taken.has(right))
      .join('')
  }

  return {
    all,
    find,
    read,
    create,
    rename,
    remove,
    setAcl,
    shared,
    rights,
    lostSubscriptions,
    unsubscribeLost,
    subscribe: (ref: MailboxRef, subscribed: boolean) => edit(ref, (record) => ({ ...record, subscribed })),
  }
}

const ALL_RIGHTS = 'lrswipkxtea'
