/**
 * What an administrator can set for one ManageSieve listener.
 */
import { duration, listenOption, network, size, tlsOption } from 'iems'
import * as z from 'zod'

const limits = z
  .strictObject({
    connections: z.int().positive().default(1000).describe('Maximum number of connections; further ones receive BYE.'),
    connectionsPerAddress: z.int().positive().default(50).describe('Maximum number of connections from one address.'),
    lineLength: size().prefault('8 KiB').describe('Maximum length of a command line without its literals.'),
    literalSize: size()
      .prefault('1 MiB')
      .describe('Maximum size of a literal after login; a larger one ends the session.'),
    errors: z
      .int()
      .positive()
      .default(20)
      .describe('Maximum number of commands that are refused in a session; then it ends.'),
    authAttempts: z.int().positive().default(5).describe('Maximum number of failed logins in a session; then it ends.'),
  })
  .prefault({})
  .describe('Limits for one client.')

const timeouts = z
  .strictObject({
    handshake: duration().prefault('30 s').describe('For the PROXY header and each TLS handshake.'),
    login: duration().prefault('2 min').describe('For a command before the client has logged in.'),
    command: duration().prefault('30 min').describe('For a command afterwards (RFC 5804 asks for 30 minutes).'),
    write: duration().prefault('5 min').describe('For the client to take anything of a response.'),
  })
  .prefault({})
  .describe('Times to wait for one client.')

export const options = z.strictObject({
  listen: listenOption().describe("Addresses to listen on: ':4190', or a list."),
  tls: tlsOption(4190).optional().describe('Certificates; without them there is no STARTTLS.'),
  authWithoutTls: z.boolean().default(false).describe('Accept passwords without TLS.'),
  proxyFrom: z
    .array(network())
    .default([])
    .describe('Proxies whose connections all begin with a PROXY protocol header (v1 or v2).'),
  limits,
  timeouts,
})
export type Options = z.output<typeof options>
