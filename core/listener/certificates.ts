/**
 * The TLS options of every listener: certificates from files or from a plugin's certificate service, chosen by the host
 * name that the client requests (SNI), else the first.
 *
 * Invariants: invalid certificate files never replace a valid certificate.
 */
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import { domainToUnicode } from 'node:url'
import * as z from 'zod'
import { IemsError, reasonOf, together } from '../api/errors.ts'
import type { SetupContext } from '../api/plugin.ts'
import { defineService } from '../api/service.ts'

const certificate = {
  cert: z
    .string()
    .describe(
      'File with the certificate and its chain (PEM). Read at start, at each reload and every minute; sessions that are open go on.',
    ),
  key: z.string().describe('File with the private key (PEM).'),
}

/** Certificates of a plugin, for listeners whose option `tls` names no files. */
export interface CertificateSource {
  /** The default certificate; the same object until it changes. */
  current(): { readonly cert: Buffer; readonly key: Buffer }
  /** The context for a host name, in Unicode and lower case; undefined for the default. */
  choose(servername: string): SecureContext | undefined
  /** The answer to a pending TLS-ALPN-01 challenge (RFC 8737) for a host name. */
  challenge(servername: string): SecureContext | undefined
}
export const CertificateService = defineService<CertificateSource>('certificates')

/** RFC 8737 section 4. */
export const ACME_TLS = 'acme-tls/1'

/** The option `tls` of a listener; `port` is that of implicit TLS for its protocol. */
export const tlsOption = (port: number) =>
  z
    .strictObject(tlsFields(port))
    .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'cert and key belong together')

const tlsFields = (port: number) => ({
  cert: certificate.cert
    .optional()
    .describe(`${certificate.cert.description} Default: the certificates of a plugin, such as acme.`),
  key: certificate.key.optional().describe(`${certificate.key.description}`),
  others: z
    .array(z.strictObject(certificate))
    .default([])
    .describe('Further certificates, chosen by the name the client asks for (SNI); each names its hosts itself.'),
  mode: z
    .enum(['starttls', 'implicit'])
    .default('starttls')
    .describe(`Begin in plain text and offer STARTTLS, or speak TLS from the first octet (port ${port}).`),
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2').describe('The oldest version that is spoken.'),
})
export type TlsOption = z.output<ReturnType<typeof tlsOption>>

/** Ms between checks of the files. */
export const LOOK_MS = 60_000

export interface Certificates {
  /** The current default certificate. */
  readonly cert: Buffer
  readonly key: Buffer
  /** The context for a host name, in Unicode and lower case; undefined for the default. */
  choose(servername: string): SecureContext | undefined
  challenge(servername: string): SecureContext | undefined
  /**
   * Reads the files again. True: new connections use changed certificates. Throws IEMS_TLS_FILE with nothing changed.
   */
  refresh(): Promise<boolean>
}

interface ReadCertificates extends Omit<Certificates, 'refresh' | 'challenge'> {
  /** A digest of the files. */
  readonly mark: string
}

/**
 * Reads the certificates. Those of a service are looked up whenever they are used, because plugins that offer it may be
 * set up later: nothing may be used before `listen`. Throws IEMS_TLS_FILE with every file that is invalid.
 */
export async function readCertificates(option: TlsOption, ctx: FindsService): Promise<Certificates> {
  const { cert, key } = option
  return cert === undefined || key === undefined ? fromService(ctx) : fromFiles({ ...option, cert, key }, ctx)
}

/** Throws IEMS_TLS_NO_SERVICE when used without one. */
function fromService(ctx: FindsService): Certificates {
  const source = () => {
    const found = ctx.find(CertificateService)
    if (!found) throw new IemsError('IEMS_TLS_NO_SERVICE', { plugin: ctx.name })
    return found
  }
  let last: unknown
  return {
    get cert() {
      return source().current().cert
    },
    get key() {
      return source().current().key
    },
    choose: (servername) => source().choose(servername),
    challenge: (servername) => source().challenge(servername),
    async refresh() {
      const isOther = source().current() !== last
      last = source().current()
      return isOther
    },
  }
}

async function fromFiles(option: FileOption, ctx: FindsService): Promise<Certificates> {
  let present = await readAll(option)
  return {
    get cert() {
      return present.cert
    },
    get key() {
      return present.key
    },
    choose: (servername) => present.choose(servername),
    challenge: (servername) => ctx.find(CertificateService)?.challenge(servername),
    async refresh() {
      const next = await readAll(option)
      if (next.mark === present.mark) return false
      present = next
      return true
    },
  }
}

type FileOption = TlsOption & { readonly cert: string; readonly key: string }
type FindsService = Pick<SetupContext, 'find' | 'name'>

async function readAll({ cert, key, others, minVersion }: FileOption): Promise<ReadCertificates> {
  const problems: IemsError[] = []
  const main = await readPair({ cert, key }, problems)
  const contexts = new Map<string, SecureContext>()
  const mark = createHash('sha256')
  for (const other of others) {
    const pair = await readPair(other, problems)
    if (!pair) continue
    mark.update(pair.cert).update(pair.key)
    const context = createSecureContext({ ...pair, minVersion })
    for (const name of namesOf(pair.cert)) contexts.set(name, context)
  }
  if (!main || problems.length > 0) throw together(problems)
  mark.update(main.cert).update(main.key)
  return {
    ...main,
    mark: mark.digest('base64'),
    choose: (servername) => contexts.get(servername) ?? contexts.get(servername.replace(/^[^.]+/, '*')),
  }
}

/** Reads CA certificates (PEM) from a file. Throws IEMS_TLS_FILE. */
export async function readAuthorities(path: string): Promise<string> {
  return (await readPem(path, (pem) => new X509Certificate(pem))).pem.toString()
}

/** Reads a certificate and its key, and adds their faults to `problems`. */
async function readPair(files: { readonly cert: string; readonly key: string }, problems: IemsError[]) {
  const found = await Promise.allSettled([
    readPem(files.cert, (pem) => new X509Certificate(pem)),
    readPem(files.key, (pem) => createPrivateKey(pem)),
  ])
  for (const one of found) if (one.status === 'rejected') problems.push(one.reason as IemsError)
  const [cert, key] = found
  if (cert.status === 'rejected' || key.status === 'rejected') return undefined
  if (cert.value.parsed.checkPrivateKey(key.value.parsed)) return { cert: cert.value.pem, key: key.value.pem }
  problems.push(
    new IemsError('IEMS_TLS_FILE', { path: files.key, why: `not the key of the certificate in ${files.cert}` }),
  )
  return undefined
}

async function readPem<T>(
  path: string,
  parse: (pem: Buffer) => T,
): Promise<{ readonly pem: Buffer; readonly parsed: T }> {
  try {
    const pem = await readFile(path)
    return { pem, parsed: parse(pem) }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const why =
      code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'the server may not read it' : reasonOf(cause)
    throw new IemsError('IEMS_TLS_FILE', { path, why }, cause)
  }
}

/** Options for a node:tls server. */
export function tlsServerOptions({ cert, key, choose }: Certificates, { minVersion }: Pick<TlsOption, 'minVersion'>) {
  return {
    cert,
    key,
    minVersion,
    SNICallback: (servername: string, done: (error: Error | null, context?: SecureContext) => void) =>
      done(null, choose(domainToUnicode(servername.toLowerCase()))),
  }
}

/** Host names in a certificate's subjectAltName, including wildcards. */
function namesOf(pem: Buffer): string[] {
  const names = new X509Certificate(pem).subjectAltName?.split(', ') ?? []
  return names.filter((name) => name.startsWith('DNS:')).map((name) => unicodeOf(name.slice(4).toLowerCase()))
}

function unicodeOf(name: string): string {
  return name.startsWith('*.') ? `*.${domainToUnicode(name.slice(2))}` : domainToUnicode(name)
}
