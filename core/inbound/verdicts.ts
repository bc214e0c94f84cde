/**
 * Combines the verdicts of `check` on a message and on single recipients into replies.
 *
 * A client that gets one reply for each RCPT (LMTP) gets each recipient's own. With a single reply (SMTP), a temporary
 * refusal for one recipient defers the whole message, and nothing is stored; a permanent refusal for some is reported
 * to the sender as a bounce, and the others get the message. Invariants: each recipient gets the message, is refused to
 * the client, is reported, or is discarded by a verdict that names it; a recipient for which the client is asked to
 * retry does not get this copy.
 */
import type { Recipient, RecipientVerdict, Routed, Verdict } from '../api/hooks.ts'
import { classOf, type Refusal, type Reply } from '../api/reply.ts'
import type { Placed } from '../queue/accept.ts'

/** Collects the verdicts of one message. */
export interface Verdicts {
  /** The recipients that no verdict has removed. */
  recipients(): readonly Recipient[]
  /** Adds verdicts for some recipients. The last one for a recipient wins, but a refusal stands. */
  add(verdicts: readonly RecipientVerdict[]): void
  of(recipient: Recipient): Verdict | undefined
}

export function createVerdicts(all: readonly Recipient[]): Verdicts {
  const given = new Map<Recipient, Verdict>()
  return {
    recipients: () => all.filter((one) => (given.get(one)?.kind ?? 'quarantine') === 'quarantine'),
    add(verdicts) {
      for (const { recipients, ...verdict } of verdicts) {
        const addresses = new Set(recipients.map(({ address }) => address))
        for (const one of all)
          if (addresses.has(one.address) && given.get(one)?.kind !== 'refuse') given.set(one, verdict)
      }
    },
    of: (recipient) => given.get(recipient),
  }
}

/** The result for the recipients, and the reply for each group; undefined means accepted. */
export interface Decision {
  readonly refusals: readonly (Reply | undefined)[]
  /** Accepted, possibly held. */
  readonly taken: readonly Placed[]
  /** Refused in a report to the sender. */
  readonly reported: readonly Placed[]
  /** Reason of the first discard. */
  readonly discarded?: string
}

/** The refusal of a group of recipients that share a reply. */
function refusalOf(group: readonly Routed[], verdictOf: (one: Routed) => Verdict | undefined): Reply | undefined {
  const refusals = group.map(verdictOf).filter((one): one is Refusal => one?.kind === 'refuse')
  const later = refusals.find(({ reply }) => classOf(reply) === 'temporary')
  if (later) return later.reply
  return refusals.length === group.length ? refusals[0]?.reply : undefined
}

/** Decides for groups of recipients, each of which gets one reply; `whole` is the verdict on the whole message. */
export function decide(
  groups: readonly (readonly Routed[])[],
  verdicts: Verdicts,
  whole: Exclude<Verdict, Refusal> | undefined,
): Decision {
  const verdictOf = ({ recipient }: Routed): Verdict | undefined => {
    const own = verdicts.of(recipient)
    return own?.kind === 'refuse' || own?.kind === 'discard' ? own : (whole ?? own)
  }
  const refusals = groups.map((group) => refusalOf(group, verdictOf))
  const included = new Set(groups.flatMap((group, index) => (refusals[index] ? [] : group)))
  const taken: Placed[] = []
  const reported: Placed[] = []
  let discarded: string | undefined
  for (const one of included) {
    const verdict = verdictOf(one)
    if (verdict === undefined) taken.push(one)
    else if (verdict.kind === 'quarantine') taken.push({ ...one, held: verdict.reason })
    else if (verdict.kind === 'refuse') reported.push({ ...one, refused: verdict.reply })
    else discarded ??= verdict.reason
  }
  return { refusals, taken, reported, ...(discarded === undefined ? {} : { discarded }) }
}
