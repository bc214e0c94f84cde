/**
 * What `check` says of a message and of single recipients, and what the client is answered.
 *
 * A client that gets one reply for each RCPT (LMTP) gets each recipient's own. One that gets a single reply (SMTP) cannot
 * be told of one recipient alone, so: a temporary refusal for one is the answer to the whole message, and nothing is
 * kept; a permanent refusal for some is reported to the sender as a bounce, and the others get the message. What must
 * stay true: each recipient gets the message, is refused to the client, is reported, or was discarded by a verdict that
 * names it; a recipient that the client is told to send to again does not get this copy.
 */
import type { Quarantine, Recipient, RecipientVerdict, Routed, Verdict } from '../api/hooks.ts'
import { classOf, type Refusal, type Reply } from '../api/reply.ts'
import type { Placed } from '../queue/accept.ts'

/** Collects the verdicts of one message. */
export interface Verdicts {
  /** The recipients that no verdict has taken out so far. */
  recipients(): readonly Recipient[]
  /** Verdicts for some recipients; the last one for a recipient counts, but a refusal stands. */
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

/** What becomes of the recipients, and what the client is answered for each group; undefined means accepted. */
export interface Decision {
  readonly refusals: readonly (Reply | undefined)[]
  /** They get the message, perhaps held. */
  readonly taken: readonly Placed[]
  /** Their sender gets a report. */
  readonly reported: readonly Placed[]
  /** Why the first of those that a verdict discarded was. */
  readonly discarded?: string
}

/** The refusal of a group of recipients that are answered together. */
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
  const placed = [...included].map((one) => ({ one, verdict: verdictOf(one) }))
  const held = (verdict: Quarantine | undefined) => (verdict ? { held: verdict.reason } : {})
  const discard = placed.map(({ verdict }) => verdict).find((verdict) => verdict?.kind === 'discard')
  return {
    refusals,
    taken: placed.flatMap(({ one, verdict }) =>
      verdict === undefined || verdict.kind === 'quarantine' ? [{ ...one, ...held(verdict) }] : [],
    ),
    reported: placed.flatMap(({ one, verdict }) =>
      verdict?.kind === 'refuse' ? [{ ...one, refused: verdict.reply }] : [],
    ),
    ...(discard?.kind === 'discard' ? { discarded: discard.reason } : {}),
  }
}
