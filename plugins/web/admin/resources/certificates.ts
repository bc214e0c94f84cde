/**
 * The certificates that listeners present: files that the configuration names, and those that the plugin acme orders.
 *
 * Invariants: only the certificate is read, never its key; a file that cannot be read is a row with the reason.
 */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { type Administration, type ConfigurationView, reasonOf } from 'iems'
import type { AdminRoutes } from '../routes.ts'

export interface CertificateRow {
  /** The path of the file, or the first name of a certificate by ACME. */
  readonly id: string
  readonly source: 'file' | 'acme'
  readonly names: readonly string[]
  /** Names of the plugins that present it. */
  readonly usedBy: readonly string[]
  readonly issuer: string | null
  /** Ms since 1970. */
  readonly until: number | null
  readonly renewAt: number | null
  /** Why it cannot be read, or was not renewed. */
  readonly failure: string | null
}

const ACME = 'acme status'

export function addCertificates(routes: AdminRoutes): void {
  routes.route({
    method: 'GET',
    path: '/api/v1/certificates',
    who: 'admin',
    summary: 'List certificates of listeners: names, issuer, validity, and why one was not renewed',
    async run({ administration, signal }) {
      const { path, plugins } = administration.configuration()
      return { certificates: [...(await byAcme(administration, plugins, signal)), ...(await inFiles(path, plugins))] }
    },
  })
}

type Configured = ConfigurationView['plugins']
interface TlsOptions {
  readonly cert?: unknown
  readonly others?: unknown
}
const tlsOf = ({ options }: Configured[number]) => (options as { tls?: TlsOptions } | undefined)?.tls

async function inFiles(configuration: string, plugins: Configured): Promise<readonly CertificateRow[]> {
  const users = new Map<string, string[]>()
  for (const plugin of plugins) {
    const tls = tlsOf(plugin)
    const others = Array.isArray(tls?.others) ? (tls.others as readonly TlsOptions[]) : []
    for (const { cert } of [tls ?? {}, ...others]) {
      if (typeof cert !== 'string') continue
      const path = resolve(dirname(configuration), cert)
      users.set(path, [...(users.get(path) ?? []), plugin.name])
    }
  }
  return Promise.all([...users].map(([path, usedBy]) => readRow(path, usedBy)))
}

async function readRow(id: string, usedBy: readonly string[]): Promise<CertificateRow> {
  const common = { id, source: 'file', usedBy, renewAt: null } as const
  try {
    const { subject, subjectAltName = '', issuer, validTo } = new X509Certificate(await readFile(id))
    const names = subjectAltName.split(', ').flatMap((one) => (one.startsWith('DNS:') ? [one.slice(4)] : []))
    return {
      ...common,
      names: names.length > 0 ? names : [subject.replaceAll('\n', ', ')],
      issuer: issuer === subject ? 'itself' : nameOf(issuer),
      until: Date.parse(validTo),
      failure: null,
    }
  } catch (cause) {
    return { ...common, names: [], issuer: null, until: null, failure: reasonOf(cause) }
  }
}

/** The organization or common name of `C=…\nO=…\nCN=…`. */
function nameOf(issuer: string): string {
  const fields = new Map(issuer.split('\n').map((one) => one.split('=', 2) as [string, string]))
  return [fields.get('O'), fields.get('CN')].filter((one) => one !== undefined).join(', ') || issuer
}

async function byAcme(
  administration: Administration,
  plugins: Configured,
  signal: AbortSignal,
): Promise<readonly CertificateRow[]> {
  if (!administration.commands().some(({ words }) => words === ACME)) return []
  const usedBy = plugins.filter((one) => tlsOf(one) && tlsOf(one)?.cert === undefined).map(({ name }) => name)
  const rows: CertificateRow[] = []
  for await (const line of administration.run({ words: ACME, values: {}, signal })) {
    if (!('value' in line) || !line.value) continue
    const { name, names, until, renewAt, authority, failure } = line.value as Readonly<
      Record<string, string | null>
    > & {
      readonly names: readonly string[]
    }
    rows.push({
      id: name ?? '',
      source: 'acme',
      names,
      usedBy,
      issuer: authority ? new URL(authority).host : null,
      until: until ? Date.parse(until) : null,
      renewAt: renewAt ? Date.parse(renewAt) : null,
      failure: failure ?? null,
    })
  }
  return rows
}
