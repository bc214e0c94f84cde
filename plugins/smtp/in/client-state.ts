/**
 * A session's state of its client, and what follows from it: the protocol name, the extensions, and the allowed
 * parameters of MAIL and RCPT. Invariants: nothing received before TLS counts after it (RFC 3207 section 4.2).
 */
import type { ConnectionInfo, Identity, Protocol, Reply } from 'iems'
import type { Client } from './listener-context.ts'
import type { Options } from './options.ts'
import { holdKeyword, type Offer } from './parameters.ts'
import { NO } from './replies.ts'
import { ATTRIBUTES, type Attributes } from './xclient.ts'

export class ClientState {
  readonly #options: Options
  #client: Client
  #helo: string | undefined
  #isExtended = false
  identity: Identity | undefined

  constructor(options: Options, client: Client) {
    this.#options = options
    this.#client = client
  }

  get facts(): Client {
    return this.#client
  }

  get remote(): Client['remote'] {
    return this.#client.remote
  }

  get tls(): Client['tls'] {
    return this.#client.tls
  }

  /** The name from HELO, EHLO or LHLO; undefined before that. */
  get helo(): string | undefined {
    return this.#helo
  }

  get isLmtp(): boolean {
    return this.#options.protocol === 'lmtp'
  }

  /** The refusal of commands that require a greeting first. */
  get helloFirst(): Reply {
    return this.isLmtp ? NO.lhloFirst : NO.helloFirst
  }

  get mayAuthenticate(): boolean {
    const { auth, authWithoutTls } = this.#options
    return auth !== 'off' && (this.tls !== undefined || authWithoutTls)
  }

  /** RFC 3848. */
  get protocol(): Protocol {
    if (!this.isLmtp && !this.#isExtended) return 'SMTP'
    return `${this.isLmtp ? 'LMTP' : 'ESMTP'}${this.tls ? 'S' : ''}${this.identity ? 'A' : ''}`
  }

  /** The parameters that the client may use. */
  offer(isTrusted: boolean, now: number): Offer {
    const { auth, maxSize, lenient, futureRelease } = this.#options
    const known = this.identity !== undefined || isTrusted
    const holds = this.identity !== undefined && futureRelease > 0
    return {
      secure: this.tls !== undefined,
      auth: auth !== 'off',
      maxSize,
      known,
      lenient: lenient && known,
      ...(holds ? { hold: { now, max: futureRelease } } : {}),
    }
  }

  /** The keywords in the reply to EHLO and LHLO. */
  extensions(given: {
    readonly mechanisms: readonly string[]
    readonly offer: Offer
    readonly mayXclient: boolean
    readonly atrn: boolean
  }): string[] {
    const { limits, maxSize, tls, etrn } = this.#options
    const offers = (offered: unknown, keyword: string) => (offered ? [keyword] : [])
    return [
      'PIPELINING',
      `SIZE ${maxSize}`,
      ...offers(etrn.length > 0, 'ETRN'),
      ...offers(given.atrn, 'ATRN'),
      ...offers(tls && !this.tls, 'STARTTLS'),
      ...offers(this.mayAuthenticate && !this.identity, `AUTH ${given.mechanisms.join(' ')}`),
      'ENHANCEDSTATUSCODES',
      '8BITMIME',
      'DSN',
      'SMTPUTF8',
      'CHUNKING',
      'BINARYMIME',
      ...offers(this.tls, 'REQUIRETLS'),
      'MT-PRIORITY',
      ...holdKeyword(given.offer),
      `LIMITS MAILMAX=${limits.messages} RCPTMAX=${limits.recipients}`,
      ...offers(given.mayXclient, `XCLIENT ${ATTRIBUTES}`),
      'HELP',
    ]
  }

  greeted(helo: string, isExtended: boolean): void {
    this.#helo = helo
    this.#isExtended = isExtended
  }

  named(name: string | null): void {
    this.#client = { ...this.#client, remote: { ...this.remote, name } }
  }

  secured(tls: NonNullable<ConnectionInfo['tls']>): void {
    this.#client = { ...this.#client, tls }
    this.#helo = undefined
    this.identity = undefined
  }

  /** Takes on the client named by a trusted one (XCLIENT). */
  become(said: Attributes): void {
    const { remote, local } = this.#client
    const { address = remote.address, port, name, helo, login, protocol, localAddress, localPort } = said
    this.#client = {
      ...this.#client,
      remote: { address, ...(port === undefined ? {} : { port }), ...(name === undefined ? {} : { name }) },
      ...(localAddress === undefined ? {} : { local: { address: localAddress, port: localPort ?? local?.port ?? 0 } }),
    }
    this.#helo = helo
    this.#isExtended = protocol === 'ESMTP'
    this.identity = login === undefined ? undefined : { kind: 'identity', user: login, mayRelay: true }
  }
}
