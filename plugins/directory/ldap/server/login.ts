/**
 * Bind (RFC 4511 section 4.2): authentication by name and password or by SASL.
 *
 * Invariants: during and after a failed bind the client is anonymous; unknown and malformed names fail like a wrong
 * password; no password is accepted in plain text unless configured.
 */
import type { Identity, Refusal, SaslMechanism, ServerSession } from 'iems'
import type { DirectoryApi } from '../../store/api.ts'
import { inName } from './kinds.ts'
import { parseDn } from './protocol/dn.ts'
import type { Request } from './protocol/requests.ts'
import { type Result, type ResultName, SUCCESS } from './protocol/responses.ts'
import type { Tree } from './tree.ts'

/** LOGIN and XOAUTH2 are not standards, and no LDAP client uses them. */
const OFFERED: readonly SaslMechanism[] = [
  'SCRAM-SHA-256-PLUS',
  'SCRAM-SHA-1-PLUS',
  'SCRAM-SHA-256',
  'SCRAM-SHA-1',
  'PLAIN',
  'OAUTHBEARER',
]
/** Mechanisms that reveal a secret to eavesdroppers. */
const CLEAR: readonly SaslMechanism[] = ['PLAIN', 'OAUTHBEARER']

type BindRequest = Extract<Request, { kind: 'bind' }>

export interface LoginDeps {
  readonly open: ServerSession
  readonly directory: DirectoryApi
  readonly tree: Tree
  /** Whether the client may send a password now. */
  mayShow(): boolean
}

/** A SASL exchange that waits for the client's next bind. */
interface Exchange {
  readonly mechanism: string
  /** Passes the client's response to the waiting mechanism; undefined: cancelled. */
  answer(response: Buffer | undefined): void
  /** The result of the next bind step. */
  next(): Promise<Result>
}

export class Login {
  readonly #deps: LoginDeps
  #waiting: Exchange | undefined

  constructor(deps: LoginDeps) {
    this.#deps = deps
  }

  /** Ends the waiting exchange of a disconnected client. */
  end() {
    this.#waiting?.answer(undefined)
    this.#waiting = undefined
  }

  mechanisms(): readonly SaslMechanism[] {
    return this.#deps.open
      .mechanisms()
      .filter((one) => OFFERED.includes(one) && (this.#deps.mayShow() || !CLEAR.includes(one)))
  }

  async bind(request: BindRequest): Promise<Result> {
    const { sasl, simple, version } = request
    const exchange = this.#waiting
    this.#waiting = undefined
    if (exchange && (sasl?.mechanism !== exchange.mechanism || version !== 3)) exchange.answer(undefined)
    else if (exchange) return proceed(exchange, sasl?.credentials)
    this.#deps.open.update({ identity: undefined })
    if (version !== 3) return { result: 'protocolError', text: 'only version 3 is spoken here' }
    if (sasl) return this.#begin(sasl.mechanism, sasl.credentials)
    if (simple === undefined) return { result: 'authMethodNotSupported', text: 'simple and SASL are known' }
    return this.#password(request.name, simple)
  }

  async #password(name: string, given: Buffer): Promise<Result> {
    if (given.length === 0)
      // RFC 4513 section 5.1.2: a client that omits the password must not take this for a login.
      return name === '' ? SUCCESS : { result: 'unwillingToPerform', text: 'a name needs a password' }
    if (name === '') return { result: 'invalidCredentials' }
    if (!this.#deps.mayShow()) return { result: 'confidentialityRequired', text: 'passwords are taken only under TLS' }
    return resultOf(
      await this.#deps.open.auth({
        kind: 'password',
        username: await this.#usernameIn(name),
        password: given.toString(),
      }),
    )
  }

  /** A DN, or the name or address that the same user logs in with elsewhere. */
  async #usernameIn(text: string): Promise<string> {
    const dn = parseDn(text)
    const place = dn && this.#deps.tree.placeOf(dn)
    if (place?.kind !== 'placed') return text
    const node = await this.#deps.tree.nodeAt(place)
    if (node?.kind === 'account') return node.name
    const name = place.rdn.length === 1 ? inName(place.rdn, 'uid') : undefined
    // Another plugin may know this user; a different entry in the directory is not meant.
    return node || name === undefined || (await this.#deps.directory.byName('account', name)) ? text : name
  }

  /** RFC 4513 section 5.2.1.8: `dn:` with a DN, or `u:` with a name. */
  #readAuthzid(text: string): string | Promise<string> {
    return text.startsWith('dn:') ? this.#usernameIn(text.slice(3)) : text.replace(/^u:/, '')
  }

  #begin(name: string, initial: Buffer | undefined): Promise<Result> {
    const mechanism = this.mechanisms().find((one) => one === name)
    if (!mechanism) return Promise.resolve({ result: 'authMethodNotSupported', text: 'see supportedSASLMechanisms' })
    let final: Buffer | undefined
    let tell: (result: Result) => void = () => {}
    const exchange: Exchange = {
      mechanism,
      answer() {},
      next: () =>
        new Promise<Result>((resolve) => {
          tell = resolve
        }),
    }
    const ask = (challenge: string) => {
      // RFC 5802 section 5: the success response carries the server's proof if possible.
      if (mechanism.startsWith('SCRAM') && challenge.startsWith('v=')) {
        final = Buffer.from(challenge)
        return Promise.resolve(Buffer.alloc(0))
      }
      return new Promise<Buffer | undefined>((resolve) => {
        exchange.answer = resolve
        this.#waiting = exchange
        tell({ result: 'saslBindInProgress', saslCredentials: Buffer.from(challenge) })
      })
    }
    const first = exchange.next()
    void this.#deps.open.authenticate({ mechanism, initial, ask, readAuthzid: (text) => this.#readAuthzid(text) }).then(
      (answer) =>
        tell({ ...resultOf(answer), ...(final && answer.kind === 'identity' ? { saslCredentials: final } : {}) }),
      () => tell({ result: 'other' }),
    )
    return first
  }
}

function proceed(exchange: Exchange, response: Buffer | undefined): Promise<Result> {
  const next = exchange.next()
  exchange.answer(response ?? Buffer.alloc(0))
  return next
}

function resultOf(answer: Identity | Refusal): Result {
  if (answer.kind === 'identity') return SUCCESS
  return { result: nameOf(answer), text: answer.reply.text }
}

function nameOf({ reply: { code } }: Refusal): ResultName {
  if (code === 504) return 'authMethodNotSupported'
  return code >= 500 ? 'invalidCredentials' : 'unavailable'
}
