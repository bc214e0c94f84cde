/**
 * Entries of another system's directory, brought into that of this server: adds missing entries, changes those that
 * differ, and reports both.
 *
 * Invariants: nothing is removed but members of groups that this source made; addresses are added, never taken away; a
 * second run without changes in between changes nothing; with `check` nothing is changed at all.
 */
import { type CommandOutput, counted, escapeLine } from 'iems'
import {
  type Attributes,
  type Change,
  type DirectoryAccount,
  type DirectoryApi,
  type EntryPatch,
  type Group,
  isRefused,
  type Member,
} from '../../directory/store/api.ts'

export interface WantedAccount {
  readonly kind: 'account'
  readonly name: string
  readonly addresses: readonly string[]
  readonly displayName?: string
  readonly attributes?: Attributes
  /** Its mail goes there instead. */
  readonly forwardTo?: string
  /** Its mail goes there, and also to its mailbox if it is kept. */
  readonly forward?: { readonly to: readonly string[]; readonly keep: boolean }
  /** In plain text or a hash; an account that has a password keeps its own. */
  readonly password?: string
  /** Octets. */
  readonly quota?: number
}

export interface WantedDomain {
  readonly kind: 'domain'
  readonly name: string
}

export interface WantedGroup {
  readonly kind: 'group'
  readonly name: string
  readonly addresses: readonly string[]
  /** Addresses. */
  readonly members: readonly string[]
  readonly attributes?: Attributes
}

export interface WantedAlias {
  readonly kind: 'alias'
  readonly match: string
  readonly targets: readonly string[]
}

export type WantedEntry = WantedAccount | WantedGroup | WantedAlias | WantedDomain

/** Attribute that says which source made an entry. */
const SOURCE = 'syncsource'
/** Changes of one commit. */
const BATCH = 100

interface Planned {
  readonly text: string
  readonly what: 'add' | 'change'
  readonly changes: readonly Change[]
}

/** Yields a line for each difference, and counts at the end. */
export async function* synchronise(
  directory: DirectoryApi,
  wanted: AsyncIterable<WantedEntry> | Iterable<WantedEntry>,
  { by, isCheck }: { readonly by: string; readonly isCheck: boolean },
): AsyncGenerator<CommandOutput> {
  const counts = { add: 0, change: 0, same: 0, refused: 0 }
  let waiting: Planned[] = []
  const flush = async function* (): AsyncGenerator<CommandOutput> {
    const changes = waiting.flatMap((planned) => planned.changes.map((change) => ({ planned, change })))
    const done = await directory.change(
      changes.map(({ change }) => change),
      by,
      isCheck ? 'check' : 'each',
    )
    const refused = new Map<Planned, string>()
    for (const [n, { planned }] of changes.entries()) {
      const answer = done[n]
      if (answer && isRefused(answer)) refused.set(planned, answer.why)
    }
    for (const planned of waiting) {
      const why = refused.get(planned)
      counts[why === undefined ? planned.what : 'refused']++
      const text = why === undefined ? planned.text : `${planned.text}: refused, ${escapeLine(why)}`
      yield { text, value: { difference: planned.text, ...(why === undefined ? {} : { refused: why }) } }
    }
    waiting = []
  }
  for await (const entry of wanted) {
    const planned = await plan(directory, entry, by)
    if (!planned) counts.same++
    else waiting.push(planned)
    // Members refer to entries that have been made.
    if (waiting.length >= BATCH || entry.kind === 'group' || entry.kind === 'domain') yield* flush()
  }
  yield* flush()
  yield {
    text: `${counted(counts.add, 'entry')} added, ${counts.change} changed, ${counts.same} as they were, ${counts.refused} refused${isCheck ? ' (nothing has been changed)' : ''}`,
    value: { ...counts, isCheck },
  }
}

async function plan(directory: DirectoryApi, wanted: WantedEntry, by: string): Promise<Planned | undefined> {
  if (wanted.kind === 'account') return planAccount(wanted, await accountOf(directory, wanted), by)
  if (wanted.kind === 'group') return planGroup(directory, wanted, by)
  if (wanted.kind === 'domain') {
    if (await directory.byName('domain', wanted.name)) return undefined
    return { what: 'add', text: `+ domain ${escapeLine(wanted.name)}`, changes: [{ add: { ...wanted } }] }
  }
  const found = await directory.byName('alias', wanted.match)
  const text = `alias ${escapeLine(wanted.match)}`
  if (!found) return { what: 'add', text: `+ ${text}`, changes: [{ add: { ...wanted } }] }
  if (isSame(found.targets, wanted.targets)) return undefined
  return { what: 'change', text: `~ ${text}: targets`, changes: [{ set: found.id, to: { targets: wanted.targets } }] }
}

async function accountOf(directory: DirectoryApi, wanted: WantedAccount): Promise<DirectoryAccount | undefined> {
  const byName = await directory.byName('account', wanted.name)
  if (byName) return byName
  for (const address of wanted.addresses) {
    const found = await directory.byName('account', address)
    if (found) return found
  }
  return undefined
}

function planAccount(wanted: WantedAccount, found: DirectoryAccount | undefined, by: string): Planned | undefined {
  const forward =
    wanted.forward ?? (wanted.forwardTo === undefined ? undefined : { to: [wanted.forwardTo], keep: false })
  const text = `account ${escapeLine(wanted.name)}`
  if (!found) {
    const { forwardTo: _, ...own } = wanted
    const attributes = { ...wanted.attributes, [SOURCE]: [by] }
    return {
      what: 'add',
      text: `+ ${text}`,
      changes: [{ add: { ...own, attributes, ...(forward ? { forward } : {}) } }],
    }
  }
  const isMissing = wanted.addresses.filter((address) => !hasAddress(found.addresses, address))
  const attributes = attributePatch(found.attributes, wanted.attributes)
  const to: EntryPatch = {
    ...(isMissing.length > 0 ? { addresses: [...found.addresses, ...isMissing] } : {}),
    ...(wanted.displayName !== undefined && found.displayName !== wanted.displayName
      ? { displayName: wanted.displayName }
      : {}),
    ...(forward && !isSame(found.forward?.to ?? [], forward.to) ? { forward } : {}),
    ...(attributes ? { attributes } : {}),
    ...(wanted.password !== undefined && !found.hasPassword ? { password: wanted.password } : {}),
    ...(wanted.quota !== undefined && found.quota !== wanted.quota ? { quota: wanted.quota } : {}),
  }
  const fields = Object.keys(to)
  if (fields.length === 0) return undefined
  return { what: 'change', text: `~ ${text}: ${fields.join(', ')}`, changes: [{ set: found.id, to }] }
}

async function planGroup(directory: DirectoryApi, wanted: WantedGroup, by: string): Promise<Planned | undefined> {
  const found: Group | undefined = await directory.byName('group', wanted.name)
  const text = `group ${escapeLine(wanted.name)}`
  const members: Member[] = []
  for (const address of wanted.members) members.push(await memberOf(directory, address))
  if (!found) {
    const attributes = { ...wanted.attributes, [SOURCE]: [by] }
    const add = { kind: 'group' as const, name: wanted.name, addresses: wanted.addresses, attributes, members }
    return { what: 'add', text: `+ ${text}`, changes: [{ add }] }
  }
  const present = await Array.fromAsync(directory.members(found.id))
  const key = (member: Member) => JSON.stringify(member).toLowerCase()
  // A member that was an address then may be an entry now: it is the same.
  const keyed = await Promise.all(
    present.map(async (member) => ({
      member,
      key: key('address' in member ? await memberOf(directory, member.address) : member),
    })),
  )
  const [have, want] = [new Set(keyed.map((one) => one.key)), new Set(members.map(key))]
  const add = members.filter((member) => !have.has(key(member)))
  const isOurs = found.attributes[SOURCE]?.includes(by) ?? false
  const remove = isOurs ? keyed.filter((one) => !want.has(one.key)).map(({ member }) => member) : []
  const isMissing = wanted.addresses.filter((address) => !hasAddress(found.addresses, address))
  const changes: Change[] = [
    ...(add.length + remove.length > 0 ? [{ set: found.id, members: { add, remove } }] : []),
    ...(isMissing.length > 0 ? [{ set: found.id, to: { addresses: [...found.addresses, ...isMissing] } }] : []),
  ]
  if (changes.length === 0) return undefined
  return { what: 'change', text: `~ ${text}: ${add.length} members more, ${remove.length} less`, changes }
}

/** An account or group by its id, so that it stays a member when its address changes. */
async function memberOf(directory: DirectoryApi, address: string): Promise<Member> {
  const found = (await directory.byName('account', address)) ?? (await directory.byName('group', address))
  return found ? { id: found.id } : { address }
}

const hasAddress = (addresses: readonly string[], address: string) =>
  addresses.some((one) => one.toLowerCase() === address.toLowerCase())

const isSame = (one: readonly string[], other: readonly string[]) =>
  one.length === other.length && one.every((value, n) => value.toLowerCase() === other[n]?.toLowerCase())

/** The attributes with the wanted ones in place; undefined when they are. */
function attributePatch(found: Attributes, wanted: Attributes = {}): Attributes | undefined {
  const differs = Object.entries(wanted).some(([name, values]) => !isSame(found[name] ?? [], values))
  return differs ? { ...found, ...wanted } : undefined
}
