/**
 * Whole configurations as plain functions, as 'iems/presets'. `mailServer` gives the usual channels and plugins of a
 * mail server for one domain; what it gives back is an ordinary configuration.
 *
 * What must stay true: a preset uses only what a configuration can import itself, and hides no option: each of its
 * parts can be replaced or left out by name.
 */
import { type ConfigInput, type PluginEntry, type Secret, secret } from 'iems'
import { account as accountApp } from 'iems/plugins/account'
import { admin } from 'iems/plugins/admin'
import { antispam } from 'iems/plugins/antispam'
import { antivirus } from 'iems/plugins/antivirus'
import { clients } from 'iems/plugins/clients'
import { directory } from 'iems/plugins/directory'
import { dkim } from 'iems/plugins/dkim'
import { domain as domainRecords } from 'iems/plugins/domain'
import { http } from 'iems/plugins/http'
import { imap } from 'iems/plugins/imap'
import { jmap } from 'iems/plugins/jmap'
import { ldap } from 'iems/plugins/ldap'
import { lists } from 'iems/plugins/lists'
import { mailsort } from 'iems/plugins/mailsort'
import { mailstore } from 'iems/plugins/mailstore'
import { managesieve } from 'iems/plugins/managesieve'
import { outgoingRefused } from 'iems/plugins/outgoing-refused'
import { pop3 } from 'iems/plugins/pop3'
import { quota } from 'iems/plugins/quota'
import { senderAuth } from 'iems/plugins/sender-auth'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
import { webmail } from 'iems/plugins/webmail'

export interface MailServerOptions extends Omit<ConfigInput, 'channels' | 'plugins'> {
  /** The domain whose mail it takes, such as `example.org`. Further ones: `iems domain add`. */
  readonly domain: string
  /**
   * The first account, an administrator, made when there is none yet. Mail for postmaster and abuse goes there.
   * Default: `admin`.
   */
  readonly account?: string
  /** Its password. Default: the environment variable `IEMS_PASSWORD`; without it one is made and printed once. */
  readonly password?: Secret
  /** Where it listens. Default: all addresses of the machine. On a loopback address, passwords may pass without TLS. */
  readonly address?: string
  /** `standard`: 25, 587, 143, …. `high`: 2000 more, 2525 for SMTP and 8080 or 8443 for HTTP, for which no rights are needed. Default: `standard`. */
  readonly ports?: 'standard' | 'high'
  /**
   * PEM files of the certificate and its key; `{}` for the certificates of the plugin acme. Without it no client can log
   * in from another machine.
   */
  readonly tls?: { readonly cert: string; readonly key: string } | Readonly<Record<string, never>>
  /**
   * How mail for other domains leaves: to their servers, through one next hop (the options of `smtpOut`), or not at all:
   * `none` refuses it. Default: `internet`.
   */
  readonly outgoing?: 'internet' | 'none' | NonNullable<Parameters<typeof smtpOut>[0]>
  /** `standard`: SPF, DKIM, DMARC and ARC verified, antispam, DKIM signatures. Default: `standard`. */
  readonly protection?: 'standard' | 'none'
  /** Servers of clamd, such as `unix:/run/clamav/clamd.ctl`. Default: none; mail is not scanned. */
  readonly clamd?: readonly string[]
  /** Further channels; one with the name of a usual channel replaces it. */
  readonly channels?: Readonly<Record<string, PluginEntry>>
  /** Further plugins; one with the name of a usual plugin stands in its place. */
  readonly plugins?: readonly PluginEntry[]
  /** Names of usual channels and plugins that are left out. */
  readonly without?: readonly string[]
}

/** Ports by the service that stands there. */
const PORTS = {
  smtp: 25,
  submission: 587,
  submissions: 465,
  imap: 143,
  imaps: 993,
  pop3: 110,
  pop3s: 995,
  ldap: 389,
  ldaps: 636,
  sieve: 4190,
  http: 80,
  https: 443,
} as const
const HIGH = 2000
/** Those that everybody knows by another number. */
const HIGH_PORTS = { smtp: 2525, http: 8080, https: 8443 } as const

/** Where the services of a server listen, by the name of the service. */
export function portsOf(kind: 'standard' | 'high'): Readonly<Record<keyof typeof PORTS, number>> {
  if (kind === 'standard') return PORTS
  const high = Object.fromEntries(Object.entries(PORTS).map(([name, port]) => [name, port + HIGH]))
  return { ...(high as Record<keyof typeof PORTS, number>), ...HIGH_PORTS }
}

const OVER_HTTP = ['clients', 'jmap', 'webmail', 'account', 'admin']

const isLoopback = (address: string) => /^(127\.|\[?::1\]?$|localhost$)/.test(address)

/** `dc=example,dc=org` */
const suffixOf = (domain: string) =>
  domain
    .split('.')
    .map((label) => `dc=${label}`)
    .join(',')

/** The configuration of a mail server for one domain. Throws when `without` names what it has not. */
export function mailServer(options: MailServerOptions): ConfigInput {
  const {
    domain,
    account = 'admin',
    password,
    address,
    ports,
    tls,
    outgoing,
    protection,
    clamd,
    channels,
    plugins,
    without: given = [],
    ...rest
  } = options
  const usual = usualChannels(options)
  const around = usualPlugins({ ...options, account })
  // What is served over HTTP goes with it.
  const without = given.includes('web') && !channels?.web ? [...given, ...OVER_HTTP] : given
  const names = [...Object.keys(usual), ...around.map(nameOf)]
  const unknown = given.find((name) => !names.includes(name) && !OVER_HTTP.includes(name))
  if (unknown !== undefined)
    throw new Error(`without: mailServer has no part called ${unknown}; it has ${names.join(', ')}`)
  const isWanted = (name: string) => !without.includes(name)
  return {
    hostname: `mail.${domain}`,
    ...rest,
    reports: { postmaster: `${account}@${domain}`, ...rest.reports },
    channels: { ...Object.fromEntries(Object.entries(usual).filter(([name]) => isWanted(name))), ...channels },
    plugins: replaced(
      around.filter((one) => isWanted(nameOf(one))),
      plugins ?? [],
    ),
  }
}

/** Where browsers reach the pages: by address on a loopback address, else by the server's name. */
function originOf({ address = '', hostname, domain, ports = 'standard', tls }: MailServerOptions): string {
  const host = isLoopback(address) ? address : (hostname ?? `mail.${domain}`)
  const scheme = tls ? 'https' : 'http'
  return `${scheme}://${host}${ports === 'standard' ? '' : `:${portsOf(ports)[scheme]}`}`
}

function usualChannels(options: MailServerOptions): Record<string, PluginEntry> {
  const { domain, address = '', ports = 'standard', tls, outgoing = 'internet' } = options
  const port = portsOf(ports)
  const at = (service: keyof typeof PORTS) => `${address}:${port[service]}`
  const suffix = suffixOf(domain)
  const secure = tls ? { tls } : isLoopback(address) ? { authWithoutTls: true } : {}
  const implicit = tls && { tls: { ...tls, mode: 'implicit' as const } }
  return {
    mx: smtpIn({ listen: at('smtp'), ...(tls ? { tls } : {}) }),
    submission: smtpIn({ listen: at('submission'), auth: 'required', ...secure }),
    ...(implicit ? { submissions: smtpIn({ listen: at('submissions'), auth: 'required', ...implicit }) } : {}),
    imap: imap({ listen: at('imap'), ...secure }),
    ...(implicit ? { imaps: imap({ listen: at('imaps'), ...implicit }) } : {}),
    pop3: pop3({ listen: at('pop3'), ...secure }),
    ...(implicit ? { pop3s: pop3({ listen: at('pop3s'), ...implicit }) } : {}),
    ldap: ldap({ listen: at('ldap'), suffix, ...secure }),
    ...(implicit ? { ldaps: ldap({ listen: at('ldaps'), suffix, ...implicit }) } : {}),
    sieve: managesieve({ listen: at('sieve'), ...secure }),
    web: http({ listen: at(tls ? 'https' : 'http'), ...(tls ? { tls } : {}) }),
    local: mailstore({ retention: [{ mailbox: 'Trash', after: '30 days' }] }),
    lists: lists({ site: originOf(options) }),
    outgoing: outgoing === 'none' ? outgoingRefused() : smtpOut(outgoing === 'internet' ? {} : outgoing),
  }
}

function usualPlugins({
  domain,
  account,
  address = '',
  password = process.env.IEMS_PASSWORD === undefined ? undefined : secret.env('IEMS_PASSWORD'),
  ports = 'standard',
  tls,
  protection = 'standard',
  clamd = [],
  without = [],
}: MailServerOptions & { readonly account: string }): PluginEntry[] {
  return [
    directory({ first: { domain, account, ...(password ? { password } : {}) } }),
    ...(protection === 'standard' ? [senderAuth(), antispam({ thresholds: { tag: 4, junk: 6, refuse: 15 } })] : []),
    ...(clamd.length > 0 ? [antivirus({ servers: [...clamd] })] : []),
    ...(protection === 'standard' ? [dkim()] : []),
    // On a loopback address no DNS speaks of the server.
    ...(isLoopback(address) ? [] : [domainRecords()]),
    ...(tls ? clientSettings(portsOf(ports), without) : []),
    mailsort(),
    quota(),
    jmap(),
    webmail(),
    accountApp(tls ? {} : { servers: serversWithoutTls(address, portsOf(ports)) }),
    admin(),
  ]
}

/** Mail programs are only shown servers with TLS. */
function clientSettings(ports: ReturnType<typeof portsOf>, without: readonly string[]): PluginEntry[] {
  const protocols = [
    ['imaps', 'imap', 'tls'],
    ['submissions', 'smtp', 'tls'],
    ['sieve', 'managesieve', 'starttls'],
  ] as const
  const servers = protocols.flatMap(([name, protocol, security]) =>
    without.includes(name) ? [] : [{ protocol, port: ports[name], security }],
  )
  return servers.length > 0 ? [clients({ servers, webPort: ports.https })] : []
}

/** The set-up help of account holders where no mail program is shown a server with TLS. */
function serversWithoutTls(address: string, ports: ReturnType<typeof portsOf>) {
  const host = isLoopback(address) ? { host: address } : {}
  const serverAt = (port: number) => ({ ...host, port, security: 'none' as const })
  return { imap: serverAt(ports.imap), smtp: serverAt(ports.submission) }
}

const nameOf = ({ definition, settings }: PluginEntry): string => settings.as ?? definition.name

/** Those of `given` in the place of the usual ones with the same name, or behind all of them. */
function replaced(usual: readonly PluginEntry[], given: readonly PluginEntry[]): PluginEntry[] {
  const ofName = (name: string) => given.find((one) => nameOf(one) === name)
  const names = usual.map(nameOf)
  return [...usual.map((one) => ofName(nameOf(one)) ?? one), ...given.filter((one) => !names.includes(nameOf(one)))]
}
