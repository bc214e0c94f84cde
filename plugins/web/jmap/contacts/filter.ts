/**
 * Which cards a query means (RFC 9610 section 3.3).
 */
import * as z from 'zod'
import type { Filter } from '../api.ts'
import { meetsFilter } from '../filters.ts'
import type { Card } from './model.ts'

const text = z.string().max(500)
export const cardFilter = z.strictObject({
  inAddressBook: z.string().optional(),
  uid: z.string().optional(),
  hasMember: z.string().optional(),
  kind: z.string().optional(),
  createdBefore: z.iso.datetime().optional(),
  createdAfter: z.iso.datetime().optional(),
  updatedBefore: z.iso.datetime().optional(),
  updatedAfter: z.iso.datetime().optional(),
  text: text.optional(),
  name: text.optional(),
  'name/given': text.optional(),
  'name/surname': text.optional(),
  'name/surname2': text.optional(),
  nickname: text.optional(),
  organization: text.optional(),
  email: text.optional(),
  phone: text.optional(),
  onlineService: text.optional(),
  address: text.optional(),
  note: text.optional(),
})
export type CardCondition = z.output<typeof cardFilter>

/** The properties in which a text is looked for. */
const PLACES: Readonly<Record<string, string>> = {
  name: 'name',
  nickname: 'nicknames',
  organization: 'organizations',
  email: 'emails',
  phone: 'phones',
  onlineService: 'onlineServices',
  address: 'addresses',
  note: 'notes',
}

const NAME_KINDS = ['given', 'surname', 'surname2'] as const
export type NameKind = (typeof NAME_KINDS)[number]

/** Components of a card's name (RFC 9553 section 2.2.1.2) of one kind, in order. */
export function nameParts({ name }: Card, kind: NameKind): readonly string[] {
  const { components } = (name ?? {}) as { readonly components?: unknown }
  const all = Array.isArray(components) ? (components as { readonly kind?: unknown; readonly value?: unknown }[]) : []
  return all.flatMap((one) => (one?.kind === kind && typeof one.value === 'string' ? [one.value] : []))
}

/** All strings in a value, in lower case. */
function* stringsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value.toLowerCase()
  else if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) yield* stringsIn(one)
}

const contains = (value: unknown, given: string) => {
  const wanted = given.toLowerCase()
  return stringsIn(value).some((one) => one.includes(wanted))
}

export const cardMatches = (card: Card, filter: Filter<CardCondition> | undefined): boolean =>
  meetsFilter(filter, (condition) => meets(card, condition))

function meets(card: Card, { text: anywhere, ...given }: CardCondition): boolean {
  const time = (value: unknown) => Date.parse(String(value ?? 0))
  for (const [name, property] of Object.entries(PLACES)) {
    const wanted = given[name as 'name']
    if (wanted !== undefined && !contains(card[property], wanted)) return false
  }
  for (const kind of NAME_KINDS) {
    const wanted = given[`name/${kind}`]
    if (wanted !== undefined && !contains(nameParts(card, kind), wanted)) return false
  }
  return (
    (anywhere === undefined || contains(card, anywhere)) &&
    (given.inAddressBook === undefined || card.addressBookIds[given.inAddressBook] === true) &&
    (given.uid === undefined || card.uid === given.uid) &&
    (given.kind === undefined || (card.kind ?? 'individual') === given.kind) &&
    (given.hasMember === undefined || Object.hasOwn((card.members ?? {}) as object, given.hasMember)) &&
    (given.createdBefore === undefined || time(card.created) < time(given.createdBefore)) &&
    (given.createdAfter === undefined || time(card.created) >= time(given.createdAfter)) &&
    (given.updatedBefore === undefined || time(card.updated) < time(given.updatedBefore)) &&
    (given.updatedAfter === undefined || time(card.updated) >= time(given.updatedAfter))
  )
}
