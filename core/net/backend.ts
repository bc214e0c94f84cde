/**
 * An external server that a plugin depends on, such as clamd or an LDAP server, as `iems status` shows it.
 */
export interface Backend {
  /** Kind of service: `clamd`, `ldap`. */
  readonly service: string
  /** Address as configured. */
  readonly server: string
  /** Consecutive failures; one or more count as down. */
  readonly failures: number
  readonly lastFailure?: string
}
