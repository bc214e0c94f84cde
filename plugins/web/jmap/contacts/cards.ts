/**
 * Contact cards (RFC 9610 section 3). A card is kept as the client wrote it.
 */
import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import type { ContactCard, Filter, JmapCall, JmapObject, ObjectType, Patch } from '../api.ts'
import { invalidProperties, ObjectError } from '../errors.ts'
import { booksOf, DEFAULT_BOOK } from './books.ts'
import { DIRECTORY_BOOK, type DirectoryBook } from './directory-book.ts'
import { type CardCondition, cardFilter, cardMatches, nameParts } from './filter.ts'
import type { BookDeps, Card } from './model.ts'
import { patchedDeeply } from './patch.ts'

export interface CardDeps extends BookDeps {
  readonly directory: DirectoryBook
}

const MAX_CARD = 1024 * 1024
/** Properties that hold objects by ids (RFC 9553 section 2). */
const MAPS = [
  'nicknames',
  'organizations',
  'titles',
  'emails',
  'phones',
  'onlineServices',
  'addresses',
  'notes',
  'links',
  'media',
  'directories',
  'anniversaries',
  'personalInfo',
] as const
const map = z.record(z.string(), z.looseObject({})).optional()
const schema = z.looseObject({
  '@type': z.literal('Card').default('Card'),
  version: z.literal('1.0').default('1.0'),
  uid: z.string().min(1).max(500),
  addressBookIds: z.record(z.string(), z.literal(true)),
  name: z.looseObject({}).optional(),
  ...Object.fromEntries(MAPS.map((property) => [property, map])),
})

async function readCard(deps: CardDeps, account: string, given: unknown): Promise<Card> {
  const read = schema.safeParse(given)
  if (!read.success)
    throw invalidProperties(
      read.error.issues.map(({ path }) => String(path[0] ?? '')),
      read.error.issues[0]?.message,
    )
  const books = await booksOf(deps, account)
  const ids = Object.keys(read.data.addressBookIds)
  if (ids.length === 0 || ids.some((id) => !books.has(id) || id === DIRECTORY_BOOK))
    throw invalidProperties(['addressBookIds'], 'A card is in at least one address book of the account')
  if (JSON.stringify(read.data).length > MAX_CARD) throw new ObjectError('tooLarge')
  return read.data as Card
}

async function* allCards({ cards, directory }: CardDeps, account: string): AsyncGenerator<readonly [string, Card]> {
  yield* cards.all(account)
  yield* directory.all()
}

const OWN_STATE = /^(\d{1,15})-(.*)$/

/** The account's own state and the directory's. */
const stateOf = async ({ cards, directory }: CardDeps, account: string) =>
  `${await cards.state(account)}-${await directory.state()}`

async function find(deps: CardDeps, account: string, id: string): Promise<Card | undefined> {
  return deps.directory.owns(id) ? deps.directory.get(id) : deps.cards.get(account, id)
}

async function get(deps: CardDeps, account: string, ids: readonly string[] | undefined): Promise<JmapObject[]> {
  const found: JmapObject[] = []
  if (ids === undefined) for await (const [id, card] of allCards(deps, account)) found.push({ ...card, id })
  for (const id of ids ?? []) {
    const card = await find(deps, account, id)
    if (card) found.push({ ...card, id })
  }
  return found
}

/** Sort keys of a card (RFC 9610 section 3.3.2). */
const SORTED_BY: Readonly<Record<string, (card: Card) => string>> = {
  created: (card) => String(card.created ?? ''),
  updated: (card) => String(card.updated ?? ''),
  'name/given': (card) => nameParts(card, 'given')[0] ?? '',
  'name/surname': (card) => nameParts(card, 'surname')[0] ?? '',
  'name/surname2': (card) => nameParts(card, 'surname2')[0] ?? '',
  'name/full': (card) => String((card.name as { readonly full?: unknown } | undefined)?.full ?? ''),
}

async function query(
  deps: CardDeps,
  account: string,
  filter: Filter<CardCondition> | undefined,
): Promise<(readonly [string, Card])[]> {
  const found: (readonly [string, Card])[] = []
  for await (const one of allCards(deps, account)) if (cardMatches(one[1], filter)) found.push(one)
  return found
}

async function update(
  deps: CardDeps,
  { account, id, patch }: { readonly account: string; readonly id: string; readonly patch: Patch },
  call: JmapCall,
): Promise<Patch> {
  if (account !== call.own || deps.directory.owns(id)) throw new ObjectError('forbidden')
  const before = await deps.cards.get(account, id)
  if (!before) throw new ObjectError('notFound')
  const updated = new Date().toISOString()
  const after = await readCard(deps, account, { ...patchedDeeply(before, patch), updated })
  if (after.uid !== before.uid) throw invalidProperties(['uid'], 'The uid of a card does not change')
  await deps.cards.put(account, id, (now) => {
    if (!now) throw new ObjectError('notFound')
    return after
  })
  return { updated }
}

/** Adds a card that another plugin has made; false when its id is known. */
export async function addCard(
  deps: CardDeps,
  account: string,
  { id, card }: { readonly id: string; readonly card: ContactCard },
): Promise<boolean> {
  if (await deps.cards.isKnown(account, id)) return false
  const now = new Date().toISOString()
  const wanted = await readCard(deps, account, {
    created: now,
    updated: now,
    ...card,
    addressBookIds: { [DEFAULT_BOOK]: true },
  })
  await deps.cards.put(account, id, (before) => before ?? wanted)
  return true
}

export function cardType(capability: string, deps: CardDeps): ObjectType<CardCondition> {
  return {
    capability,
    properties: '*',
    state: (account) => stateOf(deps, account),
    get: async ({ account, ids }, call) => (account === call.own ? get(deps, account, ids) : []),
    async changes(account, since, limit) {
      const [, own = '', directory] = OWN_STATE.exec(since) ?? []
      const now = await deps.directory.state()
      // The stored objects refuse a state that cannot be parsed.
      const changes = await deps.cards.changes(account, directory === now ? own : 'other', limit)
      return { ...changes, newState: `${changes.newState}-${now}` }
    },
    filter: cardFilter,
    sorts: Object.keys(SORTED_BY),
    async query({ account, filter, sort, call }) {
      if (account !== call.own) return []
      const found = await query(deps, account, filter)
      const order = sort.length > 0 ? sort : [{ property: 'name/full', isAscending: true }]
      found.sort(([firstId, first], [secondId, second]) => {
        for (const { property, isAscending } of order) {
          const [a, b] = [SORTED_BY[property]?.(first) ?? '', SORTED_BY[property]?.(second) ?? '']
          const difference = a.localeCompare(b, 'en')
          if (difference !== 0) return isAscending ? difference : -difference
        }
        return firstId < secondId ? -1 : 1
      })
      return found.map(([id]) => id)
    },
    async create(account, given, call) {
      if (account !== call.own) throw new ObjectError('forbidden')
      const now = new Date().toISOString()
      const uid = typeof given.uid === 'string' ? given.uid : `urn:uuid:${randomUUID()}`
      const card = await readCard(deps, account, { created: now, updated: now, ...given, uid })
      const id = `C${randomUUID().replaceAll('-', '')}`
      await deps.cards.put(account, id, () => card)
      return { id, uid, created: card.created, updated: card.updated }
    },
    update: (account, id, patch, call) => update(deps, { account, id, patch }, call),
    async destroy(account, id, call) {
      if (account !== call.own || deps.directory.owns(id)) throw new ObjectError('forbidden')
      if (!(await deps.cards.get(account, id))) throw new ObjectError('notFound')
      await deps.cards.put(account, id, () => undefined)
    },
  }
}
