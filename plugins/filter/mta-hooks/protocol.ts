/**
 * MTA Hooks as Stalwart speaks it (version 1): one POST of JSON for a stage of a client's session, and its response.
 *
 * Invariants: all input is validated; unknown members are ignored, as newer versions add some.
 */
import * as z from 'zod'

const MAX_HEADERS = 2000

const address = z.object({ address: z.string().max(1000) })

export const request = z.object({
  context: z.object({
    stage: z.enum(['connect', 'ehlo', 'auth', 'mail', 'rcpt', 'data']),
    client: z.object({
      ip: z.string().max(100),
      port: z.int().min(0).max(65_535).optional(),
      ptr: z.string().max(1000).nullish(),
      helo: z.string().max(1000).nullish(),
    }),
    sasl: z.object({ login: z.string().max(1000) }).nullish(),
    tls: z.object({ version: z.string().max(100), cipher: z.string().max(100) }).nullish(),
    queue: z.object({ id: z.string().max(200) }).nullish(),
  }),
  envelope: z.object({ from: address, to: z.array(address).max(10_000).default([]) }).nullish(),
  message: z
    .object({
      headers: z.array(z.tuple([z.string().max(1000), z.string()])).max(MAX_HEADERS),
      contents: z.string(),
    })
    .nullish(),
})
export type HookRequest = z.output<typeof request>

const header = { name: z.string().min(1).max(1000), value: z.string() }
const index = z.int().min(0).max(1_000_000)
const modification = z.discriminatedUnion('type', [
  z.object({ type: z.literal('changeFrom'), value: z.string().max(1000) }),
  z.object({ type: z.literal('addRecipient'), value: z.string().max(1000) }),
  z.object({ type: z.literal('deleteRecipient'), value: z.string().max(1000) }),
  z.object({ type: z.literal('replaceContents'), value: z.string() }),
  z.object({ type: z.literal('addHeader'), ...header }),
  z.object({ type: z.literal('insertHeader'), index, ...header }),
  z.object({ type: z.literal('changeHeader'), index, ...header }),
  z.object({ type: z.literal('deleteHeader'), index, name: header.name }),
])
export type Modification = z.output<typeof modification>

export const response = z.object({
  action: z.enum(['accept', 'discard', 'reject', 'quarantine']),
  response: z
    .object({
      status: z.int().min(200).max(599).nullish(),
      enhanced_status: z.string().max(20).nullish(),
      message: z.string().max(1000).nullish(),
    })
    .nullish(),
  modifications: z.array(modification).max(10_000).default([]),
})
export type HookResponse = z.output<typeof response>
