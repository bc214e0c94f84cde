/**
 * The certificates of one kernel in memory: what its listeners present, read from the store.
 *
 * Invariants: there is always a default certificate; a record that cannot be used replaces nothing.
 */
import { X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import { domainToUnicode } from 'node:url'
import { type CertificateSource, decodeRecord, type Log, type Store, selfSigned } from 'iems'
import type { CertificateOptions } from './options.ts'
import { type CertificateRecord, certificateKey, challengesIn, read } from './records.ts'

interface Held {
  readonly cert: Buffer
  readonly key: Buffer
  readonly context: SecureContext
}

export interface HolderDeps {
  readonly store: Pick<Store, 'get' | 'scan'>
  readonly log: Log
  readonly hostname: string
  readonly certificates: readonly CertificateOptions[]
}

export class Holder implements CertificateSource {
  readonly #deps: HolderDeps
  /** Octets of the record, to see a change. */
  readonly #marks = new Map<string, string>()
  readonly #held = new Map<string, Held>()
  readonly #byName = new Map<string, SecureContext>()
  #challenges: ReadonlyMap<string, SecureContext> = new Map()
  #fallback: Held | undefined

  constructor(deps: HolderDeps) {
    this.#deps = deps
  }

  current(): Held {
    for (const { names } of this.#deps.certificates) {
      const held = this.#held.get(names[0] as string)
      if (held) return held
    }
    // Until the first certificate has been issued: better than no encryption for mail servers, which do not check.
    this.#fallback ??= heldOf(selfSigned([this.#deps.hostname]))
    return this.#fallback
  }

  choose(servername: string): SecureContext | undefined {
    return this.#byName.get(servername) ?? this.#byName.get(servername.replace(/^[^.]+/, '*'))
  }

  challenge(servername: string): SecureContext | undefined {
    return this.#challenges.get(servername)
  }

  async loadCertificates(): Promise<void> {
    for (const { names } of this.#deps.certificates) {
      const [name = ''] = names
      const value = await this.#deps.store.get(certificateKey(name))
      const mark = value && Buffer.from(value).toString('base64')
      if (mark === undefined || mark === this.#marks.get(name)) continue
      this.#marks.set(name, mark)
      try {
        this.#take(name, decodeRecord<CertificateRecord>(value as Uint8Array))
      } catch (cause) {
        this.#deps.log.error('a stored certificate cannot be used', { name, cause })
      }
    }
  }

  #take(name: string, record: CertificateRecord): void {
    const held = heldOf(record)
    this.#held.set(name, held)
    for (const one of record.names) this.#byName.set(unicodeOf(one), held.context)
    this.#deps.log.info('a certificate is in use', { name, until: new Date(record.until).toISOString() })
  }

  async loadChallenges(): Promise<void> {
    const contexts = new Map<string, SecureContext>()
    for (const { challenge } of await challengesIn(this.#deps.store)) {
      const { name, cert, key } = challenge
      if (name !== undefined && cert !== undefined && key !== undefined)
        contexts.set(name, createSecureContext({ cert, key }))
    }
    this.#challenges = contexts
  }

  /** The record behind a configured certificate. */
  recordOf(name: string): Promise<CertificateRecord | undefined> {
    return read<CertificateRecord>(this.#deps.store, certificateKey(name))
  }
}

/** Throws when the two do not belong together. */
function heldOf({ cert, key }: { readonly cert: string; readonly key: string }): Held {
  // Reads the certificate, so that a damaged one is noticed now.
  new X509Certificate(cert)
  return { cert: Buffer.from(cert), key: Buffer.from(key), context: createSecureContext({ cert, key }) }
}

const unicodeOf = (name: string) =>
  name.startsWith('*.') ? `*.${domainToUnicode(name.slice(2))}` : domainToUnicode(name)
