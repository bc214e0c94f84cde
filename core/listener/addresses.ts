/**
 * The option `listen` of every listener; addresses are checked before anything is opened.
 */
import * as z from 'zod'
import { parseAddress } from '../runtime/listeners.ts'

/** One address or a list: `':25'`, `'127.0.0.1:25'`, `'[::1]:25'`, `'unix:/path'`. */
export const listenOption = () =>
  z.union([z.string(), z.array(z.string()).min(1)]).superRefine((given, ctx) => {
    for (const [index, address] of [given].flat().entries()) {
      if (parseAddress(address)) continue
      ctx.addIssue({
        code: 'custom',
        message: "must be an address such as ':25', '127.0.0.1:25', '[::1]:25' or 'unix:/path'",
        path: Array.isArray(given) ? [index] : [],
      })
    }
  })
