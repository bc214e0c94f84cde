/**
 * Who speaks: a client's connection, what it shows who it is, and the identity that it gets. Types alone; `hooks.ts`
 * exports them too.
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

/** Who may be who he says: the answer of an `auth` tap that knows him. */
export interface Identity {
  readonly kind: 'identity'
  readonly user: string
  /** The id of the account it is, where accounts have mailboxes. */
  readonly account?: string
  /** May send to channels that accept only authorised senders. */
  readonly mayRelay: boolean
  /** What it may do beside sending and reading its own mail, such as `admin` and `support`; plugins have more. */
  readonly roles?: readonly string[]
  /** What it was shown by, as its plugin marks it: no secret, and understood by that plugin's `reidentify` alone. */
  readonly credential?: string
  /** When it ends by itself, in ms since 1970, as a token's does: the session ends at the next look after that. */
  readonly expires?: number
  /** The administrator who acts for this identity (SASL authzid): `credential` and `expires` are theirs. */
  readonly actor?: { readonly user: string; readonly account?: string }
}

/** Facts about one client's connection. Never changed; a new fact makes a new session object. */
export interface Session {
  readonly id: string
  readonly channel: string
  readonly protocol: Protocol
  readonly remote: {
    readonly address: string
    readonly port?: number
    /** The client's confirmed name; null when a look-up said that there is none, absent when that is not known. */
    readonly name?: string | null
  }
  readonly local?: { readonly address: string; readonly port: number }
  readonly helo?: string
  readonly tls?: { readonly cipher: string; readonly version: string; readonly servername?: string }
  readonly identity?: Identity
  /** The client's address is in a network that the channel trusts. */
  readonly trusted: boolean
  /** Whether this client hands in messages; `nothing` where it only reads, looks up or administrates. */
  readonly brings: 'mail' | 'nothing'
  /** A mail user agent's first hop (RFC 6409): what is missing in the header may be added. */
  readonly submission: boolean
}

/** What the client showed, by mechanism. `scram` asks for a verifier, not for a decision. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'scram'; readonly username: string; readonly mechanism: 'SCRAM-SHA-1' | 'SCRAM-SHA-256' }
  | { readonly kind: 'bearer'; readonly token: string; readonly username?: string }
  | { readonly kind: 'certificate'; readonly fingerprint256: string; readonly subject: string }
export type Attempt = Credentials & {
  readonly session: Session
  /**
   * Whom to serve first where passwords cost time: 0, this name has logged in from this network; 1, one of the two has;
   * 2, neither. Default 2. Guessing never gets better than 2 without a success.
   */
  readonly rank?: 0 | 1 | 2
}
/** RFC 5803: what a SCRAM exchange is checked against. The identity counts once the proof has been verified. */
export interface Verifier {
  readonly kind: 'verifier'
  readonly iterations: number
  readonly salt: Uint8Array
  readonly storedKey: Uint8Array
  readonly serverKey: Uint8Array
  readonly identity: Identity
}
