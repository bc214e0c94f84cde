/**
 * The options of an IMAP listener.
 */
import { listenerOptions, size } from 'iems'
import * as z from 'zod'

const shared = listenerOptions({
  port: 143,
  tlsPort: 993,
  connections: 5000,
  connectionsPerAddress: 100,
  overLimit: 'BYE',
  ending: 'the server sends BYE',
  lineLength: '64 KiB',
  idle: '30 min',
  idleRule: 'RFC 9051 requires at least 30 minutes, for IDLE too',
})

const limits = z
  .strictObject({
    ...shared.limits,
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

const timeouts = z.strictObject(shared.timeouts).prefault({}).describe('Times to wait for one client.')

export const options = z.strictObject({
  ...shared.fields,
  jmapSession: z
    .url({ protocol: /^https$/ })
    .optional()
    .describe(
      'URL of the JMAP session that serves the same accounts by the same logins, for JMAPACCESS (RFC 9698). Default: JMAPACCESS is not offered.',
    ),
  shared: z
    .string()
    .optional()
    .describe('Name of an account whose mailboxes all users see below Shared/, as far as the ACL permits.'),
  limits,
  timeouts,
})
export type Options = z.output<typeof options>
