/**
 * Lists that are kept elsewhere (RFC 6134): the test valid_ext_list. The match type `:list` is in match.ts, and
 * redirect is with the other actions.
 */
import type { Extension } from '../language.ts'

export const lists: Extension = {
  capabilities: ['extlists'],
  tests: {
    valid_ext_list: {
      capability: 'extlists',
      positional: ['strings'],
      async run(args, run) {
        for (const list of args.strings(0, run))
          if ((await run.environment.membersOf?.(list, 0)) === undefined) return false
        return true
      },
    },
  },
}
