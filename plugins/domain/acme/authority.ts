/**
 * One certificate authority (RFC 8555). The only file that imports acme-client.
 *
 * The library is loaded when the first certificate is ordered: it brings many packages and changes global objects. Its
 * own requests and certificates are not used: they need versions of packages that other dependencies exclude.
 * Invariants: every request ends with the signal; an order that fails leaves no challenge behind.
 */
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { Agent } from 'node:https'
import { rootCertificates } from 'node:tls'
import type { Authorization, Client } from 'acme-client'
import { certificateRequest, selfSigned } from 'iems'
import type { ChallengeType } from './options.ts'
import type { AccountRecord } from './records.ts'

const REQUEST_MS = 30_000
const POLL_MS = { min: 1000, max: 15_000 }
const POLLS = 20
/** The delay is in seconds. */
const RETRIES = { retryMaxAttempts: 1, retryDefaultDelay: 1 }

export interface AuthoritySettings {
  readonly directory: string
  /** PEM. */
  readonly ca: string | undefined
  readonly externalAccount: { readonly id: string; readonly key: string } | undefined
  readonly email: string | undefined
}

/** One name to prove control of. */
export interface Proof {
  readonly type: ChallengeType
  /** The name without `*.`. */
  readonly name: string
  readonly token: string
  /** For http-01 the content of the file, for dns-01 the TXT record. */
  readonly answer: string
  /** For tls-alpn-01: the certificate and its key (PEM). */
  readonly certificate?: { readonly cert: string; readonly key: string }
}

export interface OrderWish {
  readonly names: readonly string[]
  /** PEM. */
  readonly key: string
  readonly challenges: readonly ChallengeType[]
  /** The certificate that this one replaces (RFC 9773 section 5). */
  readonly replaces: string | undefined
  publish(proof: Proof): Promise<void>
  remove(proof: Proof): Promise<void>
}

/** Requests of the library, which its types do not show. */
interface Requests {
  request(url: string, method: string, options?: object): Promise<{ readonly status: number; readonly data: unknown }>
  getDirectory(): Promise<Readonly<Record<string, unknown>>>
}

export class Authority {
  readonly #client: Client
  readonly #requests: Requests
  readonly #email: string | undefined

  private constructor(client: Client, email: string | undefined) {
    this.#client = client
    this.#requests = Reflect.get(client, 'http') as Requests
    this.#email = email
  }

  /** `save` stores a new account before it is used. */
  static async open(
    { directory, ca, externalAccount, email }: AuthoritySettings,
    known: AccountRecord | undefined,
    { signal, save }: { readonly signal: AbortSignal; save(account: AccountRecord): Promise<void> },
  ): Promise<Authority> {
    const library = await import('acme-client')
    // Its defaults wait half a minute for an authority that is down; the next one is asked instead.
    Object.assign(library.axios.defaults, { acmeSettings: RETRIES })
    const key = known?.key ?? newKey('ecdsa')
    if (!known) await save({ key })
    const client = new library.Client({
      directoryUrl: directory,
      accountKey: key,
      ...(known?.url === undefined ? {} : { accountUrl: known.url }),
      ...(externalAccount ? { externalAccountBinding: { kid: externalAccount.id, hmacKey: externalAccount.key } } : {}),
      backoffAttempts: POLLS,
      backoffMin: POLL_MS.min,
      backoffMax: POLL_MS.max,
    })
    const authority = new Authority(client, email)
    const httpsAgent = ca === undefined ? undefined : new Agent({ ca: [...rootCertificates, ca] })
    const { request } = authority.#requests
    authority.#requests.request = (url, method, options) =>
      request.call(authority.#requests, url, method, {
        ...options,
        signal,
        timeout: REQUEST_MS,
        ...(httpsAgent ? { httpsAgent } : {}),
      })
    if (known?.url === undefined) await save({ key, url: await authority.#register() })
    return authority
  }

  async #register(): Promise<string> {
    const contact = this.#email === undefined ? {} : { contact: [`mailto:${this.#email}`] }
    await this.#client.createAccount({ termsOfServiceAgreed: true, ...contact })
    return this.#client.getAccountUrl()
  }

  /** Returns the chain (PEM). Throws with the authority's reason. */
  async order({ names, key, replaces, ...wish }: OrderWish): Promise<string> {
    const identifiers = names.map((value) => ({ type: 'dns', value }))
    const order = await this.#client.createOrder({ identifiers, ...(replaces === undefined ? {} : { replaces }) })
    // One after the other: two wildcard challenges share a name.
    for (const authorization of await this.#client.getAuthorizations(order))
      if (authorization.status !== 'valid') await this.#prove(authorization, wish)
    const ready = await this.#client.finalizeOrder(order, pemOf(certificateRequest(names, key)))
    return this.#client.getCertificate(ready)
  }

  async #prove(authorization: Authorization, wish: Omit<OrderWish, 'names' | 'key' | 'replaces'>): Promise<void> {
    const offered = wish.challenges.flatMap((type) => authorization.challenges.find((one) => one.type === type) ?? [])
    const [challenge] = offered
    const name = authorization.identifier.value
    if (!challenge)
      throw new Error(`${name}: the authority offers none of the challenges ${wish.challenges.join(', ')}`)
    const answer = await this.#client.getChallengeKeyAuthorization(challenge)
    const type = challenge.type as ChallengeType
    const proof: Proof = {
      type,
      name,
      token: challenge.token,
      answer,
      ...(type === 'tls-alpn-01' ? { certificate: alpnCertificate(name, answer) } : {}),
    }
    try {
      await wish.publish(proof)
      await this.#client.completeChallenge(challenge)
      await this.#client.waitForValidStatus(challenge)
    } catch (cause) {
      throw new Error(`${name}: ${type} failed: ${cause instanceof Error ? cause.message : cause}`, { cause })
    } finally {
      await wish.remove(proof)
    }
  }

  /** RFC 9773: a time within the window that the authority suggests; undefined when it suggests none. */
  async renewalTime(chain: string): Promise<number | undefined> {
    const { renewalInfo } = await this.#requests.getDirectory()
    const id = certificateId(chain)
    if (typeof renewalInfo !== 'string' || id === undefined) return undefined
    const { status, data } = await this.#requests.request(`${renewalInfo}/${id}`, 'get')
    const { suggestedWindow } = (status === 200 ? data : {}) as { suggestedWindow?: { start?: string; end?: string } }
    const [start, end] = [Date.parse(`${suggestedWindow?.start}`), Date.parse(`${suggestedWindow?.end}`)]
    return end >= start ? start + Math.random() * (end - start) : undefined
  }
}

/** RFC 8737 section 3: the hash of the answer in the extension acmeIdentifier, an OCTET STRING. */
function alpnCertificate(name: string, answer: string): { readonly cert: string; readonly key: string } {
  const hash = createHash('sha256').update(answer).digest()
  return selfSigned([name], new Date(), { id: '1.3.6.1.5.5.7.1.31', value: Buffer.from([0x04, hash.length, ...hash]) })
}

const pemOf = (request: Buffer) =>
  `-----BEGIN CERTIFICATE REQUEST-----\n${request.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE REQUEST-----\n`

/** PEM. */
export function newKey(type: 'ecdsa' | 'rsa'): string {
  const { privateKey } =
    type === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** RFC 9773 section 4.1: the authority's key identifier and the serial number. */
export function certificateId(chain: string): string | undefined {
  const { raw, serialNumber } = new X509Certificate(chain)
  // authorityKeyIdentifier (2.5.29.35): OID, OCTET STRING, SEQUENCE, [0] keyIdentifier.
  const at = raw.indexOf(Buffer.from('0603551d23', 'hex'))
  const identifier = at < 0 ? undefined : raw.subarray(at + 5)
  if (identifier?.[0] !== 0x04 || identifier[2] !== 0x30 || identifier[4] !== 0x80) return undefined
  const keyId = identifier.subarray(6, 6 + (identifier[5] ?? 0))
  const digits = serialNumber.length % 2 === 0 ? serialNumber : `0${serialNumber}`
  // DER: a positive number has no leading 1 bit.
  const serial = Buffer.from(/^[89a-f]/i.test(digits) ? `00${digits}` : digits, 'hex')
  return `${keyId.toString('base64url')}.${serial.toString('base64url')}`
}
