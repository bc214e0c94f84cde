/**
 * Mailbox names as a client writes them, and their accounts (RFC 2342): the client's own, other users' below `Users/`,
 * and those of one public account below `Shared/`.
 */
import type { Account, AccountsApi } from '../../directory/static/api.ts'
import type { Mailbox, MailStoreApi } from '../../mailbox/store/api.ts'

export const OTHERS = 'Users/'
export const SHARED = 'Shared/'

/** An account, and the mailbox's name in it. */
export interface Named {
  readonly account: string
  readonly name: string
}

export interface Names {
  /** Undefined when there is no such account, or when the name is only a namespace. */
  find(name: string): Promise<Named | undefined>
  /** The name of a mailbox for this client. */
  nameOf(mailbox: Mailbox): Promise<string>
}

export interface NamesDeps {
  /** Id of the client's account. */
  readonly self: string
  readonly accounts: AccountsApi
  /** The account whose mailboxes are public. */
  readonly shared: Account | undefined
}

export function createNames({ self, accounts, shared }: NamesDeps): Names {
  return {
    async find(name) {
      if (name.startsWith(SHARED)) return shared && { account: shared.id, name: name.slice(SHARED.length) }
      if (!name.startsWith(OTHERS)) return { account: self, name }
      const [user = '', ...rest] = name.slice(OTHERS.length).split('/')
      const account = await accounts.byName(user)
      return account && rest.length > 0 ? { account: account.id, name: rest.join('/') } : undefined
    },
    async nameOf({ account, name }) {
      if (account === self) return name
      if (account === shared?.id) return SHARED + name
      return `${OTHERS}${(await accounts.byId(account))?.name ?? account}/${name}`
    },
  }
}

/** All mailboxes that the client may see, with its names for them. */
export async function visible(
  mail: MailStoreApi,
  self: string,
  names: Names,
): Promise<readonly { readonly name: string; readonly mailbox: Mailbox }[]> {
  const own = await mail.mailboxes(self)
  const others = await mail.shared(self)
  return Promise.all([...own, ...others].map(async (mailbox) => ({ name: await names.nameOf(mailbox), mailbox })))
}
