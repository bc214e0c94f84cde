/**
 * Certificates from files, and which of them a client gets: the one that names the host it asked for, else the first.
 */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import { domainToUnicode } from 'node:url'
import type { Options } from './options.ts'

export interface Certificates {
  /** Of the default certificate. */
  readonly cert: Buffer
  readonly key: Buffer
  /** The context for a name as Unicode in lower case; undefined for the default. */
  choose(servername: string): SecureContext | undefined
}

export async function readCertificates({
  cert,
  key,
  others,
  minVersion,
}: NonNullable<Options['tls']>): Promise<Certificates> {
  const contexts = new Map<string, SecureContext>()
  for (const other of others) {
    const pair = { cert: await readFile(other.cert), key: await readFile(other.key) }
    const context = createSecureContext({ ...pair, minVersion })
    for (const name of namesOf(pair.cert)) contexts.set(name, context)
  }
  return {
    cert: await readFile(cert),
    key: await readFile(key),
    choose: (servername) => contexts.get(servername) ?? contexts.get(servername.replace(/^[^.]+/, '*')),
  }
}

/** The host names in a certificate's subjectAltName, wildcards as they are. */
function namesOf(pem: Buffer): string[] {
  const names = new X509Certificate(pem).subjectAltName?.split(', ') ?? []
  return names.filter((name) => name.startsWith('DNS:')).map((name) => unicodeOf(name.slice(4).toLowerCase()))
}

function unicodeOf(name: string): string {
  return name.startsWith('*.') ? `*.${domainToUnicode(name.slice(2))}` : domainToUnicode(name)
}
