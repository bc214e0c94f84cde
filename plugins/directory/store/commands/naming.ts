/**
 * Resolves the names of entries and members in commands, and builds changes from their words.
 */
import type { SetupContext } from 'iems'
import type { Change, DirectoryApi, Entry, EntryKind, Member, NewEntry } from '../api.ts'
import { nameOfEntry } from '../entry-view.ts'
import type { MailRouting } from '../mail-routing.ts'
import { type Patch, patchOf, type Written } from './fields.ts'

export interface CommandsDeps {
  readonly service: DirectoryApi
  readonly flow: MailRouting
  readonly ctx: Pick<SetupContext, 'openSession' | 'clock'>
}

/** The recorded user of changes at the server's own command line. */
export const BY = 'command line'

const KINDS: readonly EntryKind[] = ['account', 'group', 'alias', 'domain', 'unit', 'object', 'route']

export async function anyEntry(service: DirectoryApi, name: string): Promise<Entry | undefined> {
  for (const kind of KINDS) {
    const found = await service.byName(kind, name)
    if (found) return found
  }
  return service.byId(name)
}

export async function entryOf<K extends EntryKind>(service: DirectoryApi, kind: K, name: string) {
  const found = (await service.byName(kind, name)) ?? (await service.byId(name))
  if (!found || found.kind !== kind) throw new Error(`There is no ${kind} ${name}`)
  return found as Extract<Entry, { kind: K }>
}

/** An external address, or the name of an account or a group. */
export async function memberOf(service: DirectoryApi, text: string): Promise<Member> {
  const found = (await service.byName('account', text)) ?? (await service.byName('group', text))
  if (found) return { id: found.id }
  if (!text.includes('@')) throw new Error(`There is no account or group ${text}`)
  return { address: text }
}

export async function nameOfMember(service: DirectoryApi, member: Member): Promise<string> {
  if ('address' in member) return member.address
  if (!('id' in member)) return 'path' in member ? member.path : member.dn
  const entry = await service.byId(member.id)
  return entry ? nameOfEntry(entry) : member.id
}

const membersOf = (service: DirectoryApi, names: readonly string[]) =>
  Promise.all(names.map((name) => memberOf(service, name)))

export async function newEntry(service: DirectoryApi, kind: EntryKind, { fields, members }: Patch): Promise<Change> {
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))
  const named = [...(members?.set ?? []), ...(members?.add ?? [])]
  const list = named.length > 0 ? { members: await membersOf(service, named) } : {}
  return { add: { kind, ...given, ...list } as unknown as NewEntry }
}

export async function changesOf(service: DirectoryApi, entry: Entry, words: readonly Written[]): Promise<Change[]> {
  const { fields, members } = patchOf(entry.kind, words, entry)
  const changes: Change[] = []
  if (Object.keys(fields).length > 0) changes.push({ set: entry.id, to: fields })
  if (members) {
    const add = await membersOf(service, [...(members.set ?? []), ...members.add])
    const old = members.set ? await Array.fromAsync(service.members(entry.id)) : []
    const remove = [...old, ...(await membersOf(service, members.remove))]
    const isKept = (one: Member) => add.some((other) => JSON.stringify(other) === JSON.stringify(one))
    changes.push({ set: entry.id, members: { add, remove: remove.filter((one) => !isKept(one)) } })
  }
  return changes
}

/** The first domain of an entry's addresses that does not exist in the directory; undefined when there is none. */
export async function whyUnknownDomain(service: DirectoryApi, fields: object): Promise<string | undefined> {
  const { addresses } = fields as { addresses?: unknown }
  if (!Array.isArray(addresses)) return undefined
  for (const address of addresses as readonly unknown[]) {
    const domain = String(address).split('@').at(-1) as string
    if (String(address).includes('@') && !(await service.byName('domain', domain)))
      return `there is no domain ${domain}, so no mail arrives at ${address}; iems domain add ${domain} makes it`
  }
  return undefined
}
