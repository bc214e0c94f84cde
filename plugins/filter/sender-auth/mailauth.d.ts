/**
 * The parts of mailauth 7.1.0 that it has no types for: the verifier behind `dkimVerify`, and its look-up of keys.
 */
declare module 'mailauth/lib/dkim/dkim-verifier.js' {
  import type { DKIMVerifyOptions, DKIMVerifyResult } from 'mailauth'

  export class DkimVerifier {
    constructor(options: DKIMVerifyOptions)
    readonly headers: NonNullable<DKIMVerifyResult['headers']>
    readonly headerFrom: DKIMVerifyResult['headerFrom']
    readonly fromFields: DKIMVerifyResult['fromFields']
    readonly results: DKIMVerifyResult['results']
    readonly arc: NonNullable<DKIMVerifyResult['arc']>
    /** Looks keys up, for signatures; that of `arc` does for seals. */
    keyCache: unknown
    /** The body hashes that the signatures ask for. */
    readonly bodyHashes: ReadonlyMap<string, unknown>
    /** Takes the whole header. */
    emitHeaders(header: Buffer): Promise<void>
    /** Takes a piece of the body, whose lines end with CRLF. */
    nextChunk(body: Buffer): Promise<void>
    /** Takes a piece of the message, and looks for the end of the header. */
    writeAsync(content: Buffer): Promise<void>
    /** The piece with CRLF in place of each LF alone; `lastByte` comes before it. */
    ensureLinebreaks(content: Buffer): Iterable<Buffer>
    lastByte: number | undefined
    finish(): Promise<void>
  }
}

declare module 'mailauth/lib/tools.js' {
  import type { KeyObject } from 'node:crypto'
  import type { DNSResolver } from 'mailauth'

  export interface PublicKey {
    readonly publicKey: string | KeyObject
  }
  export interface KeyOptions {
    readonly strict: boolean
    readonly hashAlgo: string
  }

  export function toALabel(domain: string): string
  export function getPublicKey(
    type: string,
    name: string,
    minBitLength: number,
    resolver: DNSResolver,
    options: KeyOptions,
  ): Promise<PublicKey>
}
