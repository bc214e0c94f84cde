/**
 * Shared by this plugin's commands: their dependencies, and the lookup of a list by its address.
 */
import { type Clock, type CommandOutput, counted, escapeText } from 'iems'
import type { MailingList, ManyResult } from '../api.ts'
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

/** Results of a change of many members, as a command yields them. */
export async function* shownResults(results: AsyncIterable<ManyResult>): AsyncGenerator<CommandOutput> {
  for await (const one of results) {
    if (one.kind === 'progress') yield { progress: counted(one.done + one.faults, 'member') }
    else if (one.kind === 'fault') {
      const address = one.address === undefined ? '' : ` ${escapeText(one.address)}`
      yield { text: `line ${one.line}:${address} ${one.fault}`, value: { line: one.line, fault: one.fault } }
    } else {
      const { done, faults } = one
      yield { text: `${counted(done, 'member')} done, ${counted(faults, 'fault')}`, value: { done, faults } }
    }
  }
}
