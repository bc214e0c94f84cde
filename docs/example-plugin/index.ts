/**
 * Refuses messages without a subject and, where it lets one pass, notes how long the subject is.
 *
 * A plugin is a name, a schema for its options, and a `setup` that gives back named hooks. Handlers answer with a
 * value or with nothing: refusing is a value, and whatever they throw means "try again later" to the sender.
 */
import { definePlugin, refuse } from 'iems'
import * as z from 'zod'

export const example = definePlugin({
  name: 'example',
  config: z.strictObject({
    text: z.string().min(1).default('Please give your message a subject').describe('What the sender hears.'),
  }),
  setup: ({ text }) => ({
    hooks: {
      check(message, { note }) {
        const [subject = ''] = message.headers.get('subject')
        if (subject === '') return refuse(550, '5.6.0', text)
        note('subject-length', subject.length)
      },
    },
  }),
})
