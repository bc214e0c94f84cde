/**
 * The options of a ManageSieve listener.
 */
import { listenerOptions, size } from 'iems'
import * as z from 'zod'

const shared = listenerOptions({
  port: 4190,
  tlsPort: 4190,
  connections: 1000,
  connectionsPerAddress: 50,
  overLimit: 'BYE',
  lineLength: '8 KiB',
  errors: 20,
  idle: '30 min',
  idleRule: 'RFC 5804 requires at least 30 minutes',
})
const { handshake, login, idle: command, write } = shared.timeouts

const limits = z
  .strictObject({
    ...shared.limits,
    literalSize: size()
      .prefault('1 MiB')
      .describe('Maximum size of a literal after login; a larger one ends the session.'),
  })
  .prefault({})
  .describe('Limits for one client.')

const timeouts = z
  .strictObject({ handshake, login, command, write })
  .prefault({})
  .describe('Times to wait for one client.')

export const options = z.strictObject({
  ...shared.fields,
  limits,
  timeouts,
})
export type Options = z.output<typeof options>
