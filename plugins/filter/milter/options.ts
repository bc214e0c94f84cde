/**
 * The plugin's options; the reference documentation is generated from this schema.
 */
import { BACKEND_ADDRESS, duration, size } from 'iems'
import * as z from 'zod'

const filter = z.strictObject({
  name: z
    .string()
    .regex(/^[\w-]+$/)
    .describe('What findings and the log call it.'),
  servers: z
    .array(z.string().regex(BACKEND_ADDRESS, "must be such as '127.0.0.1:8891' or 'unix:/run/opendkim.sock'"))
    .min(1)
    .max(20)
    .describe("Addresses such as '127.0.0.1:8891' or 'unix:/run/…'; the first that answers is used."),
  whenDown: z
    .enum(['defer', 'skip'])
    .default('defer')
    .describe('What happens while it does not answer: senders try later (451), or mail goes on without it.'),
  connect: duration().prefault('5 s').describe('For connecting and agreeing on the protocol.'),
  answer: duration().prefault('20 s').describe('For an answer to a step.'),
  content: duration()
    .prefault('2 min')
    .describe('For the reply to the end of the message; each progress reply restarts it.'),
  failures: z.int().min(1).default(3).describe('After so many failures in a row a server is left alone for a while.'),
  pause: duration().prefault('30 s').describe('Time for which a server that failed is not used.'),
})

export const options = z.strictObject({
  filters: z.array(filter).min(1).max(20).describe('Asked in this order; each sees what the one before has changed.'),
  body: size().prefault('100 MB').describe('Octets that a new body may have.'),
  header: size().prefault('1 MB').describe('Octets of header that filters are given; a longer one is refused (552).'),
  clients: z.int().positive().default(1000).describe('Clients for whom connections to filters are kept at a time.'),
})
export type Options = z.output<typeof options>
export type FilterOptions = Options['filters'][number]
