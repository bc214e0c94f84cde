/**
 * An example of a plugin that adds a test and an action to Sieve.
 *
 * A script may then say:
 *
 *     require "vnd.example.project";
 *     if project :open "apollo" { file_project :seen "apollo"; }
 */
import { definePlugin } from 'iems'
import { defineSieveAction, defineSieveTest, Mailsort } from 'iems/plugins/mailsort'
import * as z from 'zod'

export const project = definePlugin({
  name: 'project',
  config: z.strictObject({
    open: z.array(z.string()).describe('Projects that are under way.'),
  }),
  needs: [Mailsort],
  setup(config, ctx) {
    ctx.use(Mailsort).extend({
      capability: 'vnd.example.project',
      tests: {
        // project [":open"] <name: string>: whether the subject names a project
        project: defineSieveTest({
          arguments: { tags: { open: 'flag' }, values: ['string'] },
          test({ tags, values: [name] }, subject) {
            if (tags.open && !config.open.includes(name)) return false
            return subject.header('subject').some((text) => text.includes(`[${name}]`))
          },
        }),
      },
      actions: {
        // file_project [":seen"] <name: string>: into the mailbox of the project
        file_project: defineSieveAction({
          arguments: { tags: { seen: 'flag' }, values: ['string'] },
          cancelsKeep: true,
          file: ({ tags, values: [name] }) => [
            {
              kind: 'fileinto',
              mailbox: { name: `Projects/${name}`, create: true },
              flags: tags.seen ? ['\\Seen'] : [],
              reason: 'project',
            },
          ],
        }),
      },
    })
    return {}
  },
})
