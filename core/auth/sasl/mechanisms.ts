/**
 * Which SASL mechanisms there are, and which of them can work for a client at a moment.
 *
 * What must stay true: nothing is announced that cannot succeed; what is announced and what is taken are the same list.
 */

/** What an `auth` tap can be asked to judge: a password, a SCRAM proof by its verifier, a token. */
export const JUDGED = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-1', 'OAUTHBEARER'] as const
export type CredentialMechanism = (typeof JUDGED)[number]

/** As announced: strongest first, since many clients take the first they know. */
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
  /** What somebody here judges. */
  readonly judged: ReadonlySet<CredentialMechanism>
  /** RFC 9266: there is something of the TLS connection to bind to. */
  readonly canBind: boolean
}

export function offeredMechanisms({ judged, canBind }: Offering): readonly SaslMechanism[] {
  return MECHANISMS.filter((mechanism) => judged.has(judgedAs(mechanism)) && (canBind || !mechanism.endsWith('-PLUS')))
}
