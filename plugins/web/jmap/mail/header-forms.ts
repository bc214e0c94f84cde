/**
 * Header fields in the forms that clients ask for (RFC 8621 section 4.1.2): `header:List-Post:asURLs:all`.
 *
 * Invariant: linear in the field, whatever it holds.
 */
import { decodeWords, type EnvelopeAddress, readAddresses, readDate } from 'iems/mime'
import { MethodError } from '../errors.ts'

export type Form = 'Raw' | 'Text' | 'Addresses' | 'GroupedAddresses' | 'MessageIds' | 'Date' | 'URLs'

export interface HeaderProperty {
  /** As the client wrote it: the property's name in the response. */
  readonly property: string
  /** Lower case. */
  readonly field: string
  readonly form: Form
  readonly all: boolean
}

const FORMS: readonly Form[] = ['Raw', 'Text', 'Addresses', 'GroupedAddresses', 'MessageIds', 'Date', 'URLs']

/** Fields with a form of their own; others of RFC 5322 and 2369 must not be asked for in another. */
const ALLOWED: Readonly<Record<string, readonly Form[]>> = {
  'from sender reply-to to cc bcc resent-from resent-sender resent-reply-to resent-to resent-cc resent-bcc': [
    'Addresses',
    'GroupedAddresses',
  ],
  'message-id in-reply-to references resent-message-id': ['MessageIds'],
  'date resent-date': ['Date'],
  'subject comments keywords list-id': ['Text'],
  'list-help list-unsubscribe list-subscribe list-post list-owner list-archive': ['URLs'],
}
const KNOWN = new Map(
  Object.entries(ALLOWED).flatMap(([names, forms]) => names.split(' ').map((name) => [name, forms])),
)

/** Parses a `header:…` property. Throws invalidArguments. */
export function readHeaderProperty(property: string): HeaderProperty {
  const [, name = '', ...rest] = property.split(':')
  const all = rest.at(-1) === 'all'
  const [given, ...more] = all ? rest.slice(0, -1) : rest
  const form = given === undefined ? 'Raw' : FORMS.find((one) => given === `as${one}`)
  const field = name.toLowerCase()
  const isName = /^[!-9;-~]{1,200}$/.test(name)
  const forms = KNOWN.get(field)
  if (!isName || form === undefined || more.length > 0 || (forms && form !== 'Raw' && !forms.includes(form)))
    throw new MethodError('invalidArguments', `${property.slice(0, 300)} is no property of an email`)
  return { property, field, form, all }
}

/** A raw field: everything after the colon, including folds, up to the end of its last line. */
export interface RawHeaderField {
  readonly name: string
  readonly value: string
}

const MAX_FIELDS = 10_000
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The fields of a header, in order. Octets that are no UTF-8 become one character each. */
export function readRawFields(header: Uint8Array): readonly RawHeaderField[] {
  const fields: { name: string; lines: string[] }[] = []
  for (const line of Buffer.from(header).toString('latin1').split('\n')) {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line
    if (text === '') break
    if (/^[ \t]/.test(text)) {
      fields.at(-1)?.lines.push(text)
      continue
    }
    const colon = text.indexOf(':')
    if (colon <= 0 || fields.length >= MAX_FIELDS) continue
    fields.push({ name: text.slice(0, colon).trimEnd(), lines: [text.slice(colon + 1)] })
  }
  return fields.map(({ name, lines }) => ({ name, value: characters(lines.join('\r\n')) }))
}

function characters(octets: string): string {
  try {
    return UTF8.decode(Buffer.from(octets, 'latin1'))
  } catch {
    return octets
  }
}

/** The value of a header property: null, or an array for `:all`, when the field is not there. */
export function headerValue({ field, form, all }: HeaderProperty, fields: readonly RawHeaderField[]): unknown {
  const raw = rawValues(fields, field)
  if (all) return raw.map((value) => formed(value, form))
  const last = raw.at(-1)
  return last === undefined ? null : formed(last, form)
}

export const rawValues = (fields: readonly RawHeaderField[], field: string): readonly string[] =>
  fields.filter(({ name }) => name.toLowerCase() === field).map(({ value }) => value)

export const unfolded = (value: string) => value.replace(/\r?\n(?=[ \t])/g, '')
const asText = (value: string) => decodeWords(unfolded(value)).trim().normalize('NFC')

export function formed(value: string, form: Form): unknown {
  switch (form) {
    case 'Raw':
      return value
    case 'Text':
      return asText(value)
    case 'Addresses':
      return addressesOf(value).flatMap(({ addresses }) => addresses)
    case 'GroupedAddresses':
      return addressesOf(value)
    case 'MessageIds':
      return messageIdsOf(value)
    case 'Date': {
      const date = readDate(unfolded(value))
      return date === undefined ? null : isoDate(date.at, zoneOf(value))
    }
    case 'URLs':
      return urlsOf(value)
  }
}

interface Group {
  readonly name: string | null
  readonly addresses: readonly { readonly name: string | null; readonly email: string }[]
}

/** Addresses by group; those outside groups have the name null. */
function addressesOf(value: string): readonly Group[] {
  const groups: { name: string | null; addresses: { name: string | null; email: string }[] }[] = []
  let open: string | null = null
  for (const one of readAddresses(unfolded(value))) {
    if (isGroupStart(one)) {
      open = asText(one.mailbox ?? '')
      groups.push({ name: open, addresses: [] })
    } else if (isGroupEnd(one)) open = null
    else {
      const last = groups.at(-1)
      const group = last && last.name === open ? last : { name: open, addresses: [] }
      if (group !== last) groups.push(group)
      group.addresses.push(emailAddress(one))
    }
  }
  return groups
}

// RFC 9051 section 7.5.2: a group begins with an address without a host, and ends with one without anything.
const isGroupStart = ({ host, mailbox }: EnvelopeAddress) => !host && Boolean(mailbox)
const isGroupEnd = ({ host, mailbox }: EnvelopeAddress) => !host && !mailbox

export function emailAddress({ name, mailbox, host }: EnvelopeAddress): { name: string | null; email: string } {
  return { name: name ? asText(name) : null, email: host ? `${mailbox ?? ''}@${host}` : (mailbox ?? '') }
}

/** Ids without their brackets; null when there is none. */
function messageIdsOf(value: string): readonly string[] | null {
  const ids: string[] = []
  const text = unfolded(value)
  for (let at = text.indexOf('<'); at >= 0; ) {
    const end = text.indexOf('>', at)
    if (end < 0) break
    ids.push(text.slice(at + 1, end).trim())
    at = text.indexOf('<', end)
  }
  return ids.length > 0 ? ids : null
}

function urlsOf(value: string): readonly string[] | null {
  return messageIdsOf(value)?.map((url) => url.replace(/\s/g, '')) ?? null
}

const MAX_DATE = 200

/** Minutes east of UTC, as the end of a date says; comments may follow. */
function zoneOf(value: string): number {
  const found = /([+-])(\d\d)(\d\d)\s*(?:\([^)]*\)\s*)?$/.exec(unfolded(value).slice(0, MAX_DATE))
  if (!found) return 0
  const minutes = Number(found[2]) * 60 + Number(found[3])
  return found[1] === '-' ? -minutes : minutes
}

/** `2026-01-01T10:00:00+02:00`: the moment with the zone that the sender wrote. `minutes` east of UTC. */
export function isoDate(at: number, minutes = 0): string | null {
  const local = new Date(at + minutes * 60_000)
  if (Number.isNaN(local.getTime())) return null
  const text = local.toISOString().slice(0, 19)
  if (minutes === 0) return `${text}Z`
  const two = (value: number) => String(Math.floor(Math.abs(value))).padStart(2, '0')
  return `${text}${minutes < 0 ? '-' : '+'}${two(minutes / 60)}:${two(Math.abs(minutes) % 60)}`
}
