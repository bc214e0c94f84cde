/**
 * What a listening channel says to the kernel about one client: five calls in the order of RFC 5321, then the content.
 *
 * The channel translates its protocol; what is allowed is decided here, by hooks and by the destination channel. What
 * must stay true: this file knows no sockets, no TLS and no command syntax; a recipient is taken only if no tap refused
 * it, a route was found, and the channel at its end lets this sender in; every fault is a temporary refusal.
 */

import type { Clock } from '../api/clock.ts'
import { IemsError } from '../api/errors.ts'
import type { EventName } from '../api/events.ts'
import type { HookName, Identity, MailParameters, Priority, Recipient, Session, Subject } from '../api/hooks.ts'
import { defer, FAULT, format, type Refusal, refuse } from '../api/reply.ts'
import type { ConnectionInfo, ServerSession } from '../api/session.ts'
import { createJudge } from '../auth/authenticator.ts'
import type { Attempts } from '../auth/login-throttle.ts'
import type { Rights } from '../auth/rights.ts'
import { converse } from '../auth/sasl/exchange.ts'
import { offeredMechanisms } from '../auth/sasl/mechanisms.ts'
import { newId } from '../message/ids.ts'
import { createTrace, type Trace } from '../message/trace.ts'
import type { RememberRefusal } from '../queue/refusals.ts'
import type { Emit } from '../runtime/log.ts'
import type { Hooks } from '../runtime/wiring.ts'
import type { Receive } from './receive.ts'
import { mayRelay, type Resolve } from './resolve.ts'
import { newTransaction, noteRefused, refusedTransaction, type Transaction } from './transaction.ts'

export interface SessionDeps {
  readonly hooks: Hooks
  readonly clock: Clock
  readonly emit: Emit
  readonly resolve: Resolve
  readonly receive: Receive
  /** Keeps a trace of a transaction of which no recipient was taken. */
  readonly refusals: RememberRefusal
  readonly attempts: Attempts
  readonly rights: Rights
  readonly secret: () => Promise<Uint8Array>
  /** Most recipients of one message, expansions included. */
  readonly recipients: number
}

/** Where this session comes in. */
export interface InboundChannel {
  readonly channel: string
  trusts(address: string): boolean
  /** Has the ids of its open sessions. */
  readonly open?: Set<string>
}

/** RFC 6710 priorities count only from those who may relay: anyone would be urgent. */
function priorityOf(session: Session, { mtPriority = 0 }: MailParameters, wished?: Priority): Priority {
  if (wished && (wished !== 'urgent' || mayRelay(session))) return wished
  if (mtPriority > 0 && mayRelay(session)) return 'urgent'
  return mtPriority < 0 ? 'bulk' : 'normal'
}

const NO_MECHANISM = refuse(504, '5.5.4', 'Authentication mechanism not offered')
const NO_MAIL = refuse(503, '5.5.1', 'Send MAIL first')
const EXPIRED = refuse(535, '5.7.8', 'The login has expired')
const REVOKED = defer(421, '4.7.0', 'The login is no longer valid')
const NO_RECIPIENTS = refuse(554, '5.5.1', 'No valid recipients')

/** `deps` are those of the kernel that serves the channel now: a session may outlive the kernel that opened it. */
export function openSession(
  deps: () => SessionDeps,
  { channel, trusts, open }: InboundChannel,
  facts: ConnectionInfo,
): ServerSession {
  const { clock } = deps()
  const emit: Emit = (name, fields) => deps().emit(name, fields)
  const { binding: first, ...tls } = facts.tls ?? {}
  let binding = first
  let session: Session = {
    id: newId(clock.now()),
    channel,
    protocol: facts.protocol,
    remote: facts.remote,
    ...(facts.local ? { local: facts.local } : {}),
    ...(facts.tls ? { tls: tls as NonNullable<Session['tls']> } : {}),
    trusted: trusts(facts.remote.address),
    submission: facts.submission ?? false,
    brings: facts.brings ?? 'mail',
  }
  /** What was said of the client before any message; every transaction begins with it. */
  let greeting = createTrace({ clock, from: channel })
  let heloRan = false
  let transaction: Transaction | undefined
  open?.add(session.id)
  emit('session.opened', { session: session.id, channel, remote: session.remote.address })

  function refused(event: EventName, refusal: Refusal, fields: Readonly<Record<string, unknown>> = {}): Refusal {
    emit(event, {
      session: session.id,
      channel,
      remote: session.remote.address,
      ...fields,
      reply: format(refusal.reply),
    })
    return refusal
  }

  /** A hook that may refuse; a fault of its taps is `fault`. */
  async function ask<K extends HookName & ('connect' | 'helo' | 'mail' | 'rcpt')>(
    hook: K,
    subject: Subject<K>,
    fault: Refusal,
    { run }: Trace,
  ) {
    if (!deps().hooks.isTapped(hook)) return undefined
    try {
      return (await deps().hooks.call(hook, subject, run)) as Refusal | undefined
    } catch (cause) {
      if (!(cause instanceof IemsError)) emit('kernel.fault', { hook, session: session.id, cause })
      return fault
    }
  }

  /** Most sessions never log in. */
  const judge = () =>
    createJudge(deps(), {
      session,
      run: greeting.run,
      denied: (refusal, { username: user, authzid }) =>
        refused('session.auth-failed', refusal, { user, ...(authzid === undefined ? {} : { authzid }) }),
    })

  /** What came of an attempt; from here on the client is who it has shown to be. */
  function accepted(answer: Identity | Refusal): Identity | Refusal {
    if (answer.kind === 'refuse') return answer
    session = { ...session, identity: answer }
    unwatch ??= deps().rights.watch(async () => void (await recheck()))
    const { user, actor } = answer
    emit('session.authenticated', { session: session.id, channel, user })
    if (actor)
      emit('session.proxied', {
        session: session.id,
        channel,
        protocol: session.protocol,
        remote: session.remote.address,
        actor: actor.user,
        user,
      })
    return answer
  }

  const revoked = new AbortController()
  let unwatch: (() => void) | undefined
  let rechecked: (() => void) | undefined

  /** Asks again who the client is. A fault says nothing of it; before mail it is "later". */
  async function recheck(): Promise<Refusal | undefined> {
    const { identity } = session
    if (revoked.signal.aborted) return REVOKED
    if (!identity) return undefined
    if (identity.expires !== undefined && identity.expires <= clock.now()) return revoke(identity, EXPIRED)
    if (!deps().hooks.isTapped('reidentify')) return undefined
    let answer: Identity | Refusal | undefined
    try {
      answer = (await deps().hooks.call('reidentify', { identity, session }, greeting.run)) ?? undefined
    } catch (cause) {
      if (!(cause instanceof IemsError)) emit('kernel.fault', { hook: 'reidentify', session: session.id, cause })
      return FAULT
    }
    // The client may have become another meanwhile.
    if (!answer || session.identity !== identity) return undefined
    if (answer.kind === 'identity') {
      const { expires } = identity
      session = { ...session, identity: { ...answer, ...(expires === undefined ? {} : { expires }) } }
      rechecked?.()
      return undefined
    }
    return revoke(identity, answer)
  }

  function revoke({ user }: Identity, { reply }: Refusal): Refusal {
    emit('session.revoked', { session: session.id, channel, user, reply: format(reply) })
    transaction = undefined
    revoked.abort(reply.text)
    return REVOKED
  }

  async function helo(): Promise<Refusal | undefined> {
    if (heloRan) return undefined
    const refusal = await ask('helo', session, FAULT, greeting)
    heloRan = refusal === undefined
    return refusal
  }

  async function begin(from: string, parameters: MailParameters): Promise<Refusal | undefined> {
    const id = newId(clock.now())
    const trace = createTrace({
      clock,
      message: id,
      from: channel,
      findings: greeting.findings,
      steps: greeting.steps,
      state: greeting.state,
    })
    const refusal = await ask('mail', { from, parameters, session }, FAULT, trace)
    if (!refusal) transaction = newTransaction({ id, from, parameters, trace })
    return refusal
  }

  /** Ends the transaction, if there is one; what came to nothing because of its recipients leaves a trace. */
  function endTransaction(): void {
    const ended = transaction
    transaction = undefined
    const trace = ended && refusedTransaction(ended)
    if (trace) deps().refusals({ ...trace, session, priority: priorityOf(session, ended.parameters) })
  }

  /** Where a recipient's mail goes, if no tap refuses it. */
  async function take(to: Recipient, by: Session, begun: Transaction) {
    const { parameters, trace } = begun
    const from = to.from ?? begun.from
    const routed = await deps().resolve.resolve(to, from, by, trace.run)
    if ('kind' in routed) return routed
    const channels = [...new Set(routed.map(({ route }) => route.channel))]
    const run = channels.length === 1 ? { ...trace.run, to: channels[0] as string } : trace.run
    return (await ask('rcpt', { to, from, session, parameters, routed }, FAULT, { ...trace, run })) ?? routed
  }

  /** Adds what a recipient comes to, once each. */
  async function add(to: Recipient, begun: Transaction): Promise<Refusal | undefined> {
    const { recipients } = begun
    let routed = await take(to, session, begun)
    const deputy = 'kind' in routed ? deps().resolve.insteadOf(to, routed) : undefined
    // It is the administrator who names the postmaster, wherever their mailbox is.
    if (deputy) routed = await take(deputy, { ...session, trusted: true }, begun)
    if ('kind' in routed) return routed
    if (recipients.length + routed.length > deps().recipients) return defer(452, '4.5.3', 'Too many recipients')
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

  return {
    get session() {
      return session
    },
    async connect() {
      const refusal = await ask('connect', session, defer(421, '4.3.0', 'Local error, try again later'), greeting)
      return refusal && refused('session.refused', refusal)
    },
    update(facts) {
      const { remote, identity, tls: secured, ...others } = facts
      const { binding: bound, ...tls } = secured ?? {}
      if (secured) binding = bound
      const rest = { ...others, ...(secured ? { tls: tls as NonNullable<Session['tls']> } : {}) }
      const { identity: before, ...unknown } = session
      // A new cipher or address is a new client as far as trust goes: RFC 3207 section 4.2.
      const isOther = remote !== undefined && remote.address !== session.remote.address
      const kept = 'identity' in facts ? identity : rest.tls || isOther ? undefined : before
      session = {
        ...unknown,
        ...rest,
        ...(remote ? { remote, trusted: trusts(remote.address) } : {}),
        ...(kept ? { identity: kept } : {}),
      } as Session
      if (isOther) greeting = createTrace({ clock, from: channel })
      if (rest.helo !== undefined || rest.tls || isOther) {
        heloRan = false
        transaction = undefined
      }
    },
    mechanisms: () => offeredMechanisms({ judged: deps().hooks.mechanisms(channel), canBind: binding !== undefined }),
    async authenticate(exchange) {
      if (!this.mechanisms().includes(exchange.mechanism)) return NO_MECHANISM
      return accepted(await converse(exchange, judge(), binding))
    },
    auth: async (credentials) => accepted(await judge().judge(credentials)),
    async resume(identity) {
      session = { ...session, identity }
      unwatch ??= deps().rights.watch(async () => void (await recheck()))
      return recheck()
    },
    revoked: revoked.signal,
    onRechecked(look) {
      rechecked = look
    },
    async mail(from, parameters) {
      endTransaction()
      const refusal = (await recheck()) ?? (await helo()) ?? (await begin(from, parameters))
      return refusal && refused('sender.refused', refusal, { from })
    },
    async rcpt({ address, notify, orcpt, from }) {
      if (revoked.signal.aborted) return REVOKED
      if (!transaction) return NO_MAIL
      const to: Recipient = {
        address,
        original: address,
        ...(notify ? { notify } : {}),
        ...(orcpt === undefined ? {} : { orcpt }),
        ...(from === undefined ? {} : { from }),
      }
      let refusal: Refusal | undefined
      try {
        refusal = await add(to, transaction)
      } catch (cause) {
        if (!(cause instanceof IemsError) || cause.code !== 'IEMS_PLUGIN_FAULT')
          emit('kernel.fault', { hook: 'route', session: session.id, cause })
        refusal = FAULT
      }
      if (!refusal) return undefined
      if (transaction) noteRefused(transaction, to, refusal.reply)
      const { from: sender, id } = transaction ?? {}
      return refused('recipient.refused', refusal, { message: id, from: sender, recipient: address })
    },
    async data(content, { once, priority: wished, each: isEach } = {}) {
      const begun = transaction
      endTransaction()
      if (revoked.signal.aborted) return REVOKED.reply
      if (!begun) return NO_MAIL.reply
      if (begun.recipients.length === 0) return NO_RECIPIENTS.reply
      const { id, trace, each, ...envelope } = begun
      const priority = priorityOf(session, envelope.parameters, wished)
      const options = { ...(once === undefined ? {} : { once }), ...(isEach ? { each } : {}) }
      return deps().receive({ session, ...envelope, priority, ...options }, id, trace, content)
    },
    outlook: () => transaction && { routed: transaction.recipients, steps: transaction.trace.steps },
    reset: endTransaction,
    close() {
      endTransaction()
      unwatch?.()
      open?.delete(session.id)
      emit('session.closed', { session: session.id, channel })
    },
  }
}
