/**
 * Who has a mailbox here: the question that local delivery, POP3, IMAP and web mail ask, whoever answers it.
 *
 * What must stay true: an account is its id, which never changes; names and addresses are attributes that may. Every
 * function throws when it cannot know at this moment: "unknown" is said only when it is certain.
 */
import { defineService, type Identity } from 'iems'

export interface Account {
  readonly id: string
  /** What its owner logs in with. */
  readonly name: string
  readonly addresses: readonly string[]
  readonly displayName?: string
  /** Octets its mailboxes may hold; absent for no limit. */
  readonly quota?: number
}

export interface AccountsApi {
  byId(id: string): Promise<Account | undefined>
  byName(name: string): Promise<Account | undefined>
  /** By name or by one of its addresses, as an owner may write it: whatever names an account is compared by its id. */
  byLogin(login: string): Promise<Account | undefined>
  /** With the detail of a subaddress: `lists` for `ann+lists@example.org`. */
  byAddress(address: string): Promise<{ readonly account: Account; readonly detail?: string } | undefined>
  /**
   * Whether an account may send from an address, in the envelope or in the header: all mail for the address arrives at
   * this account, or the account was given leave. False for an account that no longer exists or may not log in.
   */
  maySendAs(account: string, address: string): Promise<boolean>
  list(): AsyncIterable<Account>
  /**
   * Whom a login (a name or an address) names, for whoever has seen elsewhere that it is him, such as in a token.
   * Undefined for nobody, and for who may not log in.
   */
  identify(login: string): Promise<Identity | undefined>
  /** The names of the groups an account is in, for access rights. */
  groupsOf(id: string): Promise<readonly string[]>
}

/** For the `authorize` hook: whether a client that names whom it wants to act as names its own account. */
export async function authorizeOwn(
  accounts: Pick<AccountsApi, 'byLogin'>,
  { identity, username }: { readonly identity: Identity; readonly username: string },
): Promise<Identity | undefined> {
  const named = await accounts.byLogin(username)
  return named !== undefined && named.id === identity.account ? identity : undefined
}

export { isAddress, isDomain, readAddress } from './addresses.ts'
export { authorsOf, refuseForeignAuthors } from './authors.ts'
export {
  createVerifier,
  hashPassword,
  isPasswordHash,
  isStaleHash,
  SCRAM_MECHANISMS,
  type ScramMechanism,
  scramKeys,
  type VerifierOptions,
  verifierOptions,
} from './passwords.ts'

export const Accounts = defineService<AccountsApi>('accounts')
