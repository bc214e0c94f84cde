/**
 * The Accounts service, used by local delivery, POP3, IMAP and web mail, whichever plugin provides it.
 *
 * Invariants: an account is identified by its id, which never changes; names and addresses may change. Every function
 * throws when the answer is unavailable: "unknown" is always certain.
 */
import { defineService, type Identity } from 'iems'

export interface Account {
  readonly id: string
  /** The login name. */
  readonly name: string
  readonly addresses: readonly string[]
  readonly displayName?: string
  /** Storage quota in octets; absent for no limit. */
  readonly quota?: number
  /** Code of the language that the holder prefers, such as `de`; absent: unknown. */
  readonly language?: string
}

export interface AccountsApi {
  byId(id: string): Promise<Account | undefined>
  byName(name: string): Promise<Account | undefined>
  /** Looks up a name or one of the addresses, as its owner may type it. Always compare accounts by id. */
  byLogin(login: string): Promise<Account | undefined>
  /** With the detail of a subaddress: `lists` for `ann+lists@example.org`. */
  byAddress(address: string): Promise<{ readonly account: Account; readonly detail?: string } | undefined>
  /**
   * Whether an account may send from an address, in the envelope or in the header: the address delivers only to this
   * account, or the account has been granted it. False for a deleted account or one that may not log in.
   */
  maySendAs(account: string, address: string): Promise<boolean>
  list(): AsyncIterable<Account>
  /**
   * Returns the identity of a login (name or address) that the caller has already authenticated, such as by a token.
   * Undefined when there is no such account or it may not log in.
   */
  identify(login: string): Promise<Identity | undefined>
  /** Names of the account's groups, for access rights. */
  groupsOf(id: string): Promise<readonly string[]>
}

/** For the `authorize` hook: whether the requested authorization identity is the client's own account. */
export async function authorizeOwn(
  accounts: Pick<AccountsApi, 'byLogin'>,
  { identity, username }: { readonly identity: Identity; readonly username: string },
): Promise<Identity | undefined> {
  const named = await accounts.byLogin(username)
  return named !== undefined && named.id === identity.account ? identity : undefined
}

export { detailOf, isAddress, isDomain, readAddress } from './addresses.ts'
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
