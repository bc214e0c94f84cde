/**
 * What an admin can set for one IMAP listener.
 */
import { duration, listenOption, network, size, tlsOption } from 'iems'
import * as z from 'zod'

const limits = z
  .strictObject({
    connections: z.int().positive().default(5000).describe('Maximum number of connections; further ones receive BYE.'),
    connectionsPerAddress: z.int().positive().default(100).describe('Maximum number of connections from one address.'),
    lineLength: size()
      .prefault('64 KiB')
      .describe('Maximum length of a command line, literals not counted; a longer one ends the session with BYE.'),
    errors: z
      .int()
      .positive()
      .default(50)
      .describe('Maximum number of invalid commands in a session before the server sends BYE.'),
    authAttempts: z
      .int()
      .positive()
      .default(5)
      .describe('Maximum number of failed logins in a session before the server sends BYE.'),
    messagesPerCommand: z
      .int()
      .positive()
      .optional()
      .describe(
        'Maximum number of messages that one command processes, announced as MESSAGELIMIT (RFC 9738). Default: no limit.',
      ),
    messageSize: size()
      .prefault('50 MB')
      .describe('Maximum size of an appended message, announced as APPENDLIMIT (RFC 7889).'),
  })
  .prefault({})
  .describe('Limits for one client.')

const timeouts = z
  .strictObject({
    handshake: duration().prefault('30 s').describe('Time for the PROXY header and for each TLS handshake.'),
    login: duration().prefault('2 min').describe('Time for the next command before login.'),
    idle: duration()
      .prefault('30 min')
      .describe('Time for the next command after login, and for IDLE. RFC 9051 requires at least 30 minutes.'),
    write: duration().prefault('5 min').describe('Time for the client to accept any octets of a response.'),
  })
  .prefault({})
  .describe('Times to wait for one client.')

export const options = z.strictObject({
  listen: listenOption().describe("Addresses to listen on: ':143', ':993', or a list."),
  tls: tlsOption(993).optional().describe('Certificates. Default: TLS is not offered.'),
  jmapSession: z
    .url({ protocol: /^https$/ })
    .optional()
    .describe(
      'URL of the JMAP session that serves the same accounts by the same logins, for JMAPACCESS (RFC 9698). Default: JMAPACCESS is not offered.',
    ),
  authWithoutTls: z.boolean().default(false).describe('Accept passwords on connections without TLS.'),
  shared: z
    .string()
    .optional()
    .describe('Name of an account whose mailboxes all users see below Shared/, as far as the ACL permits.'),
  proxyFrom: z
    .array(network())
    .default([])
    .describe(
      'Addresses and networks of proxies. Every connection from them must begin with a PROXY protocol header (v1 or v2).',
    ),
  limits,
  timeouts,
})
export type Options = z.output<typeof options>
