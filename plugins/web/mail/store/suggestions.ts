/**
 * Suggestions while an address is typed: contacts and groups whose name begins so, then addresses of the mail
 * that was loaded, the most frequent first.
 */
import { suggestions } from './compose.ts'
import { addressesOf, type Contact, contactsWith } from './contact.ts'
import type { MailStore } from './mail-store.ts'
import { type Address, nameOf } from './objects.ts'

export interface Suggestion {
  readonly label: string
  /** The address, or of how many a group consists. */
  readonly end: string
  readonly addresses: readonly Address[]
}

const MAX_CONTACTS = 4
const MAX_SUGGESTIONS = 7

const ofAddress = (address: Address): Suggestion => ({
  label: nameOf(address),
  end: address.name ? address.email : '',
  addresses: [address],
})

export function suggested(
  { store, contacts }: { readonly store: MailStore; readonly contacts: readonly Contact[] },
  text: string,
): Suggestion[] {
  if (text.trim() === '') return []
  const wanted = text.trim().toLowerCase()
  const known = contactsWith(contacts, text)
    .map((contact): Suggestion => {
      const addresses = addressesOf(contact, contacts)
      const end = contact.isGroup ? addresses.map(nameOf).join(', ') : (addresses[0]?.email ?? '')
      return { label: contact.name, end, addresses }
    })
    .filter(({ addresses }) => addresses.length > 0)
    .sort((a, b) => startsWith(b, wanted) - startsWith(a, wanted))
    .slice(0, MAX_CONTACTS)
  const found = new Map<string, Suggestion>()
  for (const one of [...known, ...suggestions(store, text).map(ofAddress)]) {
    const key = one.addresses.map(({ email }) => email.toLowerCase()).join(' ')
    if (!found.has(key)) found.set(key, one)
  }
  return [...found.values()].slice(0, MAX_SUGGESTIONS)
}

const startsWith = ({ label, end }: Suggestion, wanted: string): number =>
  [label, end].some((one) => one.toLowerCase().startsWith(wanted)) ? 1 : 0
