/**
 * Persons and groups of a personal address book as vCards (RFC 6350).
 */
import { first, type NotesDocument } from '../archive/model.ts'
import { type AddressBook, mailboxOf, parseName } from '../names.ts'
import { escaped, folded } from './calendar.ts'

export const MAX_MEMBERS = 10_000

export const isContact = (document: NotesDocument) => /^(?:person|group|contact)$/i.test(contactForm(document))
export const isContactGroup = (document: NotesDocument) => /^group$/i.test(contactForm(document))
const contactForm = (document: NotesDocument) => first(document, 'Form') || first(document, 'Type')

export const PHONES = [
  ['OfficePhoneNumber', 'work,voice'],
  ['PhoneNumber', 'home,voice'],
  ['CellPhoneNumber', 'cell'],
  ['OfficeFAXPhoneNumber', 'work,fax'],
] as const

export async function contactOf(
  document: NotesDocument,
  { book, domain }: { readonly book: AddressBook; readonly domain: string },
): Promise<string> {
  const isGroup = isContactGroup(document)
  const text = (item: string) => first(document, item)
  const full = isGroup ? text('ListName') : parseName(text('FullName')).common
  const names = [text('LastName'), text('FirstName'), text('MiddleInitial'), text('Title'), text('Suffix')]
  const property = (name: string, value: string) => (value === '' ? [] : [`${name}:${escaped(value)}`])
  const address = (kind: string, items: readonly string[]) => {
    const parts = items.map(text)
    return parts.every((part) => part === '') ? [] : [`ADR;TYPE=${kind}:;;${parts.map(escaped).join(';')}`]
  }
  const mail = text('InternetAddress') || text('MailAddress') || text('MailDomain')
  const mailbox =
    isGroup || mail === ''
      ? undefined
      : await mailboxOf(text('InternetAddress') || text('MailAddress') || text('FullName'), book, domain)
  const lines = [
    'BEGIN:VCARD',
    'VERSION:4.0',
    `UID:urn:notes:${document.unid}`,
    `KIND:${isGroup ? 'group' : 'individual'}`,
    `FN:${escaped(full || names.slice(0, 2).reverse().join(' ').trim() || document.unid)}`,
    ...(isGroup || names.every((part) => part === '') ? [] : [`N:${names.map(escaped).join(';')}`]),
    ...(mailbox ? [`EMAIL:${escaped(mailbox.address)}`] : []),
    ...PHONES.flatMap(([item, kind]) => (text(item) === '' ? [] : [`TEL;TYPE="${kind}":${escaped(text(item))}`])),
    ...property('ORG', text('CompanyName')),
    ...property('TITLE', text('JobTitle')),
    ...address('work', ['OfficeStreetAddress', 'OfficeCity', 'OfficeState', 'OfficeZIP', 'OfficeCountry']),
    ...address('home', ['StreetAddress', 'City', 'State', 'Zip', 'Country']),
    ...property('URL', text('WebSite')),
    ...property('NOTE', text('Comment') || text('ListDescription')),
    ...(isGroup ? await membersOf(document, book, domain) : []),
    'END:VCARD',
  ]
  return lines.map(folded).join('')
}

async function membersOf(document: NotesDocument, book: AddressBook, domain: string): Promise<string[]> {
  const found: string[] = []
  for (const name of document.texts('Members').slice(0, MAX_MEMBERS)) {
    const mailbox = await mailboxOf(name, book, domain)
    if (mailbox) found.push(`MEMBER:mailto:${mailbox.address.replace(/[\r\n]/g, '')}`)
  }
  return found
}
