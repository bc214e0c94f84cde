/**
 * A contact as the form has it, read from a card (RFC 9553) and written to one.
 *
 * Invariant: properties of a card that the form does not know stay as they are.
 */

import type { Json } from './client.ts'
import type { Address } from './objects.ts'
import { uuid } from './uuid.ts'

const DIRECTORY_BOOK = 'directory'

export interface Contact {
  /** Absent for a new one. */
  readonly id?: string
  readonly uid: string
  readonly isGroup: boolean
  readonly name: string
  readonly organization: string
  readonly emails: readonly string[]
  readonly phones: readonly string[]
  readonly note: string
  /** Uids of a group's contacts. */
  readonly members: readonly string[]
  /** The card that it was read from. */
  readonly card?: Json
  /** Whether it is an account of this server. */
  readonly isOfServer: boolean
}

const valuesOf = (map: unknown): Json[] => Object.values((map ?? {}) as Record<string, Json>)

function nameOfCard({ name, organizations, emails }: Json): string {
  const parts = ((name?.components ?? []) as Json[])
    .filter(({ kind }) => kind !== 'separator')
    .map(({ value }) => String(value))
  return String(
    name?.full ?? (parts.join(' ') || valuesOf(organizations)[0]?.name || valuesOf(emails)[0]?.address || ''),
  )
}

export const contactOf = (card: Json): Contact => ({
  id: card.id,
  card,
  uid: card.uid,
  isGroup: card.kind === 'group',
  name: nameOfCard(card),
  organization: String(valuesOf(card.organizations)[0]?.name ?? ''),
  emails: valuesOf(card.emails).map(({ address }) => String(address)),
  phones: valuesOf(card.phones).map(({ number }) => String(number)),
  note: valuesOf(card.notes)
    .map(({ note }) => String(note))
    .join('\n'),
  members: Object.keys(card.members ?? {}),
  isOfServer: card.addressBookIds?.[DIRECTORY_BOOK] === true,
})

const numbered = (letter: string, values: readonly Json[]): Json | undefined =>
  values.length === 0 ? undefined : Object.fromEntries(values.map((value, index) => [`${letter}${index + 1}`, value]))

/** The properties of a card that the form knows; those without a value are undefined. */
export function cardOf({ isGroup, name, organization, emails, phones, note, members }: Contact): Json {
  return {
    kind: isGroup ? 'group' : 'individual',
    name: { full: name },
    organizations: numbered('o', organization === '' ? [] : [{ name: organization }]),
    emails: numbered(
      'e',
      emails.map((address) => ({ address })),
    ),
    phones: numbered(
      'p',
      phones.map((number) => ({ number })),
    ),
    notes: numbered('n', note === '' ? [] : [{ note }]),
    members: isGroup && members.length > 0 ? Object.fromEntries(members.map((uid) => [uid, true])) : undefined,
  }
}

export const emptyContact = (isGroup: boolean): Contact => ({
  ...{ uid: `urn:uuid:${uuid()}`, isGroup, name: '', organization: '', note: '', isOfServer: false },
  ...{ emails: [], phones: [], members: [] },
})

const holds = (text: string, wanted: string) => text.toLowerCase().includes(wanted)

export function contactsWith(all: readonly Contact[], text: string): readonly Contact[] {
  const wanted = text.trim().toLowerCase()
  if (wanted === '') return all
  return all.filter(({ name, organization, emails, phones }) =>
    [name, organization, ...emails, ...phones].some((one) => holds(one, wanted)),
  )
}

/** The addresses of a contact, or of a group's contacts, each once. */
export function addressesOf(contact: Contact, all: readonly Contact[]): Address[] {
  if (!contact.isGroup) return contact.emails.slice(0, 1).map((email) => ({ name: contact.name || null, email }))
  const found = contact.members.flatMap((uid) => all.filter((one) => one.uid === uid && !one.isGroup))
  const addresses = found.flatMap((one) => addressesOf(one, all))
  return [...new Map(addresses.map((one) => [one.email.toLowerCase(), one])).values()]
}
