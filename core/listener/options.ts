/**
 * The options that listeners share: addresses, TLS, proxies, limits and timeouts. A plugin spreads them into its schema
 * and adds its own.
 */
import * as z from 'zod'
import { network } from '../net/networks.ts'
import { duration, size } from '../runtime/units.ts'
import { listenOption } from './addresses.ts'
import { tlsOption } from './certificates.ts'

export interface ListenerDefaults {
  /** Port for plain text, for the example in the reference. */
  readonly port: number
  /** Port of implicit TLS. */
  readonly tlsPort: number
  readonly connections: number
  readonly connectionsPerAddress: number
  /** Reply to a client beyond the connection limits, such as `421`. Default: it is disconnected. */
  readonly overLimit?: string
  /** How a session ends at a limit. Default: `the server ends the session`. */
  readonly ending?: string
  readonly errors?: number
  readonly authAttempts?: number
  /** Maximum command line, as a size. */
  readonly lineLength?: string
  /** Timeout for the next command after login. */
  readonly idle?: string
  /** The RFC that sets a minimum for it, and the minimum. */
  readonly idleRule?: string
  /** Timeout for the client to accept data. */
  readonly write?: string
}

const count = (value: number) => z.int().positive().default(value)

/** Limits for one client. */
function limitOptions(defaults: ListenerDefaults) {
  const { overLimit, ending = 'the server ends the session' } = defaults
  const further = overLimit === undefined ? 'the server closes further ones' : `further ones receive ${overLimit}`
  return {
    connections: count(defaults.connections).describe(`Maximum number of concurrent connections; ${further}.`),
    connectionsPerAddress: count(defaults.connectionsPerAddress).describe(
      `Maximum number of concurrent connections from one address; ${further}.`,
    ),
    lineLength: size()
      .prefault(defaults.lineLength ?? '8 KiB')
      .describe('Maximum length of a command line, literals not counted; a longer one is refused.'),
    errors: count(defaults.errors ?? 50).describe(`Maximum number of invalid commands in a session; then ${ending}.`),
    authAttempts: count(defaults.authAttempts ?? 5).describe(
      `Maximum number of failed logins in a session; then ${ending}.`,
    ),
  }
}

/** Timeouts for one client. */
function timeoutOptions({ idle = '30 min', idleRule, write = '5 min' }: ListenerDefaults) {
  return {
    handshake: duration().prefault('30 s').describe('Time for the PROXY header and for each TLS handshake.'),
    login: duration().prefault('2 min').describe('Time for the next command before login.'),
    idle: duration()
      .prefault(idle)
      .describe(`Time for the next command after login.${idleRule === undefined ? '' : ` ${idleRule}.`}`),
    write: duration().prefault(write).describe('Time for the client to accept any octets of a response.'),
  }
}

/**
 * Schemas of the options that listeners share. `fields` are top-level: `listen`, `tls`, `authWithoutTls`, `proxyFrom`.
 * From `limits` and `timeouts` a plugin picks those that its protocol needs, for objects in its own schema.
 */
export function listenerOptions(defaults: ListenerDefaults) {
  const { port, tlsPort } = defaults
  const examples = [...new Set([port, tlsPort])].map((one) => `':${one}'`).join(', ')
  return {
    fields: {
      listen: listenOption().describe(
        `Addresses to listen on: ${examples}, '127.0.0.1:${port}', '[::1]:${port}', 'unix:/run/iems/socket', or a list of these.`,
      ),
      tls: tlsOption(tlsPort).optional().describe('Certificates. Default: TLS is not offered.'),
      authWithoutTls: z.boolean().default(false).describe('Accept passwords on connections without TLS.'),
      proxyFrom: z
        .array(network())
        .default([])
        .describe(
          'Addresses and networks of proxies. Every connection from them must begin with a PROXY protocol header (v1 or v2).',
        ),
    },
    limits: limitOptions(defaults),
    timeouts: timeoutOptions(defaults),
  }
}
