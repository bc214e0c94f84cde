/** The options of the plugin; their descriptions become docs/config.md. */
import { duration, size } from 'iems'
import * as z from 'zod'

export const options = z.strictObject({
  listen: z
    .string()
    .min(1)
    .describe("Address for mail servers: '127.0.0.1:8891' or 'unix:/run/iems-milter'. The protocol has no login."),
  connections: z.int().positive().default(1000).describe('Maximum number of concurrent connections.'),
  header: size().prefault('1 MB').describe('Maximum size of a header; a longer one is refused (552).'),
  idle: duration().prefault('2 h').describe('Time after which a connection without a packet is closed.'),
})
export type Options = z.output<typeof options>
