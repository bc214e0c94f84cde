/**
 * Adds a recipient to a transaction.
 *
 * Invariants: a recipient is added only if it has a route, the destination channel admits this sender, and no `rcpt`
 * tap refuses it; each address is in the transaction once per channel.
 */
import type { Recipient, Routed, Session, Subject } from '../api/hooks.ts'
import { defer, type Refusal } from '../api/reply.ts'
import type { Trace } from '../message/trace.ts'
import type { Resolve } from './resolve.ts'
import type { Transaction } from './transaction.ts'

export interface TransactionContext {
  readonly resolve: Resolve
  readonly session: Session
  /** Including expansions. */
  readonly maxRecipients: number
  /** Runs the `rcpt` hook; a fault in a tap is a refusal. */
  ask(subject: Subject<'rcpt'>, trace: Trace): Promise<Refusal | undefined>
}

/** The routes of a recipient for a session, unless a tap refuses it. */
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

/** Adds the recipients that an address resolves to, each once. Throws on faults. */
export async function addRecipient(
  context: TransactionContext,
  to: Recipient,
  begun: Transaction,
): Promise<Refusal | undefined> {
  const { session, resolve, maxRecipients } = context
  const { recipients } = begun
  let routed = await routeOf(context, { to, by: session }, begun)
  const deputy = 'kind' in routed ? resolve.insteadOf(to, routed) : undefined
  // The administrator configures the postmaster, so no relay check applies to their mailbox.
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
