/**
 * A list in the directory: an entry that LDAP and groups see, and routing entries that lead its addresses here.
 *
 * Invariants: a list whose domain is not the directory's needs no entry to receive mail; the entries of a list are
 * removed with it.
 */
import { type Change, type DirectoryApi, isRefused } from '../directory/store/api.ts'
import type { MailingList } from './api.ts'
import { roleAddress, SUFFIXES } from './records.ts'

export interface EntriesDeps {
  readonly directory: DirectoryApi | undefined
  /** The name of the channel. */
  readonly channel: string
}

/** Local parts that carry something behind a `+`. */
const DETAILED = ['bounces', 'confirm', 'approved'] as const

export class DirectoryEntries {
  readonly #directory: DirectoryApi | undefined
  readonly #channel: string

  constructor({ directory, channel }: EntriesDeps) {
    this.#directory = directory
    this.#channel = channel
  }

  /**
   * Returns the ids of the new entries. Throws when the directory refuses, for example because an account has the
   * address.
   */
  async add({ address, settings }: Pick<MailingList, 'address' | 'settings'>, by: string): Promise<readonly string[]> {
    const directory = this.#directory
    if (!directory) return []
    const domain = address.slice(address.lastIndexOf('@') + 1)
    const name = address.replace('@', ' at ')
    const description = settings.description === '' ? {} : { description: [settings.description] }
    const changes: Change[] = [
      {
        add: {
          kind: 'object',
          rdn: `cn=${name}`,
          attributes: {
            objectclass: ['top', 'applicationProcess', 'extensibleObject'],
            cn: [name],
            mail: [address],
            ...description,
          },
        },
      },
    ]
    if (await directory.byName('domain', domain)) {
      const matches = [
        address,
        ...Object.keys(SUFFIXES).map((suffix) => address.replace('@', `-${suffix}@`)),
        ...DETAILED.map((role) => roleAddress(address, role, '*')),
      ]
      const target = { channel: this.#channel, nexthop: 'lists' }
      changes.push(...matches.map((match): Change => ({ add: { kind: 'route', match, target } })))
    }
    const done = await directory.change(changes, by)
    const refused = done.find(isRefused)
    if (refused) throw new Error(`The directory refuses the list: ${refused.why}`)
    return done.flatMap((one) => ('entry' in one ? [one.entry.id] : []))
  }

  async remove({ entries = [] }: MailingList, by: string): Promise<void> {
    if (entries.length > 0)
      await this.#directory?.change(
        entries.map((remove) => ({ remove })),
        by,
        'each',
      )
  }
}
