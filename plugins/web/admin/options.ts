/**
 * The plugin's options.
 */
import { duration, network } from 'iems'
import * as z from 'zod'

export const options = z
  .strictObject({
    configurationCheck: z
      .boolean()
      .default(true)
      .describe(
        'Lets administrators check a pasted configuration, after their password. A configuration is a program: it runs in a process without rights to write files or start programs.',
      ),
    networks: z
      .array(network())
      .default([])
      .describe('Networks from which the administration and its API may be used. Default: any.'),
    historyKeep: duration().prefault('365 d').describe('Time for which the history of changes is kept.'),
    flowKeep: duration().prefault('35 d').describe('Time for which the hourly numbers of mail are kept.'),
    registry: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe(
        'Registry of npm that the page of plugins searches, such as https://registry.npmjs.org. Default: none; the server then contacts no registry.',
      ),
  })
  .prefault({})
export type Options = z.output<typeof options>
