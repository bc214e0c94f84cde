/**
 * The plugin's options.
 */
import { duration, network, size } from 'iems'
import * as z from 'zod'

export const options = z.strictObject({
  undo: duration()
    .prefault('10 s')
    .describe('Time for which the server holds a message that a client submits, so that its sending can be undone.'),
  maxSendLater: duration()
    .prefault('365 d')
    .describe('Longest time by which a client may schedule a message ahead (FUTURERELEASE, RFC 4865).'),
  push: z
    .strictObject({
      contact: z
        .email()
        .optional()
        .describe('Address that push services may write to. Default: the postmaster of the server.'),
      allow: z
        .array(network())
        .default([])
        .describe('Networks beside the public Internet that push endpoints may be in; they need no TLS.'),
    })
    .prefault({})
    .describe('Web Push.'),
  limits: z
    .strictObject({
      request: size().prefault('10 MB').describe('Octets of one API request (maxSizeRequest).'),
      upload: size().prefault('50 MB').describe('Octets of one upload (maxSizeUpload).'),
      calls: z.int().positive().default(64).describe('Method calls in one request (maxCallsInRequest).'),
      objectsInGet: z.int().positive().default(1000).describe('Objects in one /get call (maxObjectsInGet).'),
      objectsInSet: z.int().positive().default(1000).describe('Objects in one /set call (maxObjectsInSet).'),
      concurrentRequests: z
        .int()
        .positive()
        .default(8)
        .describe('API requests of one login at a time (maxConcurrentRequests).'),
      concurrentUploads: z
        .int()
        .positive()
        .default(4)
        .describe('Uploads of one login at a time (maxConcurrentUpload).'),
    })
    .prefault({})
    .describe('Limits for the requests of one client.'),
})
export type Options = z.output<typeof options>
