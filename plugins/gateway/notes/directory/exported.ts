/**
 * Accounts and groups of this server as entries of Domino's LDAP. Domino forwards mail for these persons to this server
 * (MailSystem 5).
 *
 * Invariants: entries that came from Notes are not sent back; each entry has the mark by which it is known again, so
 * that neither side takes its own entries for the other's.
 */
import type { DirectoryApi, Member } from '../../../directory/store/api.ts'
import { NAME_ATTRIBUTE } from '../book.ts'
import { dnOfNotesName, escapeDn } from './ldap-entry.ts'

/** In the description of an entry that this server made. */
export const MARK = 'IEMS'
const MAX_MEMBERS = 100_000

export interface ExportedEntry {
  readonly dn: string
  readonly attributes: Readonly<Record<string, readonly string[]>>
}

export async function* exportedEntries(directory: DirectoryApi, organisation: string): AsyncGenerator<ExportedEntry> {
  const dnOf = (name: string) => `cn=${escapeDn(name)}${organisation === '' ? '' : `,o=${escapeDn(organisation)}`}`
  for await (const entry of directory.all(['account', 'group'])) {
    const [address] = entry.addresses
    if (address === undefined || entry.attributes[NAME_ATTRIBUTE]) continue
    const shown = shownName(entry)
    const common = { cn: [shown], mail: [address], description: [MARK] }
    if (entry.kind === 'account')
      yield {
        dn: dnOf(shown),
        attributes: {
          objectclass: ['person', 'inetOrgPerson', 'dominoPerson'],
          ...common,
          sn: [shown.split(' ').at(-1) ?? shown],
          uid: [entry.name],
          // 5: another Internet mail system, to which Domino forwards.
          mailsystem: ['5'],
          mailaddress: [address],
        },
      }
    else {
      const members: string[] = []
      for await (const member of directory.members(entry.id)) {
        members.push(await memberDn(directory, member, dnOf))
        if (members.length >= MAX_MEMBERS) break
      }
      // A groupOfNames has a member at least: a group without any stands for its own address.
      const member = members.length > 0 ? members : [`cn=${escapeDn(address)}`]
      yield {
        dn: dnOf(shown),
        attributes: { objectclass: ['groupOfNames', 'dominoGroup'], ...common, grouptype: ['1'], member },
      }
    }
  }
}

const shownName = (entry: { readonly name: string; readonly displayName?: string }) => entry.displayName ?? entry.name

/** A member that came from Notes has its name there; an address by itself is one in Notes too. */
async function memberDn(directory: DirectoryApi, member: Member, dnOf: (name: string) => string): Promise<string> {
  if ('address' in member) return `cn=${escapeDn(member.address)}`
  if ('dn' in member) return member.dn
  const entry = 'id' in member ? await directory.byId(member.id) : await directory.at(member.path)
  if (entry?.kind !== 'account' && entry?.kind !== 'group') return `cn=${escapeDn(Object.values(member).join(''))}`
  const [name] = entry.attributes[NAME_ATTRIBUTE] ?? []
  return name === undefined ? dnOf(shownName(entry)) : dnOfNotesName(name)
}
