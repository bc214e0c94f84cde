/**
 * Many members added, set or removed at once: those that are right count, each of the others is a line.
 */
import type { MailingList, Many, ManyResult } from './api.ts'
import { type Fault, type NewMember, readMembers } from './import/members.ts'
import type { Membership } from './membership.ts'
import { foldAddress } from './records.ts'
import type { Roster } from './roster.ts'

export type { Many, ManyResult } from './api.ts'

/** Members of one commit. */
const BATCH = 200

export interface ManyDeps {
  readonly roster: Roster
  readonly membership: Membership
}
type Read = NewMember | Fault

async function* batchesOf(members: AsyncIterable<Read> | Iterable<Read>): AsyncGenerator<readonly Read[]> {
  let batch: Read[] = []
  for await (const one of members) {
    batch.push(one)
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  yield batch
}

export function changeMany(
  deps: ManyDeps,
  many: Many,
  input: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<ManyResult> {
  return changeRead(deps, many, readMembers(input), signal)
}

/** Adds members that have been read, without a welcome. */
export function addMembers(
  deps: ManyDeps,
  list: string,
  members: readonly Read[],
  signal: AbortSignal,
): AsyncGenerator<ManyResult> {
  return changeRead(deps, { list, action: 'add', welcome: false }, members, signal)
}

async function* changeRead(
  { roster, membership }: ManyDeps,
  many: Many,
  members: AsyncIterable<Read> | Iterable<Read>,
  signal: AbortSignal,
): AsyncGenerator<ManyResult> {
  const list = await roster.list(many.list)
  if (!list) throw new Error(`There is no list ${many.list}`)
  let done = 0
  let faults = 0
  for await (const batch of batchesOf(members)) {
    signal.throwIfAborted()
    const isDone = many.action === 'add' && !many.welcome && (await addAll(roster, list, batch))
    for (const given of batch) {
      const fault = isDone ? undefined : await changeOne(membership, list, many, given)
      if (fault === undefined) {
        done++
        continue
      }
      faults++
      yield { kind: 'fault', line: given.line, fault, ...('fault' in given ? {} : { address: given.address }) }
    }
    yield { kind: 'progress', done, faults }
  }
  yield { kind: 'end', done, faults }
}

/** Adds all in one commit; false when they must be added one by one. */
async function addAll(roster: Roster, list: MailingList, batch: readonly Read[]): Promise<boolean> {
  const members = batch.flatMap((given) => {
    const address = 'fault' in given ? undefined : foldAddress(given.address)
    return address === undefined || 'fault' in given ? [] : [{ address, options: given.options }]
  })
  return members.length === batch.length && roster.addAll(list, members)
}

/** Returns the error, if any. */
async function changeOne(
  membership: Membership,
  list: MailingList,
  { action, welcome }: Many,
  given: Read,
): Promise<string | undefined> {
  if ('fault' in given) return given.fault
  const address = foldAddress(given.address)
  if (address === undefined) return 'not an address'
  if (action === 'remove') return (await membership.leave(list, address)) === 'done' ? undefined : 'not a member'
  if (action === 'set') return (await membership.set(list, address, given.options)) ? undefined : 'not a member'
  return (await membership.join(list, address, given.options, welcome)) === 'done' ? undefined : 'a member already'
}
