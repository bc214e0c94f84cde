/**
 * The options of the classifier.
 */
import { duration } from 'iems'
import * as z from 'zod'

export const classifierOptions = z
  .strictObject({
    junk: z
      .number()
      .min(0)
      .max(100)
      .default(8)
      .describe('The most that it counts against a message; 0 and `ham` 0 turn it off.'),
    ham: z.number().min(-100).max(0).default(-6).describe('The most that it counts for a message.'),
    minimum: z
      .int()
      .min(1)
      .default(100)
      .describe('It says nothing before it has learnt so many messages of either kind.'),
    window: z
      .int()
      .min(10)
      .max(50_000)
      .default(20_000)
      .describe('Number of learnt messages at which all counts are halved, so that older mail counts less.'),
    moves: z.boolean().default(true).describe('Learn from what users move into Junk, out of it, or into Archive.'),
    accounts: z
      .int()
      .min(1)
      .default(100)
      .describe('Accounts whose own knowledge is kept in memory at a time, 128 KiB each.'),
    remember: duration()
      .prefault('90 days')
      .describe('Time for which the training of each message is remembered, so that it counts once and can be undone.'),
  })
  .prefault({})
  .describe('The statistical classifier: shared by all, and of each account that has taught it enough.')
export type ClassifierOptions = z.output<typeof classifierOptions>
