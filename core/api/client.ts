/**
 * A client's connection, the credentials it presents and the identity it gets. Types only; `hooks.ts` re-exports them.
 */

export type Protocol =
  | 'SMTP'
  | 'ESMTP'
  | 'ESMTPS'
  | 'ESMTPA'
  | 'ESMTPSA'
  | 'LMTP'
  | 'LMTPS'
  | 'LMTPA'
  | 'LMTPSA'
  | 'BSMTP'
  | 'LOCAL'
  | 'POP3'
  | 'IMAP'
  | 'LDAP'
  | 'SIEVE'
  | 'HTTP'

/** The authenticated identity that an `auth` handler returns. */
export interface Identity {
  readonly kind: 'identity'
  readonly user: string
  /** Account id, when the account has mailboxes. */
  readonly account?: string
  /** May send to channels that accept only authorised senders. */
  readonly mayRelay: boolean
  /** Roles beyond sending and reading one's own mail, such as `admin` and `support`; plugins define more. */
  readonly roles?: readonly string[]
  /**
   * The plugin's own reference to the credential that was used. Not a secret; only that plugin's `reidentify` reads it.
   */
  readonly credential?: string
  /** Expiry in ms since 1970, as of a token. The session ends at the first check after it. */
  readonly expires?: number
  /**
   * The administrator who acts for this identity (SASL authzid). `credential` and `expires` belong to the
   * administrator.
   */
  readonly actor?: { readonly user: string; readonly account?: string }
}

/** Facts about a client's connection. Immutable: a new fact makes a new session object. */
export interface Session {
  readonly id: string
  readonly channel: string
  readonly protocol: Protocol
  readonly remote: {
    readonly address: string
    readonly port?: number
    /** The client's confirmed host name; null when a lookup found none, absent when unknown. */
    readonly name?: string | null
  }
  readonly local?: { readonly address: string; readonly port: number }
  readonly helo?: string
  readonly tls?: { readonly cipher: string; readonly version: string; readonly servername?: string }
  readonly identity?: Identity
  /** The client's address is in a network that the channel trusts. */
  readonly trusted: boolean
  /** `mail` when the client submits messages; `nothing` when it only reads, searches or administers. */
  readonly brings: 'mail' | 'nothing'
  /** Message submission (RFC 6409): missing header fields may be added. */
  readonly submission: boolean
}

/** The credentials the client presents, by mechanism. `scram` asks for a verifier instead of a decision. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'scram'; readonly username: string; readonly mechanism: 'SCRAM-SHA-1' | 'SCRAM-SHA-256' }
  | { readonly kind: 'bearer'; readonly token: string; readonly username?: string }
  | { readonly kind: 'certificate'; readonly fingerprint256: string; readonly subject: string }
export type Attempt = Credentials & {
  readonly session: Session
  /**
   * Priority for expensive password checks. 0: this name has logged in from this network before; 1: either the name or
   * the network has; 2: neither. Default 2. Guessing cannot improve the rank without a success.
   */
  readonly rank?: 0 | 1 | 2
}
/** The stored keys of a SCRAM exchange (RFC 5803). The identity becomes valid once the client's proof is verified. */
export interface Verifier {
  readonly kind: 'verifier'
  readonly iterations: number
  readonly salt: Uint8Array
  readonly storedKey: Uint8Array
  readonly serverKey: Uint8Array
  readonly identity: Identity
}
