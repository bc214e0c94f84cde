/**
 * The plugin's options.
 */
import { duration, secretValue } from 'iems'
import * as z from 'zod'

export const options = z.strictObject({
  endpoint: z
    .url({ protocol: /^https?$/ })
    .describe('Base URL of an OpenTelemetry collector that takes OTLP over HTTP, such as http://127.0.0.1:4318.'),
  headers: z
    .record(z.string().regex(/^[\w-]+$/), secretValue())
    .default({})
    .describe('Fields of each request, such as a token of the collector.'),
  service: z.string().min(1).default('iems').describe('Name of the service in the traces.'),
  ratio: z.number().min(0).max(1).default(1).describe('Share of messages that are traced, from 0 to 1.'),
  every: duration().prefault('5 s').describe('Time between two exports.'),
  timeout: duration().prefault('10 s').describe('Time that the collector has to answer.'),
})
export type Options = z.output<typeof options>
