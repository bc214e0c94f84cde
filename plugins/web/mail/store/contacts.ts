/**
 * The account's contacts (RFC 9610) on the server: its own, and the accounts of this server to read.
 */
import { type Json, throwRefusal } from './client.ts'
import { type Contact, cardOf, contactOf } from './contact.ts'
import type { MailStore } from './mail-store.ts'

const PAGE = 500
const MAX_CONTACTS = 20_000

/** All contacts by name. Throws a `Failure`. */
export async function loadContacts(store: MailStore): Promise<readonly Contact[]> {
  const all: Contact[] = []
  while (all.length < MAX_CONTACTS) {
    const [query, got] = await store.client.call(
      ['ContactCard/query', { sort: [{ property: 'name/full' }], position: all.length, limit: PAGE }],
      ['ContactCard/get', { '#ids': { resultOf: 'c0', name: 'ContactCard/query', path: '/ids' } }],
    )
    all.push(...((got?.list ?? []) as Json[]).map(contactOf))
    if ((query?.ids.length ?? 0) < PAGE) break
  }
  return all.sort((a, b) => a.name.localeCompare(b.name))
}

/** The account's own default book. */
async function bookOf(store: MailStore): Promise<string> {
  const [books] = await store.client.call(['AddressBook/get', { ids: null }])
  const list = (books?.list ?? []) as Json[]
  return String((list.find(({ isDefault }) => isDefault) ?? list[0])?.id)
}

/** One that was removed comes back whole. */
function newCard(contact: Contact): Json {
  if (!contact.card) return { '@type': 'Card', version: '1.0', ...cardOf(contact) }
  const { id: _, created: __, updated: ___, ...card } = contact.card
  return card
}

/** Creates contacts. Throws a `Failure` for the first that is refused. */
export async function createContacts(store: MailStore, contacts: readonly Contact[]): Promise<void> {
  const addressBookIds = { [await bookOf(store)]: true }
  for (let at = 0; at < contacts.length; at += PAGE) {
    const create = contacts
      .slice(at, at + PAGE)
      .map((one, index) => [`c${index}`, { ...newCard(one), uid: one.uid, addressBookIds }])
    const [set] = await store.client.call(['ContactCard/set', { create: Object.fromEntries(create) }])
    throwRefusal(set)
  }
  store.contacts = undefined
}

/** Changes the fields that differ; properties of the card that the form does not show stay. */
export async function changeContact(store: MailStore, before: Contact, after: Contact): Promise<void> {
  const [old, now] = [cardOf(before), cardOf(after)]
  const patch: Json = {}
  for (const key of Object.keys(now))
    if (JSON.stringify(now[key]) !== JSON.stringify(old[key])) patch[key] = now[key] ?? null
  if (Object.keys(patch).length === 0) return
  const [set] = await store.client.call(['ContactCard/set', { update: { [before.id ?? '']: patch } }])
  store.contacts = undefined
  throwRefusal(set)
}

export async function removeContacts(store: MailStore, ids: readonly string[]): Promise<void> {
  const [set] = await store.client.call(['ContactCard/set', { destroy: ids }])
  store.contacts = undefined
  throwRefusal(set)
}

/** The contacts, loaded once for the completion of addresses. */
export function knownContacts(store: MailStore): Promise<readonly Contact[]> {
  store.contacts ??= loadContacts(store)
  return store.contacts
}
