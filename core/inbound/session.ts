/**
 * The kernel's side of a listening channel: five calls in the order of RFC 5321, then the content.
 *
 * The channel translates its protocol; hooks and the destination channel decide what is allowed. Invariants: this file
 * knows no sockets, TLS or command syntax; a recipient is accepted only if it has a route, the destination channel
 * admits this sender, and no tap refuses it; every fault is a temporary refusal.
 */

import type { Clock } from '../api/clock.ts'
import { IemsError } from '../api/errors.ts'
import type { EventName } from '../api/events.ts'
import type { HookName, Identity, MailParameters, Recipient, Session, Subject } from '../api/hooks.ts'
import { defer, FAULT, format, type Refusal, refuse } from '../api/reply.ts'
import type { ConnectionInfo, DataOptions, DataReply, Examination, ServerSession } from '../api/session.ts'
import { Authenticator } from '../auth/authenticator.ts'
import { converse, type SaslExchange, type WholeCredentials } from '../auth/sasl/exchange.ts'
import { offeredMechanisms, type SaslMechanism } from '../auth/sasl/mechanisms.ts'
import { newId } from '../message/ids.ts'
import { createTrace, type Trace } from '../message/trace.ts'
import type { StoredContent } from '../queue/blob-references.ts'
import { addRecipient, type TransactionContext } from './add-recipient.ts'
import { resolveElsewhere } from './examine.ts'
import type { Resolve } from './resolve.ts'
import type { InboundChannel, SessionDeps } from './session-deps.ts'
import { newTransaction, noteRefused, priorityOf, refusedTransaction, type Transaction } from './transaction.ts'

const NO_MECHANISM = refuse(504, '5.5.4', 'Authentication mechanism not offered')
const NO_MAIL = refuse(503, '5.5.1', 'Send MAIL first')
const EXPIRED = refuse(535, '5.7.8', 'The login has expired')
const REVOKED = defer(421, '4.7.0', 'The login is no longer valid')
const NO_RECIPIENTS = refuse(554, '5.5.1', 'No valid recipients')

/**
 * `deps` returns those of the kernel that currently serves the channel: a session may outlive the kernel that opened
 * it.
 */
export function openSession(deps: () => SessionDeps, channel: InboundChannel, facts: ConnectionInfo): ServerSession {
  return new InboundSession(deps, channel, facts)
}

class InboundSession implements ServerSession {
  readonly #deps: () => SessionDeps
  readonly #inbound: InboundChannel
  readonly #clock: Clock
  readonly #revoked = new AbortController()
  #binding: Uint8Array | undefined
  #session: Session
  /** The trace of the client before MAIL; every transaction begins with it. */
  #greeting: Trace
  #heloRan = false
  #transaction: Transaction | undefined
  #unwatch: (() => void) | undefined
  #rechecked: (() => void) | undefined
  readonly #elsewhere: Resolve | undefined

  constructor(deps: () => SessionDeps, inbound: InboundChannel, facts: ConnectionInfo) {
    const { clock } = deps()
    const { binding, ...tls } = facts.tls ?? {}
    this.#deps = deps
    this.#inbound = inbound
    this.#clock = clock
    this.#binding = binding
    this.#session = {
      id: newId(clock.now()),
      channel: inbound.channel,
      protocol: facts.protocol,
      remote: facts.remote,
      ...(facts.local ? { local: facts.local } : {}),
      ...(facts.tls ? { tls: tls as NonNullable<Session['tls']> } : {}),
      trusted: inbound.trusts(facts.remote.address),
      submission: facts.submission ?? false,
      brings: facts.brings ?? 'mail',
    }
    this.#elsewhere = facts.isElsewhere ? resolveElsewhere(inbound.channel) : undefined
    this.#greeting = createTrace({ clock, from: inbound.channel })
    inbound.open?.add(this.#session.id)
    this.#emit('session.opened', { remote: facts.remote.address })
  }

  #emit(name: EventName, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#deps().emit(name, { session: this.#session.id, channel: this.#inbound.channel, ...fields })
  }

  #refused(event: EventName, refusal: Refusal, fields: Readonly<Record<string, unknown>> = {}): Refusal {
    this.#emit(event, { remote: this.#session.remote.address, ...fields, reply: format(refusal.reply) })
    return refusal
  }

  /** Runs a hook that may refuse; `fault` is the reply to a fault in its taps. */
  async #ask<K extends HookName & ('connect' | 'helo' | 'mail' | 'rcpt')>(
    hook: K,
    subject: Subject<K>,
    fault: Refusal,
    { run }: Trace,
  ) {
    if (!this.#deps().hooks.isTapped(hook)) return undefined
    try {
      return (await this.#deps().hooks.call(hook, subject, run)) as Refusal | undefined
    } catch (cause) {
      if (!(cause instanceof IemsError)) this.#emit('kernel.fault', { hook, cause })
      return fault
    }
  }

  /** Created per attempt, because most sessions never authenticate. */
  #authenticator(): Authenticator {
    return new Authenticator(this.#deps(), {
      session: this.#session,
      run: this.#greeting.run,
      denied: (refusal, { username: user, authzid }) =>
        this.#refused('session.auth-failed', refusal, { user, ...(authzid === undefined ? {} : { authzid }) }),
    })
  }

  /** Applies the result of an attempt; from here on the session has the new identity. */
  #accepted(answer: Identity | Refusal): Identity | Refusal {
    if (answer.kind === 'refuse') return answer
    this.#session = { ...this.#session, identity: answer }
    this.#unwatch ??= this.#deps().rights.watch(async () => void (await this.#recheck()))
    const { user, account, actor } = answer
    this.#emit('session.authenticated', { user, ...(account === undefined ? {} : { account }) })
    if (actor)
      this.#emit('session.proxied', {
        protocol: this.#session.protocol,
        remote: this.#session.remote.address,
        actor: actor.user,
        user,
      })
    return answer
  }

  /** Checks the identity again. A fault changes nothing, except that MAIL is deferred. */
  async #recheck(): Promise<Refusal | undefined> {
    const { identity } = this.#session
    if (this.#revoked.signal.aborted) return REVOKED
    if (!identity) return undefined
    if (identity.expires !== undefined && identity.expires <= this.#clock.now()) return this.#revoke(identity, EXPIRED)
    if (!this.#deps().hooks.isTapped('reidentify')) return undefined
    let answer: Identity | Refusal | undefined
    try {
      answer =
        (await this.#deps().hooks.call('reidentify', { identity, session: this.#session }, this.#greeting.run)) ??
        undefined
    } catch (cause) {
      if (!(cause instanceof IemsError)) this.#emit('kernel.fault', { hook: 'reidentify', cause })
      return FAULT
    }
    // The client may have authenticated again meanwhile.
    if (!answer || this.#session.identity !== identity) return undefined
    if (answer.kind === 'identity') {
      const { expires } = identity
      this.#session = { ...this.#session, identity: { ...answer, ...(expires === undefined ? {} : { expires }) } }
      this.#rechecked?.()
      return undefined
    }
    return this.#revoke(identity, answer)
  }

  #revoke({ user }: Identity, { reply }: Refusal): Refusal {
    this.#emit('session.revoked', { user, reply: format(reply) })
    this.#transaction = undefined
    this.#revoked.abort(reply.text)
    return REVOKED
  }

  async #helo(): Promise<Refusal | undefined> {
    if (this.#heloRan) return undefined
    const refusal = await this.#ask('helo', this.#session, FAULT, this.#greeting)
    this.#heloRan = refusal === undefined
    return refusal
  }

  async #begin(from: string, parameters: MailParameters): Promise<Refusal | undefined> {
    const id = newId(this.#clock.now())
    const trace = createTrace({
      clock: this.#clock,
      message: id,
      from: this.#inbound.channel,
      findings: this.#greeting.findings,
      steps: this.#greeting.steps,
      state: this.#greeting.state,
    })
    const refusal = await this.#ask('mail', { from, parameters, session: this.#session }, FAULT, trace)
    if (!refusal) this.#transaction = newTransaction({ id, from, parameters, trace })
    return refusal
  }

  /** Ends the transaction; one without accepted recipients leaves a trace. */
  #endTransaction(): void {
    const ended = this.#transaction
    this.#transaction = undefined
    const trace = ended && refusedTransaction(ended)
    if (!trace) return
    const priority = priorityOf(this.#session, ended.parameters)
    this.#deps().refusals({ ...trace, session: this.#session, priority })
  }

  /** The context for `addRecipient`. */
  #context(): TransactionContext {
    const { resolve, recipients } = this.#deps()
    return {
      resolve: this.#elsewhere ?? resolve,
      maxRecipients: recipients,
      session: this.#session,
      ask: (subject, trace) => this.#ask('rcpt', subject, FAULT, trace),
    }
  }

  get session(): Session {
    return this.#session
  }

  async connect(): Promise<Refusal | undefined> {
    const refusal = await this.#ask(
      'connect',
      this.#session,
      defer(421, '4.3.0', 'Local error, try again later'),
      this.#greeting,
    )
    return refusal && this.#refused('session.refused', refusal)
  }

  update(facts: Parameters<ServerSession['update']>[0]): void {
    const { remote, identity, tls: secured, ...others } = facts
    const { binding: bound, ...tls } = secured ?? {}
    if (secured) this.#binding = bound
    const rest = { ...others, ...(secured ? { tls: tls as NonNullable<Session['tls']> } : {}) }
    const { identity: before, ...unknown } = this.#session
    // RFC 3207 section 4.2: after a new cipher or address, nothing learned before is trusted.
    const isOther = remote !== undefined && remote.address !== this.#session.remote.address
    const kept = 'identity' in facts ? identity : rest.tls || isOther ? undefined : before
    this.#session = {
      ...unknown,
      ...rest,
      ...(remote ? { remote, trusted: this.#inbound.trusts(remote.address) } : {}),
      ...(kept ? { identity: kept } : {}),
    } as Session
    if (isOther) this.#greeting = createTrace({ clock: this.#clock, from: this.#inbound.channel })
    if (rest.helo !== undefined || rest.tls || isOther) {
      this.#heloRan = false
      this.#transaction = undefined
    }
  }

  mechanisms(): readonly SaslMechanism[] {
    return offeredMechanisms({
      judged: this.#deps().hooks.mechanisms(this.#inbound.channel),
      canBind: this.#binding !== undefined,
    })
  }

  async authenticate(exchange: SaslExchange): Promise<Identity | Refusal> {
    if (!this.mechanisms().includes(exchange.mechanism)) return NO_MECHANISM
    return this.#accepted(await converse(exchange, this.#authenticator(), this.#binding))
  }

  async auth(credentials: WholeCredentials): Promise<Identity | Refusal> {
    return this.#accepted(await this.#authenticator().judge(credentials))
  }

  async resume(identity: Identity): Promise<Refusal | undefined> {
    this.#session = { ...this.#session, identity }
    this.#unwatch ??= this.#deps().rights.watch(async () => void (await this.#recheck()))
    return this.#recheck()
  }

  get revoked(): AbortSignal {
    return this.#revoked.signal
  }

  onRechecked(look: () => void): void {
    this.#rechecked = look
  }

  async mail(from: string, parameters: MailParameters): Promise<Refusal | undefined> {
    this.#endTransaction()
    const refusal = (await this.#recheck()) ?? (await this.#helo()) ?? (await this.#begin(from, parameters))
    return refusal && this.#refused('sender.refused', refusal, { from })
  }

  async rcpt({ address, notify, orcpt, from }: Parameters<ServerSession['rcpt']>[0]): Promise<Refusal | undefined> {
    if (this.#revoked.signal.aborted) return REVOKED
    if (!this.#transaction) return NO_MAIL
    const to: Recipient = {
      address,
      original: address,
      ...(notify ? { notify } : {}),
      ...(orcpt === undefined ? {} : { orcpt }),
      ...(from === undefined ? {} : { from }),
    }
    let refusal: Refusal | undefined
    try {
      refusal = await addRecipient(this.#context(), to, this.#transaction)
    } catch (cause) {
      if (!(cause instanceof IemsError) || cause.code !== 'IEMS_PLUGIN_FAULT')
        this.#emit('kernel.fault', { hook: 'route', cause })
      refusal = FAULT
    }
    if (!refusal) return undefined
    if (this.#transaction) noteRefused(this.#transaction, to, refusal.reply)
    const { from: sender, id } = this.#transaction ?? {}
    return this.#refused('recipient.refused', refusal, { message: id, from: sender, recipient: address })
  }

  async data(
    content: AsyncIterable<Uint8Array> | StoredContent,
    { once, priority: wished, each: isEach }: DataOptions = {},
  ): Promise<DataReply> {
    const begun = this.#transaction
    this.#endTransaction()
    if (this.#revoked.signal.aborted) return REVOKED.reply
    if (!begun) return NO_MAIL.reply
    if (begun.recipients.length === 0) return NO_RECIPIENTS.reply
    const { id, trace, each, ...envelope } = begun
    const priority = priorityOf(this.#session, envelope.parameters, wished)
    const options = { ...(once === undefined ? {} : { once }), ...(isEach ? { each } : {}) }
    return this.#deps().receive({ session: this.#session, ...envelope, priority, ...options }, id, trace, content)
  }

  async examine<T>(
    content: AsyncIterable<Uint8Array> | StoredContent,
    look: (examination: Examination) => Promise<T>,
  ): Promise<T> {
    const begun = this.#transaction
    this.#transaction = undefined
    if (!begun || begun.recipients.length === 0) throw new TypeError('examine needs a recipient')
    const { id, trace, each: _each, ...envelope } = begun
    const priority = priorityOf(this.#session, envelope.parameters)
    const resolve = this.#elsewhere
    return this.#deps().examine({ session: this.#session, ...envelope, priority }, id, trace, content, look, resolve)
  }

  outlook(): ReturnType<ServerSession['outlook']> {
    return this.#transaction && { routed: this.#transaction.recipients, steps: this.#transaction.trace.steps }
  }

  reset(): void {
    this.#endTransaction()
  }

  close(): void {
    this.#endTransaction()
    this.#unwatch?.()
    this.#inbound.open?.delete(this.#session.id)
    this.#emit('session.closed')
  }
}
