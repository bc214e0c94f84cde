/**
 * Periodic work: interrupted mailings, digests, bounces, and expired records.
 */
import type { Clock, ContentStore, Log, Store } from 'iems'
import type { MailingList } from './api.ts'
import type { Bounces } from './bounces.ts'
import { Digests } from './digests.ts'
import type { Mailings } from './mailing.ts'
import type { Posting } from './posting.ts'
import { repliesBefore } from './records.ts'
import type { Roster } from './roster.ts'
import type { Tokens } from './tokens.ts'

export interface SweepDeps {
  readonly store: Store
  readonly contents: ContentStore
  readonly clock: Clock
  readonly log: Log
  readonly roster: Roster
  readonly posting: Posting
  readonly mailings: Mailings
  readonly tokens: Tokens
  readonly bounces: Bounces
  readonly site: string | undefined
  readonly hold: number
}

const DAY_MS = 86_400_000

export function createSweep(deps: SweepDeps) {
  const { store, clock, log, roster, posting, mailings, tokens, bounces, hold } = deps
  const digests = new Digests(deps)

  async function run(signal: AbortSignal): Promise<void> {
    for await (const list of roster.lists()) {
      for await (const held of posting.allHeld(list)) if (clock.now() - held.at > hold) await posting.forget(list, held)
      await digests.sendDue(list, signal)
    }
    for await (const { id } of mailings.left())
      await mailings.run(id, signal).catch((cause: unknown) => log.warn('a mailing waits', { mailing: id, cause }))
    await bounces.sweep(signal)
    await tokens.sweep()
    for await (const [at] of store.scan(repliesBefore(Math.floor(clock.now() / DAY_MS) - 1)))
      await store.commit([{ del: at }])
  }

  const forgetDigests = (list: MailingList) => digests.forget(list)
  return { run, forgetDigests }
}
