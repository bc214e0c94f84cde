/**
 * Contacts (RFC 9610) as JSContact cards (RFC 9553): an account's own address books, and the accounts of this server as
 * a book that clients read.
 */
import type { SetupContext } from 'iems'
import { Accounts } from '../../../directory/static/api.ts'
import { Directory } from '../../../directory/store/api.ts'
import type { ContactsApi, JmapApi } from '../api.ts'
import { KeptObjects } from '../kept.ts'
import { addressesOf } from './addresses.ts'
import { bookType } from './books.ts'
import { addCard, cardType } from './cards.ts'
import { DirectoryBook } from './directory-book.ts'
import type { Book, Card } from './model.ts'

export const CONTACTS = 'urn:ietf:params:jmap:contacts'

export function addContacts(jmap: JmapApi, ctx: SetupContext): ContactsApi {
  const changed = (type: string) => (account: string) => jmap.changed(account, [type])
  const deps = {
    books: new KeptObjects<Book>(ctx.store, 'book', changed('AddressBook')),
    cards: new KeptObjects<Card>(ctx.store, 'card', changed('ContactCard')),
    directory: new DirectoryBook(ctx.use(Accounts), ctx.find(Directory)),
  }
  jmap.capability(CONTACTS, {
    session: {},
    account: (account, own) =>
      account === own ? { maxAddressBooksPerCard: null, mayCreateAddressBook: true } : undefined,
  })
  jmap.objects('AddressBook', bookType(CONTACTS, deps))
  jmap.objects('ContactCard', cardType(CONTACTS, deps))
  return {
    addresses: (account, book) => addressesOf(deps, account, book),
    add: (account, id, card) => addCard(deps, account, { id, card }),
    async *cards(account) {
      for await (const [id, card] of deps.cards.all(account)) yield { id, ...card }
    },
  }
}
