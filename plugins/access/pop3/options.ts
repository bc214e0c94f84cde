/**
 * What an admin can set for one POP3 listener.
 */
import { duration, listenOption, network, size, tlsOption } from 'iems'
import * as z from 'zod'

const limits = z
  .strictObject({
    connections: z.int().positive().default(1000).describe('Maximum number of connections; further ones receive -ERR.'),
    connectionsPerAddress: z.int().positive().default(50).describe('Connections at a time from one address.'),
    lineLength: size().prefault('4 KiB').describe('Length of a command line (RFC 2449 asks for 255 octets).'),
    errors: z.int().positive().default(20).describe('Commands that were refused, in a session; then it ends.'),
    authAttempts: z.int().positive().default(5).describe('Failed logins in a session; then it ends.'),
  })
  .prefault({})
  .describe('Limits for one client.')

const timeouts = z
  .strictObject({
    handshake: duration().prefault('30 s').describe('For the PROXY header and each TLS handshake.'),
    login: duration().prefault('2 min').describe('For a command before the client has logged in.'),
    command: duration().prefault('10 min').describe('For a command afterwards (RFC 1939 asks for 10 minutes).'),
    write: duration().prefault('5 min').describe('For the client to take anything of what it asked for.'),
  })
  .prefault({})
  .describe('Times to wait for one client.')

export const options = z.strictObject({
  listen: listenOption().describe("Addresses to listen on: ':110', ':995', or a list."),
  tls: tlsOption(995).optional().describe('Certificates; without them there is no TLS.'),
  authWithoutTls: z.boolean().default(false).describe('Let passwords pass in the clear.'),
  loginDelay: duration().prefault('0 s').describe('Shortest time between two logins of an account (LOGIN-DELAY).'),
  expire: duration()
    .optional()
    .describe('Age at which another program removes messages, as announced to clients (EXPIRE). Default: never.'),
  proxyFrom: z
    .array(network())
    .default([])
    .describe('Proxies whose connections all begin with a PROXY protocol header (v1 or v2).'),
  limits,
  timeouts,
})
export type Options = z.output<typeof options>
