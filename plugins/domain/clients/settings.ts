/**
 * The settings of mail programs as facts, from which every format is written. Pure.
 */
import type { ClientSettingsApi, ServerSettings, SrvRecord } from './api.ts'
import type { Options } from './options.ts'

/** RFC 6186, RFC 8314 section 5.1, RFC 5804 section 1.8. */
const SERVICES: Readonly<Record<string, string>> = {
  'imap tls': '_imaps._tcp',
  'imap starttls': '_imap._tcp',
  'pop3 tls': '_pop3s._tcp',
  'pop3 starttls': '_pop3._tcp',
  'smtp tls': '_submissions._tcp',
  'smtp starttls': '_submission._tcp',
  'managesieve tls': '_sieve._tcp',
  'managesieve starttls': '_sieve._tcp',
}
export const PROFILE_PATH = '/clients/apple.mobileconfig'

export interface SettingsDeps {
  readonly options: Options
  readonly hostname: string
  /** Whether the HTTP server serves JMAP. */
  hasJmap(): boolean
}

export class Settings implements ClientSettingsApi {
  readonly #deps: SettingsDeps
  readonly web: string

  constructor(deps: SettingsDeps) {
    this.#deps = deps
    this.web = deps.options.web ?? deps.hostname
  }

  servers(): readonly ServerSettings[] {
    const { options, hostname } = this.#deps
    const jmap: readonly ServerSettings[] = this.#deps.hasJmap()
      ? [{ protocol: 'jmap', host: this.web, port: options.webPort, security: 'tls' }]
      : []
    return [...options.servers.map((one) => ({ ...one, host: one.host ?? hostname })), ...jmap]
  }

  profilePath(address: string): string {
    return `${PROFILE_PATH}?address=${encodeURIComponent(address)}`
  }

  srv(): readonly SrvRecord[] {
    const of = (service: string, port: number, target: string) => ({ service, priority: 0, weight: 1, port, target })
    const own = this.servers().map(({ protocol, security, port, host }) =>
      // RFC 8620 section 2.2.
      of(protocol === 'jmap' ? '_jmap._tcp' : (SERVICES[`${protocol} ${security}`] as string), port, host),
    )
    return [...own, of('_autodiscover._tcp', this.#deps.options.webPort, this.web)]
  }

  hosts(domain: string): readonly string[] {
    return [`autoconfig.${domain}`, `autodiscover.${domain}`]
  }
}

/** An address that may be written into settings; undefined for other text. */
export function addressIn(text: string | undefined): { readonly address: string; readonly domain: string } | undefined {
  if (
    text === undefined ||
    text.length > 254 ||
    !/^[^\s@"<>&\p{Cc}]{1,64}@[^\s@"<>&\p{Cc}]+\.[^\s@"<>&\p{Cc}.]+$/u.test(text)
  )
    return undefined
  return { address: text, domain: text.slice(text.indexOf('@') + 1).toLowerCase() }
}
