/**
 * Mailboxes of other people that this login sees (RFC 9670), and who sees one of its own.
 */
import { type Json, throwRefusal } from './client.ts'
import { MailStore } from './mail-store.ts'

/** The stores of other accounts, in order of their owners; known ones stay as they are. */
export async function openShared(own: MailStore, known: readonly MailStore[]): Promise<readonly MailStore[]> {
  const { accounts } = await own.client.open()
  const stores = Object.entries(accounts)
    .filter(([, { isPersonal }]) => !isPersonal)
    .map(
      ([id, { name }]) =>
        known.find(({ client }) => client.account === id) ?? new MailStore(own.client.forAccount(id), name),
    )
  await Promise.all(stores.map((store) => store.openShared()))
  return stores.sort((a, b) => (a.owner ?? '').localeCompare(b.owner ?? ''))
}

export const LEVELS = ['read', 'write', 'all'] as const
/** Rights in words: read; also add, remove and mark; also sub-mailboxes, renaming and sharing. */
export type Level = (typeof LEVELS)[number]

const READ = ['mayReadItems', 'maySetSeen']
const WRITE = [...READ, 'maySetKeywords', 'mayAddItems', 'mayRemoveItems']
const ALL = [...WRITE, 'mayCreateChild', 'mayRename', 'mayDelete', 'maySubmit', 'mayShare']
const RIGHTS: Readonly<Record<Level, readonly string[]>> = { read: READ, write: WRITE, all: ALL }

const levelOf = (rights: Readonly<Record<string, boolean>>): Level =>
  ALL.every((right) => rights[right]) ? 'all' : WRITE.every((right) => rights[right]) ? 'write' : 'read'

export interface Person {
  readonly id: string
  readonly name: string
  readonly email: string | null
}

export interface Share extends Person {
  readonly level: Level
}

async function people(store: MailStore, ids: readonly string[]): Promise<Person[]> {
  if (ids.length === 0) return []
  const [got] = await store.client.call(['Principal/get', { ids, properties: ['id', 'name', 'email'] }])
  return (got?.list ?? []) as Person[]
}

/** The people who share one of the account's own mailboxes, by name. Throws a `Failure`. */
export async function sharesOf(store: MailStore, mailboxId: string): Promise<Share[]> {
  const [got] = await store.client.call(['Mailbox/get', { ids: [mailboxId], properties: ['shareWith'] }])
  const shareWith = (got?.list[0]?.shareWith ?? {}) as Record<string, Record<string, boolean>>
  const found = await people(store, Object.keys(shareWith))
  return found
    .map((person) => ({ ...person, level: levelOf(shareWith[person.id] ?? {}) }))
    .sort((a, b) => a.name.localeCompare(b.name))
}

/** People and groups of this server by a part of their name or address, without oneself. */
export async function findPeople(store: MailStore, text: string): Promise<Person[]> {
  const [query] = await store.client.call(['Principal/query', { filter: { text }, limit: 8 }])
  const ids = ((query?.ids ?? []) as string[]).filter((id) => id !== store.client.account)
  return people(store, ids.slice(0, 7))
}

/** Null ends the sharing. Throws a `Failure`. */
export async function share(
  store: MailStore,
  mailboxId: string,
  { id, level }: { readonly id: string; readonly level: Level | null },
): Promise<void> {
  const rights: Json | null =
    level === null ? null : Object.fromEntries(ALL.map((right) => [right, RIGHTS[level].includes(right)]))
  const [set] = await store.client.call(['Mailbox/set', { update: { [mailboxId]: { [`shareWith/${id}`]: rights } } }])
  throwRefusal(set)
}
