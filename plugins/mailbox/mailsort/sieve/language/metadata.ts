/**
 * Annotations of mailboxes and of the server (RFC 5490): metadata, metadataexists, servermetadata, servermetadataexists.
 */
import type { Annotated } from '../environment.ts'
import type { Extension } from '../language.ts'
import { checkMatch, MATCH_TAGS, matchAny } from '../match.ts'
import type { Run } from '../run.ts'

/** Values of annotations that are there. RFC 5464 section 3.3: names do not differ by case. */
async function valuesOf(run: Run, place: Annotated, names: readonly string[]): Promise<readonly string[]> {
  const known = (await run.environment.annotations?.(place)) ?? {}
  return names.flatMap((name) => {
    const value = Object.hasOwn(known, name.toLowerCase()) ? known[name.toLowerCase()] : undefined
    return value === undefined ? [] : [value]
  })
}

export const metadata: Extension = {
  capabilities: ['mboxmetadata', 'servermetadata'],
  tests: {
    metadata: {
      capability: 'mboxmetadata',
      tags: MATCH_TAGS,
      positional: ['string', 'string', 'strings'],
      check: (args, at) => checkMatch(args, at, 2),
      async run(args, run) {
        const mailbox = args.string(0, run) ?? ''
        return matchAny(args, run, await valuesOf(run, { mailbox }, [args.string(1, run) ?? '']), 2)
      },
    },
    metadataexists: {
      capability: 'mboxmetadata',
      positional: ['string', 'strings'],
      async run(args, run) {
        const names = args.strings(1, run)
        return (await valuesOf(run, { mailbox: args.string(0, run) ?? '' }, names)).length === names.length
      },
    },
    servermetadata: {
      capability: 'servermetadata',
      tags: MATCH_TAGS,
      positional: ['string', 'strings'],
      check: (args, at) => checkMatch(args, at, 1),
      run: async (args, run) => matchAny(args, run, await valuesOf(run, {}, [args.string(0, run) ?? '']), 1),
    },
    servermetadataexists: {
      capability: 'servermetadata',
      positional: ['strings'],
      async run(args, run) {
        const names = args.strings(0, run)
        return (await valuesOf(run, {}, names)).length === names.length
      },
    },
  },
}
