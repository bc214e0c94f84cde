/**
 * The SASL mechanisms, and which of them are available to a client.
 *
 * Invariants: no mechanism is announced that cannot succeed; the announced and the accepted mechanisms are the same.
 */

/** Credentials that an `auth` tap can check: a password, a SCRAM proof by its verifier, a token. */
const JUDGED = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-1', 'OAUTHBEARER'] as const
export type CredentialMechanism = (typeof JUDGED)[number]

/** In the order of announcement: strongest first, because many clients take the first they support. */
const MECHANISMS = [
  'SCRAM-SHA-256-PLUS',
  'SCRAM-SHA-1-PLUS',
  'SCRAM-SHA-256',
  'SCRAM-SHA-1',
  'PLAIN',
  'LOGIN',
  'OAUTHBEARER',
  'XOAUTH2',
] as const
export type SaslMechanism = (typeof MECHANISMS)[number]
export type ScramMechanism = Extract<SaslMechanism, `SCRAM-${string}`>

function judgedAs(mechanism: SaslMechanism): CredentialMechanism {
  if (mechanism === 'LOGIN') return 'PLAIN'
  if (mechanism === 'XOAUTH2') return 'OAUTHBEARER'
  return mechanism.replace('-PLUS', '') as CredentialMechanism
}

export interface Offering {
  /** The mechanisms that some tap checks. */
  readonly judged: ReadonlySet<CredentialMechanism>
  /** RFC 9266: the TLS connection has channel binding data. */
  readonly canBind: boolean
}

export function offeredMechanisms({ judged, canBind }: Offering): readonly SaslMechanism[] {
  return MECHANISMS.filter((mechanism) => judged.has(judgedAs(mechanism)) && (canBind || !mechanism.endsWith('-PLUS')))
}
