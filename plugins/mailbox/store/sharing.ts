/**
 * Mailboxes shared with other accounts (RFC 4314).
 */
import { type Store, unkey } from 'iems'
import type { ChangeAccount } from './account-transactions.ts'
import type { Mailbox, MailboxRef, Or } from './api.ts'
import { noteMailbox } from './history.ts'
import { GONE, mailboxOf, readMailbox } from './mailbox.ts'
import { mailboxKey, sharedKey, sharedWith } from './records.ts'

const ALL_RIGHTS = 'lrswipkxtea'

export interface SharingDeps {
  readonly store: Store
  readonly changeAccount: ChangeAccount
  read(ref: MailboxRef): Promise<Mailbox | undefined>
  groupsOf(account: string): Promise<readonly string[]>
}

export function createSharing({ store, changeAccount, read, groupsOf }: SharingDeps) {
  function setAcl(ref: MailboxRef, acl: Readonly<Record<string, string>>): Or<Mailbox> {
    const { account, id } = ref
    return changeAccount(account, async (change) => {
      const record = await readMailbox(change, ref)
      if (!record) return GONE
      for (const identifier of Object.keys(record.acl)) change.del(sharedKey(identifier, account, id))
      for (const identifier of Object.keys(acl)) change.put(sharedKey(identifier, account, id), 1)
      const next = await noteMailbox(change, ref, { ...record, acl })
      change.put(mailboxKey(account, id), next)
      change.tell(id)
      return mailboxOf(ref, next)
    })
  }

  /** Mailboxes of others in which an account has any right. */
  async function shared(account: string): Promise<readonly Mailbox[]> {
    const found = new Map<string, Mailbox>()
    for (const identifier of await identifiersOf(account)) {
      for await (const [at] of store.scan(sharedWith(identifier))) {
        const [, , owner, id] = unkey(at) as [string, string, string, string]
        if (owner === account || found.has(id)) continue
        const mailbox = await read({ account: owner, id })
        if (mailbox && (await rights(mailbox, account)) !== '') found.set(id, mailbox)
      }
    }
    return [...found.values()]
  }

  async function identifiersOf(account: string): Promise<readonly string[]> {
    return [account, ...(await groupsOf(account)).map((group) => `group:${group}`), 'anyone']
  }

  /** RFC 4314 section 2: rights granted by any identifier, minus those removed by any. */
  async function rights({ account: owner, acl }: Mailbox, account: string): Promise<string> {
    if (owner === account) return ALL_RIGHTS
    const given = new Set<string>()
    const taken = new Set<string>()
    for (const identifier of await identifiersOf(account)) {
      for (const right of acl[identifier] ?? '') given.add(right)
      for (const right of acl[`-${identifier}`] ?? '') taken.add(right)
    }
    return Array.from(ALL_RIGHTS)
      .filter((right) => given.has(right) && !taken.has(right))
      .join('')
  }

  return { setAcl, shared, rights }
}
