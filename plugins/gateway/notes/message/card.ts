/**
 * Persons and groups of a personal address book as JSContact cards (RFC 9553), for the address book of web mail.
 */
import type { ContactCard } from '../../../web/jmap/api.ts'
import { first, type NotesDocument } from '../archive/model.ts'
import { type AddressBook, mailboxOf, parseName } from '../names.ts'
import { isContactGroup, MAX_MEMBERS, PHONES } from './contact.ts'

/** The id of a document's card, the same in each run. */
export const cardId = (document: Pick<NotesDocument, 'unid'>) => `N${document.unid}`

export async function cardOf(
  document: NotesDocument,
  { book, domain }: { readonly book: AddressBook; readonly domain: string },
): Promise<ContactCard> {
  const text = (item: string) => first(document, item)
  const isGroup = isContactGroup(document)
  const parts = NAME_PARTS.flatMap(([kind, item]) => (text(item) === '' ? [] : [{ kind, value: text(item) }]))
  const full = isGroup ? text('ListName') : parseName(text('FullName')).common
  const named = full || parts.map(({ value }) => value).join(' ') || document.unid
  const address = text('InternetAddress') || text('MailAddress') || (text('MailDomain') === '' ? '' : text('FullName'))
  const mailbox = isGroup || address === '' ? undefined : await mailboxOf(address, book, domain)
  const phones = PHONES.flatMap(([item, kinds]) => (text(item) === '' ? [] : [phoneOf(text(item), kinds)]))
  const addresses = ADDRESSES.flatMap(([context, items]) => addressOf(context, items, text))
  return {
    '@type': 'Card',
    version: '1.0',
    uid: `urn:notes:${document.unid}`,
    kind: isGroup ? 'group' : 'individual',
    name: { '@type': 'Name', full: named, ...(isGroup || parts.length === 0 ? {} : { components: parts }) },
    ...(mailbox ? { emails: { e1: { '@type': 'EmailAddress', address: mailbox.address } } } : {}),
    ...numbered('phones', 'p', phones),
    ...numbered('addresses', 'a', addresses),
    ...(text('CompanyName') === ''
      ? {}
      : { organizations: { o1: { '@type': 'Organization', name: text('CompanyName') } } }),
    ...(text('JobTitle') === '' ? {} : { titles: { t1: { '@type': 'Title', name: text('JobTitle') } } }),
    ...(text('WebSite') === '' ? {} : { links: { l1: { '@type': 'Link', uri: text('WebSite') } } }),
    ...noteOf(text('Comment') || text('ListDescription')),
    ...(isGroup ? { members: await membersOf(document, book, domain) } : {}),
  }
}

const NAME_PARTS = [
  ['given', 'FirstName'],
  ['given2', 'MiddleInitial'],
  ['surname', 'LastName'],
  ['title', 'Title'],
  ['generation', 'Suffix'],
] as const

const ADDRESSES = [
  ['work', ['OfficeStreetAddress', 'OfficeCity', 'OfficeState', 'OfficeZIP', 'OfficeCountry']],
  ['private', ['StreetAddress', 'City', 'State', 'Zip', 'Country']],
] as const
const ADDRESS_PARTS = ['name', 'locality', 'region', 'postcode', 'country']

const numbered = (name: string, letter: string, values: readonly object[]) =>
  values.length === 0 ? {} : { [name]: Object.fromEntries(values.map((value, n) => [`${letter}${n + 1}`, value])) }

const noteOf = (note: string) => (note === '' ? {} : { notes: { n1: { '@type': 'Note', note } } })

function phoneOf(number: string, kinds: string): object {
  const words = kinds.split(',')
  const features = words.flatMap((word) => ({ voice: 'voice', cell: 'mobile', fax: 'fax' })[word] ?? [])
  const contexts = words.flatMap((word) => ({ work: 'work', home: 'private' })[word] ?? [])
  const set = (keys: readonly string[]) => Object.fromEntries(keys.map((key) => [key, true]))
  return {
    '@type': 'Phone',
    number,
    features: set(features),
    ...(contexts.length > 0 ? { contexts: set(contexts) } : {}),
  }
}

function addressOf(context: string, items: readonly string[], text: (item: string) => string): object[] {
  const components = items.flatMap((item, n) =>
    text(item) === '' ? [] : [{ kind: ADDRESS_PARTS[n] ?? 'name', value: text(item) }],
  )
  return components.length === 0 ? [] : [{ '@type': 'Address', components, contexts: { [context]: true } }]
}

async function membersOf(document: NotesDocument, book: AddressBook, domain: string): Promise<Record<string, true>> {
  const found: Record<string, true> = {}
  for (const name of document.texts('Members').slice(0, MAX_MEMBERS)) {
    const mailbox = await mailboxOf(name, book, domain)
    if (mailbox) found[`mailto:${mailbox.address}`] = true
  }
  return found
}
