/**
 * The options of a DNS list.
 */
import * as z from 'zod'

const RANGE = String.raw`(?:\*|\d{1,3}(?:-\d{1,3})?)`
/** `127.0.0.2`, `127.0.0.4-7`, `127.0.*.1`. */
export const RETURN = new RegExp(`^${RANGE}\\.${RANGE}\\.${RANGE}\\.${RANGE}$`)

const list = z.strictObject({
  zone: z
    .string()
    .regex(/^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,200}[A-Za-z0-9])?$/, 'must be a zone such as zen.example.org')
    .describe('The zone that is asked.'),
  of: z
    .array(z.enum(['client', 'client-name', 'hello', 'sender', 'uri']))
    .min(1)
    .default(['client'])
    .describe(
      'What is looked up: the address of the client, its confirmed name, its HELO, the domain of the sender, domains in the text.',
    ),
  score: z
    .number()
    .min(-100)
    .max(100)
    .default(3)
    .describe('What an answer counts that `returns` does not name; below zero it is an allow list.'),
  returns: z
    .record(z.string().regex(RETURN, "must be an answer such as '127.0.0.2', '127.0.0.4-7' or '127.0.*.1'"), z.number())
    .optional()
    .describe('What each answer counts; with it, answers it does not name do not count.'),
  hash: z
    .enum(['none', 'md5', 'sha1', 'sha256'])
    .default('none')
    .describe('How domains are written in the question; addresses never are hashed.'),
})
export type DnsListOptions = z.output<typeof list>

export const listOptions = z
  .array(list)
  .max(50)
  .default([])
  .describe(
    'DNS lists to block and to allow by. An answer outside of 127.0.0.0/8, in 127.255.255.0/24, 127.0.0.1 or 127.0.0.255 is an error of the list and never counts.',
  )
