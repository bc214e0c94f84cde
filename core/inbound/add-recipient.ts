/**
 * How a recipient gets into a transaction.
 *
 * Invariants: a recipient is taken only if a route was found, the channel at its end lets this sender in, and no `rcpt`
 * tap refused it; each address at each channel is in the transaction once.
 */
import type { Recipient, Routed, Session, Subject } from '../api/hooks.ts'
import { defer, type Refusal } from '../api/reply.ts'
import type { Trace } from '../message/trace.ts'
import type { Resolve } from './resolve.ts'
import type { Transaction } from './transaction.ts'

export interface TransactionContext {
  readonly resolve: Resolve
  readonly session: Session
  /** Expansions included. */
  readonly maxRecipients: number
  /** Calls the `rcpt` hook; a fault of its taps is a refusal. */
  ask(subject: Subject<'rcpt'>, trace: Trace): Promise<Refusal | undefined>
}

/** Where a recipient's mail goes for a session, if no tap refuses it. */
async function routeOf(
  { resolve, session, ask }: TransactionContext,
  { to, by }: { readonly to: Recipient; readonly by: Session },
  { trace, parameters, from: sender }: Transaction,
): Promise<Refusal | readonly Routed[]> {
  const from = to.from ?? sender
  const routed = await resolve.resolve(to, from, by, trace.run)
  if ('kind' in routed) return routed
  const channels = [...new Set(routed.map(({ route }) => route.channel))]
  const run = channels.length === 1 ? { ...trace.run, to: channels[0] as string } : trace.run
  return (await ask({ to, from, session, parameters, routed }, { ...trace, run })) ?? routed
}

/** Adds what a recipient comes to, once each. Throws on faults. */
export async function addRecipient(
  context: TransactionContext,
  to: Recipient,
  begun: Transaction,
): Promise<Refusal | undefined> {
  const { session, resolve, maxRecipients } = context
  const { recipients } = begun
  let routed = await routeOf(context, { to, by: session }, begun)
  const deputy = 'kind' in routed ? resolve.insteadOf(to, routed) : undefined
  // It is the administrator who names the postmaster, wherever their mailbox is.
  if (deputy) routed = await routeOf(context, { to: deputy, by: { ...session, trusted: true } }, begun)
  if ('kind' in routed) return routed
  if (recipients.length + routed.length > maxRecipients) return defer(452, '4.5.3', 'Too many recipients')
  const each = routed.map((one) => {
    const known = recipients.find(
      ({ recipient, route }) => recipient.address === one.recipient.address && route.channel === one.route.channel,
    )
    if (!known) recipients.push(one)
    return known ?? one
  })
  begun.each.push(each)
  return undefined
}
