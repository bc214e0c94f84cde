/** A server that a plugin depends on, such as clamd or an LDAP server, as `iems status` shows it. */
export interface Backend {
  /** What it is: `clamd`, `ldap`. */
  readonly service: string
  /** As it stands in the options. */
  readonly server: string
  /** Failures in a row; from the first one on it counts as down. */
  readonly failures: number
  readonly lastFailure?: string
}
