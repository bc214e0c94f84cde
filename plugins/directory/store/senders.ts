/**
 * Permission to send as an address: for the account that receives its mail, and for accounts it was granted to.
 *
 * Recipients and senders use the same lookup, `ownerOf`. Invariants: an address whose mail goes to two accounts, to a
 * group or to another system belongs to no account; addresses are compared by what they resolve to, never as text; the
 * number of lookups is bounded.
 */
import type { Lookup } from './lookup.ts'
import type { Owner } from './owner.ts'
import { type AccountRecord, foldAddress, partsOf } from './records.ts'
import { captured } from './wildcard.ts'

/** Maximum addresses on the way to an owner; a longer alias chain has no single owner. */
const MAX_ADDRESSES = 32

type OwnerOf = (address: string) => Promise<Owner | undefined>

export interface SendersDeps {
  readonly lookup: Lookup
  readonly ownerOf: OwnerOf
  /** Whether the only target of an alias or a catch-all may send as it. */
  readonly aliasSenders: boolean
}

/** An address with `alias-of` domains replaced: each form on the way, and the owner of the last. */
export async function formsOf(ownerOf: OwnerOf, address: string) {
  const forms = new Set<string>()
  for (let at = address; forms.size < MAX_ADDRESSES; ) {
    const folded = foldAddress(at)
    if (folded === undefined || forms.has(folded)) break
    forms.add(folded)
    const owner = await ownerOf(at)
    if (owner?.kind !== 'targets' || owner.by !== 'domain') return { forms: [...forms], owner }
    at = owner.to[0] as string
  }
  return { forms: [...forms], owner: undefined }
}

export function createSenders({ lookup, ownerOf, aliasSenders }: SendersDeps) {
  /** The single account that receives all mail for an address. */
  async function soleOwnerOf(address: string): Promise<string | undefined> {
    const addresses = new Map([[foldAddress(address), address]])
    const accounts = new Set<string>()
    for (const one of addresses.values()) {
      const owner = await ownerOf(one)
      if (owner?.kind === 'account') accounts.add(owner.account.id)
      else if (owner?.kind === 'targets' && (aliasSenders || owner.by === 'domain'))
        for (const to of owner.to) addresses.set(foldAddress(to), to)
      else return undefined
      if (accounts.size > 1 || addresses.size > MAX_ADDRESSES) return undefined
    }
    return [...accounts][0]
  }

  /** Whether permission for one address covers the other: the same account, group or alias, however it is written. */
  async function isSame(allowed: string, owner: Owner | undefined): Promise<boolean> {
    const id = owner && idOf(owner)
    if (id === undefined || allowed.includes('*')) return false
    const other = (await formsOf(ownerOf, allowed)).owner
    return other !== undefined && idOf(other) === id
  }

  async function isAllowed({ sendAs }: AccountRecord, address: string): Promise<boolean> {
    if (sendAs.length === 0) return false
    const { forms, owner } = await formsOf(ownerOf, address)
    for (const allowed of sendAs)
      if (forms.some((form) => fits(allowed, form)) || (await isSame(allowed, owner))) return true
    return false
  }

  /** Whether an account may send as an address. */
  return async function maySendAs(id: string, address: string): Promise<boolean> {
    const account = await lookup.byId(id)
    if (account?.kind !== 'account' || account.status !== 'active') return false
    return (await soleOwnerOf(address)) === id || isAllowed(account, address)
  }
}

/** An alias with a wildcard covers many addresses: permission for one does not cover the others. */
function idOf(owner: Owner): string | undefined {
  if (owner.kind === 'account') return owner.account.id
  if (owner.kind === 'group') return owner.group.id
  return owner.by === 'alias' ? owner.id : undefined
}

function fits(allowed: string, address: string): boolean {
  if (allowed === '*') return true
  const parts = partsOf(allowed)
  const { local, domain } = partsOf(address) ?? { local: '', domain: '' }
  return parts !== undefined && parts.domain === domain && captured(parts.local, local) !== undefined
}
