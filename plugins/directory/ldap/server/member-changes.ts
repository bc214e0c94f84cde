/**
 * Modifications that only add and remove group members.
 *
 * Invariants: the cost depends on the named members, never on the size of the group.
 */
import type { Change, DirectoryApi, Entry, Member } from '../../store/api.ts'
import { type EntryFields, textOfMember } from './entry-fields.ts'
import type { Modification } from './protocol/requests.ts'
import { LdapError } from './protocol/responses.ts'
import { describe } from './schema.ts'
import { textOf } from './values.ts'

export class MemberChanges {
  readonly #directory: Pick<DirectoryApi, 'memberOf'>
  readonly #fields: EntryFields

  constructor(directory: Pick<DirectoryApi, 'memberOf'>, fields: EntryFields) {
    this.#directory = directory
    this.#fields = fields
  }

  /** Undefined when the modifications concern other attributes too. */
  async alone(entry: Entry, modifications: readonly Modification[]): Promise<Change[] | undefined> {
    const isQuick = ({ how, attribute }: Modification) =>
      (how === 'add' || how === 'delete') &&
      attribute.values.length > 0 &&
      ['member', 'uniquemember'].includes(describe(attribute.type)?.key ?? '')
    if (entry.kind !== 'group' || !modifications.every(isQuick)) return undefined
    const add = new Map<string, Member>()
    const remove = new Map<string, Member>()
    for (const { how, attribute } of modifications) {
      for (const value of attribute.values) {
        const text = textOf(value, attribute)
        const member = await this.#fields.memberOf(text, entry.id)
        const key = textOfMember(member)
        const isIn = add.has(key) || (!remove.has(key) && (await this.#isMember(entry.id, member)))
        if (how === 'add') {
          if (isIn) throw new LdapError('attributeOrValueExists', `${text} is in the group`)
          if (!remove.delete(key)) add.set(key, member)
        } else {
          if (!isIn) throw new LdapError('noSuchAttribute', `${text} is not in the group`)
          if (!add.delete(key)) remove.set(key, member)
        }
      }
    }
    return [{ set: entry.id, members: { add: [...add.values()], remove: [...remove.values()] } }]
  }

  async #isMember(group: string, member: Member): Promise<boolean> {
    for await (const above of this.#directory.memberOf(member)) if (above === group) return true
    return false
  }
}
