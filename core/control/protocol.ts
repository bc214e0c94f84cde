/**
 * The control protocol, version 1: lines of JSON in both directions.
 *
 * A request is `{ v: 1, method, params }`; the response is any number of `{ item }` and then one `{ result }` or `{
 * error: { code, message, cure } }`, before which no other request is read. The request `command` runs a plugin's
 * command; if that reads a file, `{ bytes }` in base64 follow, then `{ end: true }`; an output file is returned as
 * items with `bytes`.
 */
import * as z from 'zod'

export type { CommandInfo as CommandShape, Status } from '../api/administration.ts'

export const VERSION = 1

export const filter = z.strictObject({
  message: z.string().optional(),
  channel: z.string().optional(),
  nexthop: z.string().optional(),
  from: z.string().optional(),
  recipient: z.string().optional(),
  held: z.boolean().optional(),
  scheduled: z.boolean().optional(),
})
const reason = z.string().min(1).max(500)
export const request = z.discriminatedUnion('method', [
  z.strictObject({
    v: z.literal(VERSION),
    method: z.enum(['status', 'reload', 'hooks', 'check', 'commands', 'listeners', 'plugins', 'configuration']),
  }),
  z.strictObject({ v: z.literal(VERSION), method: z.literal('stop'), params: z.strictObject({ now: z.boolean() }) }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.literal('message.show'),
    params: z.strictObject({ id: z.string() }),
  }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.literal('queue.list'),
    params: z.strictObject({ filter, limit: z.number().int().min(1) }),
  }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.enum(['queue.release', 'queue.retry', 'queue.remove']),
    params: z.strictObject({ filter }),
  }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.enum(['queue.hold', 'queue.bounce']),
    params: z.strictObject({ filter, reason }),
  }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.literal('queue.reroute'),
    params: z.strictObject({ filter, channel: z.string(), nexthop: z.string() }),
  }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.literal('queue.flush'),
    params: z.strictObject({ nexthop: z.string(), channel: z.string().optional() }),
  }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.literal('send'),
    params: z.strictObject({
      from: z.string(),
      to: z.array(z.string()).min(1),
      content: z.base64(),
      submission: z.boolean(),
    }),
  }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.literal('command'),
    params: z.strictObject({
      words: z.string(),
      arguments: z.array(z.string()).max(10_000),
      options: z.record(z.string(), z.union([z.string(), z.literal(true)])),
    }),
  }),
])
/** After a `command` that reads a file: its parts, then its end. */
export const inputLine = z.union([z.strictObject({ bytes: z.base64() }), z.strictObject({ end: z.literal(true) })])
export type ControlRequest = z.input<typeof request>
