/**
 * The files that `iems init` writes: the configuration and its service unit.
 */
import type { Answers } from './answers.ts'

const quoted = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`

export interface TlsFiles {
  readonly cert: string
  readonly key: string
}

/** The configuration text of `outgoing`; undefined for the preset's default. */
function outgoingText(outgoing: string): string | undefined {
  if (outgoing === 'internet') return undefined
  return outgoing === 'none' ? "'none'" : `{ nexthop: ${quoted(outgoing)} }`
}

/** `iems.config.ts`, with comments on the options that are most often changed. */
export function configText(answers: Answers, tls: TlsFiles | undefined): string {
  const { domain, hostname, account, address, ports, protection, data } = answers
  const outgoing = outgoingText(answers.outgoing)
  const lines = [
    '// Mail is taken for this domain; further ones: iems domain add.',
    `domain: ${quoted(domain)},`,
    '// The name of this server in the DNS. The reverse name of its address should be the same.',
    `hostname: ${quoted(hostname)},`,
    '// The first account, an administrator; mail for postmaster and abuse goes there.',
    `account: ${quoted(account)},`,
    `store: { path: ${quoted(data)} },`,
    ...(address === 'all'
      ? []
      : ['// Other machines reach it only without this line.', `address: ${quoted(address)},`]),
    ...(ports === 'standard' ? [] : ['// Ports from 2000 on need no rights.', `ports: ${quoted(ports)},`]),
    ...(tls
      ? [
          '// The server looks at these files every minute: a new certificate needs no restart.',
          `tls: { cert: ${quoted(tls.cert)}, key: ${quoted(tls.key)} },`,
        ]
      : []),
    ...(outgoing === undefined ? [] : ['// How mail for other domains leaves.', `outgoing: ${outgoing},`]),
    ...(protection === 'none' ? ["protection: 'none',"] : []),
    ...(protection === 'clamav' ? ['// What clamd finds is refused.', "clamd: ['unix:/run/clamav/clamd.ctl'],"] : []),
    '// Parts are replaced or left out by name: docs/presets.md.',
    "// without: ['pop3', 'pop3s'],",
  ]
  return [
    '/** Written by `iems init`. `iems check` says what is wrong with it, `iems reload` puts changes into force. */',
    "import { defineConfig } from 'iems'",
    "import { mailServer } from 'iems/presets'",
    '',
    'export default defineConfig(',
    '  mailServer({',
    ...lines.map((line) => `    ${line}`),
    '  }),',
    ')',
    '',
  ].join('\n')
}

export interface UnitPlaces {
  /** The command with its arguments, as `node …/launch.cjs`. */
  readonly command: string
  readonly config: string
  /** Absolute path. */
  readonly data: string
}

/** The unit of config/iems.service, adapted to these paths. */
export function unitText(template: string, { command, config, data }: UnitPlaces): string {
  const isState = data === '/var/lib/iems'
  return template
    .replace(/^ExecStart=.*$/m, () => `ExecStart=${command} start --quiet --config ${config}`)
    .replace(/^(StateDirectory=iems)$/m, (line) => (isState ? line : `ReadWritePaths=${data}`))
    .replace(/^StateDirectoryMode=.*\n/m, (line) => (isState ? line : ''))
    .replace(/^ProtectHome=true$/m, (line) => (/^\/(home|root)\//.test(data + config) ? 'ProtectHome=false' : line))
}
