/**
 * What an admin can set for one IMAP listener.
 */
import { duration, listenOption, network, size, tlsOption } from 'iems'
import * as z from 'zod'

const limits = z
  .strictObject({
    connections: z.int().positive().default(5000).describe('Maximum number of connections; further ones receive BYE.'),
    connectionsPerAddress: z.int().positive().default(100).describe('Connections at a time from one address.'),
    lineLength: size().prefault('64 KiB').describe('Length of a command line without its literals.'),
    errors: z.int().positive().default(50).describe('Commands that could not be understood, in a session; then BYE.'),
    authAttempts: z.int().positive().default(5).describe('Failed logins in a session; then BYE.'),
    messagesPerCommand: z
      .int()
      .positive()
      .optional()
      .describe('Messages that one command may be about (MESSAGELIMIT); no limit by default.'),
    messageSize: size().prefault('50 MB').describe('Largest message a client may append. Announced as APPENDLIMIT.'),
  })
  .prefault({})
  .describe('Limits for one client.')

const timeouts = z
  .strictObject({
    handshake: duration().prefault('30 s').describe('For the PROXY header and each TLS handshake.'),
    login: duration().prefault('2 min').describe('For a command before the client has logged in.'),
    idle: duration()
      .prefault('30 min')
      .describe('For a command afterwards (RFC 9051 asks for 30 minutes), and for IDLE.'),
    write: duration().prefault('5 min').describe('For the client to take anything of what it asked for.'),
  })
  .prefault({})
  .describe('Times to wait for one client.')

export const options = z.strictObject({
  listen: listenOption().describe("Addresses to listen on: ':143', ':993', or a list."),
  tls: tlsOption(993).optional().describe('Certificates; without them there is no TLS.'),
  authWithoutTls: z.boolean().default(false).describe('Let passwords pass in the clear.'),
  shared: z.string().optional().describe('Name of an account whose mailboxes are there for all, below Shared/.'),
  proxyFrom: z
    .array(network())
    .default([])
    .describe('Proxies whose connections all begin with a PROXY protocol header (v1 or v2).'),
  limits,
  timeouts,
})
export type Options = z.output<typeof options>
