/**
 * Header fields of a new email, given in the forms of RFC 8621 section 4.1.2: `header:List-Post:asURLs`.
 *
 * Invariants: no value of a client breaks out of its field; a field has one property, whatever form it is given in.
 */
import { dateText, encodeWords, phrase } from 'iems/mime'
import * as z from 'zod'
import { invalidProperties } from '../errors.ts'
import { type Form, type HeaderProperty, readHeaderProperty } from './header-forms.ts'

/** A field with its value as it is written; long values are folded later. */
export interface NewField {
  readonly name: string
  readonly value: string
}

/** The fields that properties of an email stand for. */
const CONVENIENT: Readonly<Record<string, string>> = {
  messageId: 'message-id',
  inReplyTo: 'in-reply-to',
  references: 'references',
  sender: 'sender',
  from: 'from',
  to: 'to',
  cc: 'cc',
  bcc: 'bcc',
  replyTo: 'reply-to',
  subject: 'subject',
  sentAt: 'date',
}

/** Properties of a part that are written as its Content- fields. */
const OF_PARTS: Readonly<Record<string, string>> = {
  type: 'content-type',
  charset: 'content-type',
  name: 'content-disposition',
  disposition: 'content-disposition',
  cid: 'content-id',
  language: 'content-language',
  location: 'content-location',
}

const text = z.string().max(100_000)
const address = z.strictObject({ name: z.string().max(1000).nullish(), email: z.string().max(1000) })
export const addressList = z.array(address).max(5000)
const group = z.strictObject({ name: z.string().max(1000).nullish(), addresses: addressList })
const texts = z.array(z.string().max(2000)).max(1000)

const plain = (given: string) => given.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim()
const bracketed = (given: string) => `<${plain(given).replace(/[<>\s]/g, '')}>`

function written({ name, email }: z.output<typeof address>): string {
  const mailbox = plain(email)
  return name ? `${phrase(name)} <${mailbox}>` : mailbox
}
const list = (given: z.output<typeof addressList>) => given.map(written).join(', ')

/** The value in each form. Throws `ZodError`; a date that cannot be read is undefined. */
const WRITERS: Readonly<Record<Form, (given: unknown) => string | undefined>> = {
  Raw: (given) => encodeWords(plain(text.parse(given))),
  Text: (given) => encodeWords(plain(text.parse(given))),
  Addresses: (given) => list(addressList.parse(given)),
  GroupedAddresses: (given) =>
    z
      .array(group)
      .max(1000)
      .parse(given)
      .map(({ name, addresses: members }) => (name ? `${phrase(name)}: ${list(members)};` : list(members)))
      .join(', '),
  MessageIds: (given) => texts.parse(given).map(bracketed).join(' '),
  Date(given) {
    const at = Date.parse(z.iso.datetime({ offset: true }).parse(given))
    return Number.isNaN(at) ? undefined : dateText({ at })
  },
  URLs: (given) => texts.parse(given).map(bracketed).join(', '),
}

function writtenAs(property: string, form: Form, given: unknown): string {
  try {
    const value = WRITERS[form](given)
    if (value !== undefined) return value
  } catch (cause) {
    if (!(cause instanceof z.ZodError)) throw cause
  }
  throw invalidProperties([property], `The value does not have the form ${form}`)
}

function readProperty(property: string): HeaderProperty {
  try {
    return readHeaderProperty(property)
  } catch {
    throw invalidProperties([property], 'The field cannot be given in this form')
  }
}

type Properties = Readonly<Record<string, unknown>>

/** The fields that properties other than `header:` ones give, in lower case. */
const fieldsBy = (given: Properties, fields: Readonly<Record<string, string>>): string[] =>
  Object.entries(fields).flatMap(([property, field]) => (given[property] == null ? [] : [field]))

/**
 * The fields of an email, or (with `isPart`) of one of its parts, from its `header:` properties. `taken`: fields that
 * the email has already, in lower case. Throws `invalidProperties` for a field that two properties name, and for those
 * that the server writes.
 */
export function fieldsOf(
  given: Properties,
  {
    isPart = false,
    taken = new Set<string>(),
  }: { readonly isPart?: boolean; readonly taken?: ReadonlySet<string> } = {},
): readonly NewField[] {
  const named = new Set([...taken, ...fieldsBy(given, isPart ? OF_PARTS : CONVENIENT)])
  const fields: NewField[] = []
  for (const [property, value] of Object.entries(given)) {
    if (!property.startsWith('header:') || value === null || value === undefined) continue
    const { field, form, all } = readProperty(property)
    const isServers = field === 'mime-version' || field === 'content-transfer-encoding'
    if (isServers || (field.startsWith('content-') && !isPart))
      throw invalidProperties([property], 'The server writes this field')
    if (named.has(field)) throw invalidProperties([property], 'Another property gives this field')
    named.add(field)
    const [, name = ''] = property.split(':')
    if (all && !Array.isArray(value)) throw invalidProperties([property], 'With :all the value is an array')
    for (const one of all ? (value as readonly unknown[]).slice(0, 1000) : [value])
      fields.push({ name, value: writtenAs(property, form, one) })
  }
  return fields
}

/** The fields that an email's own properties give, in lower case. */
export const fieldsGiven = (email: Properties): ReadonlySet<string> =>
  new Set([
    ...fieldsBy(email, CONVENIENT),
    ...Object.keys(email)
      .filter((property) => property.startsWith('header:'))
      .map((property) => (property.split(':')[1] ?? '').toLowerCase()),
  ])
