/**
 * Address books (RFC 9610 section 2).
 */
import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import type { JmapCall, JmapObject, ObjectType, Patch } from '../api.ts'
import { invalidProperties, ObjectError } from '../errors.ts'
import { patched } from '../patched.ts'
import { DIRECTORY_BOOK } from './directory-book.ts'
import type { Book, BookDeps } from './model.ts'

/** The book that every account has. */
export const DEFAULT_BOOK = 'contacts'
const MAX_BOOKS = 500

const schema = z.strictObject({
  name: z.string().min(1).max(255),
  description: z.string().max(1000).nullable().default(null),
  sortOrder: z.int().min(0).default(0),
  isSubscribed: z.boolean().default(true),
  isDefault: z.boolean().optional(),
})

function readBook(given: unknown): Book {
  const read = schema.safeParse(given)
  if (read.success) return read.data
  throw invalidProperties(
    read.error.issues.map(({ path }) => String(path[0] ?? '')),
    read.error.issues[0]?.message,
  )
}

const FIRST: Book = { name: 'Contacts', description: null, sortOrder: 0, isSubscribed: true }
const SERVER: Book = {
  name: 'Directory',
  description: 'The accounts of this server',
  sortOrder: 100,
  isSubscribed: true,
}

/** The book that new cards go to. */
function defaultOf(books: ReadonlyMap<string, Book>): string {
  const [chosen = DEFAULT_BOOK] = [...books].find(([, { isDefault }]) => isDefault) ?? []
  return chosen
}

const described = (id: string, book: Book, chosen: string): JmapObject => ({
  id,
  ...book,
  isDefault: id === chosen,
  shareWith: null,
  myRights: {
    mayRead: true,
    mayWrite: id !== DIRECTORY_BOOK,
    mayShare: false,
    mayDelete: id !== DIRECTORY_BOOK && id !== DEFAULT_BOOK,
  },
})

/** All books of an account, by id. */
export async function booksOf({ books }: Pick<BookDeps, 'books'>, account: string): Promise<Map<string, Book>> {
  const all = new Map<string, Book>([[DEFAULT_BOOK, FIRST]])
  for await (const [id, book] of books.all(account)) all.set(id, book)
  return all.set(DIRECTORY_BOOK, SERVER)
}

export function bookType(capability: string, deps: BookDeps): ObjectType {
  const own = (account: string, call: JmapCall) => {
    if (account !== call.own) throw new ObjectError('forbidden')
  }
  return {
    capability,
    properties: ['id', 'name', 'description', 'sortOrder', 'isSubscribed', 'isDefault', 'shareWith', 'myRights'],
    state: (account) => deps.books.state(account),
    async get({ account, ids }, call) {
      if (account !== call.own) return []
      const books = await booksOf(deps, account)
      return [...books]
        .filter(([id]) => ids === undefined || ids.includes(id))
        .map(([id, book]) => described(id, book, defaultOf(books)))
    },
    changes: (account, since, limit) => deps.books.changes(account, since, limit),
    async create(account, given, call) {
      own(account, call)
      if ((await booksOf(deps, account)).size >= MAX_BOOKS) throw new ObjectError('overQuota')
      if ('isDefault' in given) throw invalidProperties(['isDefault'], 'Use onSuccessSetIsDefault')
      const book = readBook(given)
      const id = `B${randomUUID().replaceAll('-', '')}`
      await deps.books.put(account, id, () => book)
      const { isDefault, shareWith, myRights } = described(id, book, DEFAULT_BOOK)
      return { id, isDefault, shareWith, myRights }
    },
    update: (account, id, patch, call) => updateBook(deps, { account, id, patch }, call),
    async destroy(account, id, call, { onDestroyRemoveContents }) {
      own(account, call)
      if (id === DEFAULT_BOOK || id === DIRECTORY_BOOK) throw new ObjectError('forbidden')
      if (!(await deps.books.get(account, id))) throw new ObjectError('notFound')
      await emptyBook(deps, { account, id, mayRemove: onDestroyRemoveContents === true })
      await deps.books.put(account, id, () => undefined)
    },
    finish: (account, _, { onSuccessSetIsDefault: wanted }, call) =>
      typeof wanted === 'string' ? setDefault(deps, account, wanted, call) : Promise.resolve({}),
    setArguments: z.strictObject({
      onDestroyRemoveContents: z.boolean().default(false),
      onSuccessSetIsDefault: z.string().nullish(),
    }),
  }
}

/** RFC 9610 section 2.3: a book that is not there, or that is read-only, is passed over. */
async function setDefault(
  deps: BookDeps,
  account: string,
  wanted: string,
  call: JmapCall,
): Promise<Readonly<Record<string, Patch>>> {
  const books = await booksOf(deps, account)
  const id = wanted.startsWith('#') ? (call.createdIds.get(wanted.slice(1)) ?? '') : wanted
  const before = defaultOf(books)
  if (account !== call.own || !books.has(id) || id === DIRECTORY_BOOK || id === before) return {}
  const mark = (one: string, isDefault: boolean) =>
    deps.books.put(account, one, (now) => ({ ...(now ?? FIRST), isDefault }))
  await mark(before, false)
  await mark(id, true)
  return { [before]: { isDefault: false }, [id]: { isDefault: true } }
}

async function updateBook(
  { books }: BookDeps,
  { account, id, patch }: { readonly account: string; readonly id: string; readonly patch: Patch },
  call: JmapCall,
): Promise<null> {
  if (account !== call.own || id === DIRECTORY_BOOK) throw new ObjectError('forbidden')
  if (id !== DEFAULT_BOOK && !(await books.get(account, id))) throw new ObjectError('notFound')
  if ('isDefault' in patch) throw invalidProperties(['isDefault'], 'Use onSuccessSetIsDefault')
  await books.put(account, id, (before) => readBook(patched({ ...(before ?? FIRST) }, patch)))
  return null
}

/** RFC 9610 section 2.3: cards in other books stay there. */
async function emptyBook(
  { cards }: BookDeps,
  { account, id, mayRemove }: { readonly account: string; readonly id: string; readonly mayRemove: boolean },
): Promise<void> {
  const inside: string[] = []
  for await (const [card, { addressBookIds }] of cards.all(account)) if (addressBookIds[id]) inside.push(card)
  if (inside.length > 0 && !mayRemove) throw new ObjectError('addressBookHasContents')
  for (const card of inside)
    await cards.put(account, card, (before) => {
      if (!before) return undefined
      const { [id]: _, ...others } = before.addressBookIds
      return Object.keys(others).length > 0 ? { ...before, addressBookIds: others } : undefined
    })
}
