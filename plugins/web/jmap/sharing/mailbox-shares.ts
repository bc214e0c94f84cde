/**
 * Sharing of mailboxes: the store's access control lists (RFC 4314) as `shareWith` (RFC 9670 section 4).
 *
 * Invariants: IMAP and JMAP see one list; rights that a patch does not change keep their letters, as do denials.
 */

import type { Clock } from 'iems'
import * as z from 'zod'
import type { AccountsApi } from '../../../directory/static/api.ts'
import type { Mailbox, MailStoreApi } from '../../../mailbox/store/api.ts'
import type { JmapCall, Patch } from '../api.ts'
import { patchedDeeply } from '../contacts/patch.ts'
import { invalidProperties, ObjectError } from '../errors.ts'
import type { KeptObjects } from '../kept.ts'
import { notify, type ShareNote } from './notifications.ts'
import { ANYONE, identifierOf, type Principals, principalOf } from './principals.ts'
import { lettersOf, RIGHTS, type Rights, rightsIn } from './rights.ts'

export interface SharesDeps {
  readonly mail: MailStoreApi
  readonly accounts: AccountsApi
  readonly principals: Principals
  readonly notes: KeptObjects<ShareNote>
  readonly clock: Clock
}

const MAX_SHARES = 1000
const shares = z
  .record(z.string().max(255), z.partialRecord(z.enum(RIGHTS as [keyof Rights]), z.boolean()))
  .nullable()
  .refine((all) => Object.keys(all ?? {}).length <= MAX_SHARES, `at most ${MAX_SHARES} principals`)

/** The principals of a mailbox's access rights; null when it is not shared. */
export function shareWithOf({ acl }: Pick<Mailbox, 'acl'>): Readonly<Record<string, Rights>> | null {
  const entries = Object.entries(acl).filter(([identifier]) => !identifier.startsWith('-'))
  return entries.length === 0
    ? null
    : Object.fromEntries(entries.map(([identifier, letters]) => [principalOf(identifier), rightsIn(letters)]))
}

export class MailboxShares {
  readonly #deps: SharesDeps

  constructor(deps: SharesDeps) {
    this.#deps = deps
  }

  /** Changes the accounts that share a mailbox and notifies them. Throws `ObjectError`. The caller has checked the right. */
  async change(mailbox: Mailbox, patch: Patch, call: JmapCall): Promise<void> {
    const before = shareWithOf(mailbox)
    const { shareWith = null } = patchedDeeply({ shareWith: before ?? {} }, patch)
    const read = shares.safeParse(shareWith)
    if (!read.success) throw invalidProperties(['shareWith'], read.error.issues[0]?.message)
    const acl: Record<string, string> = Object.fromEntries(
      Object.entries(mailbox.acl).filter(([identifier]) => identifier.startsWith('-')),
    )
    for (const [principal, rights] of Object.entries(read.data ?? {})) {
      const identifier = identifierOf(principal)
      const had = before?.[principal]
      const letters =
        had && RIGHTS.every((name) => had[name] === (rights[name] ?? false))
          ? (mailbox.acl[identifier] ?? '')
          : lettersOf(rights)
      if (principal === mailbox.account || (!had && !(await this.#exists(principal, call))))
        throw invalidProperties(['shareWith'], 'There is no such principal')
      if (letters !== '') acl[identifier] = letters
    }
    const done = await this.#deps.mail.setAcl(mailbox, acl)
    if ('refused' in done) throw new ObjectError('forbidden', done.why)
    await this.#tell(mailbox, { before: before ?? {}, after: shareWithOf({ acl }) ?? {} }, call)
  }

  async #exists(principal: string, call: JmapCall): Promise<boolean> {
    return principal === ANYONE || (await this.#deps.principals.find(principal, call)) !== undefined
  }

  async #tell(
    { account, id, name }: Mailbox,
    { before, after }: { readonly before: Readonly<Record<string, Rights>>; readonly after: typeof before },
    call: JmapCall,
  ): Promise<void> {
    const by = await this.#deps.accounts.byId(call.own)
    const note = {
      created: `${new Date(this.#deps.clock.now()).toISOString().slice(0, 19)}Z`,
      changedBy: {
        name: by?.displayName ?? by?.name ?? '',
        email: by?.addresses[0] ?? null,
        principalId: call.own,
      },
      objectType: 'Mailbox' as const,
      objectAccountId: account,
      objectId: id,
      name,
    }
    for (const principal of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const [oldRights, newRights] = [before[principal] ?? null, after[principal] ?? null]
      const isSame = RIGHTS.every((right) => (oldRights?.[right] ?? false) === (newRights?.[right] ?? false))
      // Groups are left out: one change would tell all members.
      if (isSame || !(await this.#deps.accounts.byId(principal))) continue
      await notify(this.#deps.notes, principal, { ...note, oldRights, newRights })
    }
  }
}
