/**
 * The server side of SCRAM (RFC 5802, RFC 7677): reads the client's messages and checks its proof.
 *
 * Invariants: a proof is valid only with the nonce, the channel binding and the exact messages of this exchange; a
 * client that wrongly believes that the server cannot bind is under a downgrade attack, and fails; an unknown user
 * cannot be distinguished from a wrong password.
 */
import { createHash, createHmac, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Verifier } from '../../api/hooks.ts'
import type { ScramMechanism } from './mechanisms.ts'
import { saslPrep, textOf } from './prepare.ts'

/**
 * Iterations of new and of fake verifiers; any other number reveals that a verifier is real. Cyrus SASL's clients
 * refuse more.
 */
export const SCRAM_ITERATIONS = 65_536
/** Octets of the salt of new and of fake verifiers. */
const SCRAM_SALT = 16
const NONCE = 18
/** RFC 9266; the only supported type of channel binding. */
const BINDING = 'tls-exporter'

type Keys = Pick<Verifier, 'iterations' | 'salt' | 'storedKey' | 'serverKey'>
type Hash = 'sha1' | 'sha256'

const scramHash = (mechanism: string): Hash => (mechanism.startsWith('SCRAM-SHA-256') ? 'sha256' : 'sha1')

const hmac = (hash: Hash, key: Uint8Array | KeyObject, text: string) => createHmac(hash, key).update(text).digest()

/** The connection's properties in an exchange. */
export interface Connection {
  readonly mechanism: ScramMechanism
  /** Channel binding data; with it, -PLUS is announced too. */
  readonly binding: Uint8Array | undefined
}

export interface ClientFirst {
  readonly username: string
  /** The user to act as; empty for the client's own. */
  readonly authzid: string
  /** The GS2 header: whether and how the client binds. */
  readonly gs2: string
  readonly bare: string
  readonly nonce: string
}

/** Undefined when malformed or not allowed on this connection. */
export function readClientFirst(octets: Buffer, { mechanism, binding }: Connection): ClientFirst | undefined {
  const [, gs2 = '', flag = '', authorize = '', bare = '', name = '', nonce = ''] =
    /^((n|y|p=[\w.-]+),(?:a=([^,\0]+))?,)(n=([^,\0]+),r=([!-+\x2d-~]+)(?:,[^\0]*)?)$/.exec(textOf(octets) ?? '') ?? []
  const username = readName(name)
  const authzid = readName(authorize)
  if (!username || authzid === undefined || !bindsAsItMust(flag, mechanism, binding)) return undefined
  return { username, authzid, gs2, bare, nonce }
}

/** RFC 5802 section 6: `y` means that the client could bind and believes that the server cannot. */
function bindsAsItMust(flag: string, mechanism: ScramMechanism, binding: Uint8Array | undefined): boolean {
  if (mechanism.endsWith('-PLUS')) return flag === `p=${BINDING}` && binding !== undefined
  return flag === 'n' || (flag === 'y' && binding === undefined)
}

function readName(text: string): string | undefined {
  return /=(?!2C|3D)/.test(text) ? undefined : saslPrep(text.replaceAll('=2C', ',').replaceAll('=3D', '='))
}

export interface Challenge {
  readonly text: string
  readonly nonce: string
}

export function challengeFor({ nonce: theirs }: ClientFirst, { salt, iterations }: Keys): Challenge {
  const nonce = theirs + randomBytes(NONCE).toString('base64')
  return { text: `r=${nonce},s=${Buffer.from(salt).toString('base64')},i=${iterations}`, nonce }
}

export interface ClientFinal {
  readonly withoutProof: string
  readonly binding: string
  readonly nonce: string
  readonly proof: Buffer
}

const BASE64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?'
const CLIENT_FINAL = new RegExp(`^(c=(${BASE64}),r=([!-+\\x2d-~]+)(?:,[A-Za-z]=[^,\\0]+)*),p=(${BASE64})$`)

export function readClientFinal(octets: Buffer): ClientFinal | undefined {
  const [, withoutProof, binding = '', nonce = '', proof = ''] = CLIENT_FINAL.exec(textOf(octets) ?? '') ?? []
  return withoutProof === undefined ? undefined : { withoutProof, binding, nonce, proof: Buffer.from(proof, 'base64') }
}

/** The server's final message for a valid proof; undefined for an invalid one. */
export function prove(
  { gs2, bare }: ClientFirst,
  challenge: Challenge,
  final: ClientFinal,
  { storedKey, serverKey, mechanism, binding }: Keys & Connection,
): string | undefined {
  const hash = scramHash(mechanism)
  const message = `${bare},${challenge.text},${final.withoutProof}`
  const bound = Buffer.concat([Buffer.from(gs2), ...(mechanism.endsWith('-PLUS') && binding ? [binding] : [])])
  const signature = hmac(hash, storedKey, message)
  const key = signature.map((octet, index) => octet ^ (final.proof[index] ?? 0))
  const digest = createHash(hash).update(key).digest()
  const isHis = storedKey.length === digest.length && timingSafeEqual(digest, storedKey)
  const isOfThis =
    final.proof.length === signature.length &&
    final.nonce === challenge.nonce &&
    final.binding === bound.toString('base64')
  return isHis && isOfThis ? `v=${hmac(hash, serverKey, message).toString('base64')}` : undefined
}

/** RFC 5802 section 5.1: a verifier that no proof matches, stable for a name, and indistinguishable from a real one. */
export function verifierOfNobody(secret: KeyObject, mechanism: string, username: string): Keys {
  const hash = scramHash(mechanism)
  // Names of existing users are case-insensitive too.
  const made = (what: string) => hmac(hash, secret, `${mechanism}\0${what}\0${username.toLowerCase()}`)
  return {
    iterations: SCRAM_ITERATIONS,
    salt: made('salt').subarray(0, SCRAM_SALT),
    storedKey: made('stored'),
    serverKey: made('server'),
  }
}
