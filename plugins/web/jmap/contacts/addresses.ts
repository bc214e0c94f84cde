/**
 * The addresses in an account's own cards.
 */
import { booksOf } from './books.ts'
import type { BookDeps, Card } from './model.ts'

export async function addressesOf(
  deps: BookDeps,
  account: string,
  wanted?: string,
): Promise<AsyncIterable<string> | undefined> {
  if (wanted === undefined) return addressesIn(deps, account, undefined)
  for (const [id, { name }] of await booksOf(deps, account))
    if (id === wanted || name.toLowerCase() === wanted.toLowerCase()) return addressesIn(deps, account, id)
  return undefined
}

async function* addressesIn(
  { cards }: Pick<BookDeps, 'cards'>,
  account: string,
  book: string | undefined,
): AsyncGenerator<string> {
  for await (const [, card] of cards.all(account))
    if (book === undefined || card.addressBookIds[book]) yield* addressesOn(card)
}

/** JSContact keeps them as `emails: { id: { address } }` (RFC 9553 section 2.3.1). */
function addressesOn({ emails }: Card): readonly string[] {
  if (typeof emails !== 'object' || emails === null) return []
  return Object.values(emails).flatMap((one: unknown) => {
    const address = typeof one === 'object' && one !== null && 'address' in one ? one.address : undefined
    return typeof address === 'string' && address.includes('@') ? [address.toLowerCase()] : []
  })
}
