/**
 * The options of a POP3 listener.
 */
import { duration, listenerOptions } from 'iems'
import * as z from 'zod'

const shared = listenerOptions({
  port: 110,
  tlsPort: 995,
  connections: 1000,
  connectionsPerAddress: 50,
  overLimit: '-ERR',
  lineLength: '4 KiB',
  errors: 20,
  idle: '10 min',
  idleRule: 'RFC 1939 requires at least 10 minutes',
})
const { handshake, login, idle: command, write } = shared.timeouts

const limits = z.strictObject(shared.limits).prefault({}).describe('Limits for one client.')

const timeouts = z
  .strictObject({ handshake, login, command, write })
  .prefault({})
  .describe('Times to wait for one client.')

export const options = z.strictObject({
  ...shared.fields,
  loginDelay: duration().prefault('0 s').describe('Shortest time between two logins of an account (LOGIN-DELAY).'),
  expire: duration()
    .optional()
    .describe('Age at which another program removes messages, as announced to clients (EXPIRE). Default: never.'),
  uidl: z
    .string()
    .regex(/^(?:[!-$&-~]|%(?:0[1-9])?X?[uv])*$/, 'must consist of %u, %v and printable characters')
    .refine((format) => /%(?:0\d)?X?u/.test(format) && format.length <= 40, 'must contain the UID (%u)')
    .default('%v.%u')
    .describe(
      "Form of UIDLs: %u is the UID, %v UIDVALIDITY, with 08X eight hexadecimal digits. After a move that keeps UIDs, '%08Xu%08Xv' continues Dovecot's, and '%u' those of Cyrus with uidonly.",
    ),
  limits,
  timeouts,
})
export type Options = z.output<typeof options>
