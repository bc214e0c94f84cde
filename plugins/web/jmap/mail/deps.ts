/**
 * Dependencies of the mail types, and a login's access to an account.
 */
import type { Clock, Log, Store } from 'iems'
import type { AccountsApi } from '../../../directory/static/api.ts'
import type { AccountEmail, Mailbox, MailQueryApi, MailStoreApi, Refused } from '../../../mailbox/store/api.ts'
import type { JmapCall, OpenBlob, Patch } from '../api.ts'
import { MethodError, ObjectError } from '../errors.ts'

/** Changes who shares a mailbox. */
export interface Shares {
  change(mailbox: Mailbox, patch: Patch, call: JmapCall): Promise<void>
}

export interface MailDeps {
  readonly mail: MailStoreApi
  readonly query: MailQueryApi
  readonly shares: Shares
  /** Of plugins, by the first letter of their ids. */
  readonly blobs: ReadonlyMap<string, OpenBlob>
  readonly accounts: AccountsApi
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
}

/** The mailboxes of an account that a login sees, each with its rights (RFC 4314). */
export class View {
  readonly account: string
  readonly isOwn: boolean
  readonly mailboxes: readonly Mailbox[]
  readonly #rights: ReadonlyMap<string, string>

  constructor(account: string, isOwn: boolean, rights: readonly (readonly [Mailbox, string])[]) {
    this.account = account
    this.isOwn = isOwn
    this.mailboxes = rights.map(([mailbox]) => mailbox)
    this.#rights = new Map(rights.map(([{ id }, letters]) => [id, letters]))
  }

  /** Whether it has all of these rights in a mailbox. */
  may(mailbox: string, rights: string): boolean {
    const has = this.#rights.get(mailbox)
    return has !== undefined && (this.isOwn || [...rights].every((right) => has.includes(right)))
  }

  find(id: string): Mailbox | undefined {
    return this.mailboxes.find((mailbox) => mailbox.id === id)
  }

  /** Whether an email is in a mailbox that it may read. */
  sees({ places }: AccountEmail): boolean {
    return this.isOwn || places.some(({ mailbox }) => this.may(mailbox, 'r'))
  }
}

export async function viewOf({ mail }: Pick<MailDeps, 'mail'>, account: string, call: JmapCall): Promise<View> {
  const own = call.own === account
  const all = own
    ? await mail.mailboxes(account)
    : (await mail.shared(call.own)).filter((mailbox) => mailbox.account === account)
  const rights: (readonly [Mailbox, string])[] = []
  for (const mailbox of all) {
    const letters = own ? '' : await mail.rights(mailbox, call.own)
    if (own || letters.includes('l') || letters.includes('r')) rights.push([mailbox, letters])
  }
  return new View(account, own, rights)
}

/** The state that all mail types of an account share. */
export const stateOf = ({ mail }: Pick<MailDeps, 'mail'>, account: string) => mail.accountState(account)

/** Throws `cannotCalculateChanges`. */
export async function changesOf(
  { mail }: Pick<MailDeps, 'mail'>,
  account: string,
  since: string,
  limit: number | undefined,
) {
  const changes = await mail.accountChanges(account, since, limit === undefined ? {} : { limit })
  if (changes === 'cannotCalculate') throw new MethodError('cannotCalculateChanges')
  return changes
}

const ERRORS: Readonly<Record<Refused['refused'], string>> = {
  NONEXISTENT: 'notFound',
  ALREADYEXISTS: 'invalidProperties',
  CANNOT: 'forbidden',
  OVERQUOTA: 'overQuota',
  LIMIT: 'overQuota',
  HASCHILDREN: 'mailboxHasChild',
  TOOBIG: 'tooLarge',
}

/** A result of the store, or its refusal as the error of one object. */
export function done<T>(result: T | Refused): T {
  if (typeof result === 'object' && result !== null && 'refused' in result) {
    const { refused, why } = result
    throw new ObjectError(ERRORS[refused], why, refused === 'ALREADYEXISTS' ? { properties: ['name'] } : {})
  }
  return result
}
