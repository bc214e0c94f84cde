/**
 * Shared by this plugin's commands: their dependencies, and the lookup of a list by its address.
 */
import type { Clock } from 'iems'
import type { MailingList } from '../api.ts'
import type { Archive } from '../archive.ts'
import type { DirectoryEntries } from '../directory-entries.ts'
import type { Membership } from '../membership.ts'
import type { Moderation } from '../moderation.ts'
import type { Posting } from '../posting.ts'
import type { Roster } from '../roster.ts'

export interface CommandDeps {
  readonly roster: Roster
  readonly posting: Posting
  readonly moderation: Moderation
  readonly membership: Membership
  readonly archive: Archive | undefined
  readonly entries: DirectoryEntries
  readonly clock: Clock
  forgetDigests(list: MailingList): Promise<void>
}

export async function listNamed(roster: Roster, name: string): Promise<MailingList> {
  const found = await roster.list(name)
  if (!found) throw new Error(`There is no list ${name}`)
  return found
}
