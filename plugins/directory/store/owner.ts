/**
 * The owner of an address, in order of specificity.
 *
 * Invariants: delivery, submission and login share this lookup; there is no second order.
 */
import type { Group } from './api.ts'
import type { Lookup } from './lookup.ts'
import { type AccountRecord, foldAddress, partsOf } from './records.ts'
import { filledIn } from './wildcard.ts'

/** The owner of an address, and the rule that determined it. */
export type Owner = { readonly why: string } & (
  | { readonly kind: 'account'; readonly account: AccountRecord; readonly detail?: string }
  | { readonly kind: 'group'; readonly group: Group }
  | Targets
)

/** The addresses that replace it. `id`: the alias or domain responsible. */
interface Targets {
  readonly kind: 'targets'
  readonly to: readonly string[]
  readonly by: 'alias' | 'wildcard' | 'domain' | 'catch-all'
  readonly id: string
}

export function createOwnerOf(lookup: Lookup, subaddress: string) {
  async function directly(local: string, domain: string): Promise<Owner | undefined> {
    const found = await lookup.ownerOf(`${local}@${domain}`)
    if (found?.kind === 'account') return { kind: 'account', account: found, why: `account ${found.name}` }
    if (found?.kind === 'group') return { kind: 'group', group: found, why: `group ${found.name}` }
    if (found?.kind !== 'alias') return undefined
    return { kind: 'targets', to: found.targets, by: 'alias', id: found.id, why: `alias ${found.match}` }
  }

  return async function ownerOf(address: string): Promise<Owner | undefined> {
    const parts = partsOf(address)
    if (!parts) return undefined
    const { local, domain } = parts
    const exact = await directly(local, domain)
    if (exact) return exact
    const at = subaddress === '' ? -1 : local.indexOf(subaddress)
    const plain = at > 0 ? await directly(local.slice(0, at), domain) : undefined
    if (plain?.kind === 'account') return { ...plain, detail: detailOf(address, subaddress) }
    if (plain) return plain
    const wild = await lookup.fitting('alias', parts)
    if (wild) {
      const { id, match, targets } = wild.entry
      const to = targets.map((target) => filledIn(target, wild.captures))
      return { kind: 'targets', to, by: 'wildcard', id, why: `alias ${match}` }
    }
    const ours = await lookup.named('domain', domain)
    if (ours?.aliasOf !== undefined) {
      const to = [`${localOf(address)}@${ours.aliasOf}`]
      return { kind: 'targets', to, by: 'domain', id: ours.id, why: `domain ${ours.name} means ${ours.aliasOf}` }
    }
    if (ours?.catchAll === undefined || foldAddress(ours.catchAll) === `${local}@${domain}`) return undefined
    return { kind: 'targets', to: [ours.catchAll], by: 'catch-all', id: ours.id, why: `catch-all of ${ours.name}` }
  }
}

const localOf = (address: string) => address.slice(0, address.lastIndexOf('@'))

/** Keeps the sender's case of the detail, which may name a mailbox. */
function detailOf(address: string, separator: string): string {
  const local = localOf(address).replace(/^"|"$/g, '')
  return local.slice(local.indexOf(separator) + separator.length).normalize('NFC')
}
