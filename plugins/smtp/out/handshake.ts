/**
 * From an address to a connection that can send mail: connect, greeting, EHLO, TLS, authentication.
 *
 * Invariants: the password is sent only under TLS unless the administrator allows otherwise; nothing received before
 * STARTTLS counts after it; only opportunistic TLS falls back to plain text, and on a new connection.
 */
import { isIPv6 } from 'node:net'
import type { SecureContext } from 'node:tls'
import { defer, type Reply } from 'iems'
import { connect, type SmtpConnection } from './client.ts'
import { daneFault } from './dane.ts'
import { readFeatures } from './features.ts'
import type { Server } from './mx.ts'
import type { Options } from './options.ts'
import { isPositive, type ServerFailure, toReply } from './outcomes.ts'
import type { RemoteReply } from './replies.ts'
import { handshakeOptions, insecure, policyFor, type TlsPolicy } from './tls.ts'
import { faultOf, NO_STARTTLS, type ReportTls, reportOf, type TlsFault } from './tls-results.ts'

export interface OpenSettings
  extends Pick<Options, 'protocol' | 'bindAddress' | 'implicitTls' | 'auth' | 'timeouts' | 'refusedGreeting'> {
  readonly helo: string
  readonly secureContext: SecureContext
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Called with the result of TLS for each connection to a server of a domain. */
  readonly report: ReportTls
}

export class Handshake {
  readonly #settings: OpenSettings

  constructor(settings: OpenSettings) {
    this.#settings = settings
  }

  async open(server: Server, chosen: TlsPolicy, signal: AbortSignal): Promise<SmtpConnection | ServerFailure> {
    const policy = policyFor(chosen, server.dane)
    const { host, address, port } = server
    const remote = port === undefined || host.startsWith('[') ? host : `${host} [${address}]`
    const conversation = await connect(remote, whereTo(server, this.#settings.bindAddress), {
      ms: this.#settings.timeouts.connect,
      signal,
    })
    if (typeof conversation === 'string')
      return trouble({ remote, reply: defer(451, '4.4.1', `${remote}: ${conversation}`).reply, reached: false })
    const stop = () => conversation.lose('stopped')
    signal.addEventListener('abort', stop)
    try {
      const failure = await this.#begin(conversation, server, policy)
      if (failure && 'why' in failure) {
        this.#report(conversation, server, policy, failure)
        if (policy.mode === 'opportunistic') return await this.open(server, { ...policy, mode: 'off' }, signal)
        conversation.quit()
        return trouble({ remote, ...insecure(policy, '4.7.5', `TLS could not be established: ${failure.why}`) })
      }
      if (failure === undefined) return conversation
      conversation.quit()
      return failure
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  async #begin(
    conversation: SmtpConnection,
    server: Server,
    policy: TlsPolicy,
  ): Promise<ServerFailure | TlsFault | undefined> {
    const { remote } = conversation
    const implicit = this.#settings.implicitTls ?? server.port === 465
    const early = implicit ? await this.#secure(conversation, server, policy) : undefined
    if (early) return early
    const [greeting] = (await conversation.expect(1, this.#settings.timeouts.greeting)) as [RemoteReply]
    if (!isPositive(greeting)) {
      const failure = refused(remote, greeting, !greeting.lost)
      return this.#settings.refusedGreeting === 'defer'
        ? { ...failure, status: 'deferred', reply: notNow(failure.reply) }
        : failure
    }
    const refusal = await this.#sayHello(conversation)
    if (refusal) return refused(remote, refusal)
    if (!implicit && policy.mode !== 'off' && conversation.features.starttls) {
      const consent = await conversation.ask('STARTTLS', this.#settings.timeouts.reply)
      if (isPositive(consent)) {
        const fault = await this.#secure(conversation, server, policy)
        if (fault) return fault
        const again = await this.#sayHello(conversation)
        if (again) return refused(remote, again)
      } else if (consent.code === 421) return refused(remote, consent)
    }
    if (policy.mode !== 'off' && !conversation.isSecure) this.#report(conversation, server, policy, NO_STARTTLS)
    return shortfall(conversation, policy) ?? (await this.#authenticate(conversation))
  }

  /** Starts TLS and reports its success; the caller reports the fault. */
  async #secure(conversation: SmtpConnection, server: Server, policy: TlsPolicy): Promise<TlsFault | undefined> {
    const { dane } = server
    let untrusted: string | undefined
    const why = await conversation.secure(
      handshakeOptions(server, policy, this.#settings.secureContext),
      this.#settings.timeouts.connect,
      (socket) => {
        untrusted = socket.authorized ? undefined : String(socket.authorizationError)
        return policy.mode === 'dane' && dane ? daneFault(socket, dane, this.#settings.now()) : undefined
      },
    )
    if (why !== undefined) return faultOf(why)
    // RFC 8461 section 5: a policy in testing is reported on, and delivery goes on.
    const isTested = policy.sts?.mode === 'testing' && !dane && untrusted !== undefined
    this.#report(conversation, server, policy, isTested ? faultOf(untrusted as string) : undefined)
    return undefined
  }

  #report({ local }: SmtpConnection, server: Server, policy: TlsPolicy, fault: TlsFault | undefined): void {
    const result = reportOf(server, policy, fault)
    if (result) this.#settings.report(local === undefined ? result : { ...result, local })
  }

  /** EHLO, or HELO for a server that does not support it. Returns a refusal. */
  async #sayHello(conversation: SmtpConnection): Promise<RemoteReply | undefined> {
    const verb = this.#settings.protocol === 'lmtp' ? 'LHLO' : 'EHLO'
    const reply = await conversation.ask(`${verb} ${this.#settings.helo}`, this.#settings.timeouts.reply)
    conversation.features = readFeatures(isPositive(reply) ? reply.text : '')
    if (isPositive(reply)) return undefined
    if (verb === 'LHLO' || reply.code < 500 || reply.code === 521 || reply.code === 554) return reply
    const plain = await conversation.ask(`HELO ${this.#settings.helo}`, this.#settings.timeouts.reply)
    return isPositive(plain) ? undefined : plain
  }

  async #authenticate(conversation: SmtpConnection): Promise<ServerFailure | undefined> {
    const { auth } = this.#settings
    if (!auth) return undefined
    const { remote, isSecure, features } = conversation
    const cannot = (text: string, said?: string) =>
      trouble({ remote, reply: { ...defer(454, '4.7.0', text).reply, ...(said === undefined ? {} : { said }) } })
    if (!isSecure && !auth.withoutTls) return cannot('No TLS at the next hop, so the password is not sent')
    const reply = await this.#prove(conversation, features.auth, auth)
    if (reply === undefined) return cannot('The next hop offers no mechanism to authenticate with')
    if (reply.code === 235) return undefined
    // The password is wrong, not the message: the administrator can correct it.
    return reply.code === 421
      ? refused(remote, reply)
      : cannot(`Authentication at the next hop failed: ${reply.code} ${toReply(reply).text}`, toReply(reply).said)
  }

  async #prove(
    conversation: SmtpConnection,
    mechanisms: readonly string[],
    { user, password }: NonNullable<Options['auth']>,
  ) {
    const base64 = (text: string) => Buffer.from(text).toString('base64')
    if (mechanisms.includes('PLAIN'))
      return conversation.ask(`AUTH PLAIN ${base64(`\0${user}\0${password.reveal()}`)}`, this.#settings.timeouts.reply)
    if (!mechanisms.includes('LOGIN')) return undefined
    let reply = await conversation.ask('AUTH LOGIN', this.#settings.timeouts.reply)
    if (reply.code === 334) reply = await conversation.ask(base64(user), this.#settings.timeouts.reply)
    if (reply.code === 334) reply = await conversation.ask(base64(password.reveal()), this.#settings.timeouts.reply)
    return reply
  }
}

function whereTo({ address, port }: Server, bindAddress: readonly string[]) {
  if (port === undefined) return { path: address }
  const localAddress = bindAddress.find((own) => isIPv6(own) === isIPv6(address))
  return { host: address, port, ...(localAddress === undefined ? {} : { localAddress }) }
}

function trouble(about: {
  readonly remote: string
  readonly reply: Reply
  readonly reached?: boolean
  readonly status?: ServerFailure['status']
}): ServerFailure {
  return { status: 'deferred', reached: true, ...about }
}

/** A server that refuses the session; another may accept it. */
function refused(remote: string, reply: RemoteReply, reached = true): ServerFailure {
  return trouble({ remote, reply: toReply(reply), reached, status: reply.code >= 500 ? 'failed' : 'deferred' })
}

/** Turns a refusal into a temporary one; `said` stays verbatim. */
function notNow(reply: Reply): Reply {
  const enhanced = reply.enhanced.replace(/^5/, '4') as Reply['enhanced']
  return { ...reply, code: reply.code >= 500 ? reply.code - 100 : reply.code, enhanced }
}

/** The policy requirement that this connection does not meet. */
function shortfall({ remote, isSecure, features }: SmtpConnection, policy: TlsPolicy): ServerFailure | undefined {
  const demanded = policy.mode !== 'off' && policy.mode !== 'opportunistic'
  if (demanded && !isSecure)
    return trouble({ remote, ...insecure(policy, '4.7.4', 'The server does not offer TLS, which is required') })
  if (policy.requireTls && !features.requireTls)
    return trouble({ remote, ...insecure(policy, '4.7.4', 'The server does not offer REQUIRETLS') })
  return undefined
}
