/**
 * Results of TLS with the servers of a domain, for reports to it (RFC 8460): one event for each connection.
 *
 * Invariants: only servers found by the domain's own MX records are reported.
 */
import type { SetupContext } from 'iems'
import type { StsPolicy } from './mta-sts.ts'
import type { Server } from './mx.ts'
import type { TlsPolicy } from './tls.ts'

/** RFC 8460 section 4.3. */
export type TlsFailure =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'validation-failure'
  | 'dnssec-invalid'
  | 'sts-policy-fetch-error'
  | 'sts-policy-invalid'

export interface TlsResult {
  /** The domain of the recipients. */
  readonly domain: string
  readonly policyType: 'tlsa' | 'sts' | 'no-policy-found'
  /** TLSA records, or lines of the MTA-STS policy. */
  readonly policy: readonly string[]
  /** Hosts that the MTA-STS policy names. */
  readonly mx: readonly string[]
  readonly host?: string
  readonly address?: string
  /** The address of this server that was used. */
  readonly local?: string
  /** Absent when TLS was established as the policy wants it. */
  readonly failure?: TlsFailure
  readonly why?: string
}

declare global {
  interface IemsEvents {
    'smtp-out.tls': TlsResult
  }
}

export type ReportTls = (result: TlsResult) => void

/** A fault of TLS, as the connection ended with it. */
export interface TlsFault {
  readonly failure: TlsFailure
  readonly why: string
}

const FAILURES: Readonly<Record<string, TlsFailure>> = {
  CERT_HAS_EXPIRED: 'certificate-expired',
  CERT_NOT_YET_VALID: 'certificate-expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate-host-mismatch',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate-not-trusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate-not-trusted',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate-not-trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate-not-trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate-not-trusted',
}

export const NO_STARTTLS: TlsFault = { failure: 'starttls-not-supported', why: 'the server does not offer STARTTLS' }

/** The fault behind a text with one of Node's error codes. */
export function faultOf(why: string): TlsFault {
  const code = Object.keys(FAILURES).find((one) => why.includes(one))
  return { failure: code === undefined ? 'validation-failure' : (FAILURES[code] as TlsFailure), why }
}

export function reportOf(server: Server, policy: TlsPolicy, fault: TlsFault | undefined): TlsResult | undefined {
  const { domain, host, address, dane } = server
  if (domain === undefined) return undefined
  const { sts } = policy
  const found = dane
    ? { policyType: 'tlsa' as const, policy: dane.texts, mx: [] }
    : sts
      ? { policyType: 'sts' as const, policy: linesOf(sts), mx: sts.mx }
      : { policyType: 'no-policy-found' as const, policy: [], mx: [] }
  return { domain, ...found, host, address, ...fault }
}

/** An MTA-STS policy in the lines of its file. */
export function linesOf({ mode, mx, maxAge }: StsPolicy): string[] {
  return ['version: STSv1', `mode: ${mode}`, ...mx.map((one) => `mx: ${one}`), `max_age: ${maxAge}`]
}

export const createReport =
  ({ emit }: Pick<SetupContext, 'emit'>): ReportTls =>
  (result) =>
    emit('smtp-out.tls', result)
