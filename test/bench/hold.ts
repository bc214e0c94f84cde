/*
 * Accepts every message and holds it, so that intake can be measured with nothing being delivered.
 */
import { definePlugin } from 'iems'
import { z } from 'zod'

export const hold = definePlugin({
  name: 'hold',
  config: z.strictObject({}),
  setup: () => ({ hooks: { check: () => ({ kind: 'quarantine', reason: 'held by the benchmark' }) } }),
})
