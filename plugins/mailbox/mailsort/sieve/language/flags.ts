/**
 * Flags (RFC 5232): setflag, addflag, removeflag and hasflag, on the internal variable or a named one.
 */
import type { Arguments, CommandSpec, Extension } from '../language.ts'
import { checkMatch, MATCH_TAGS, matchAny } from '../match.ts'
import type { Run } from '../run.ts'

/** Flags of one message. */
const MAX_FLAGS = 100

/** Each string may hold several; case makes no difference, and the first spelling counts. */
export function readFlags(texts: readonly string[]): readonly string[] {
  const found = new Map<string, string>()
  for (const text of texts)
    for (const flag of text.split(/\s+/))
      if (flag !== '' && flag !== '\\' && !found.has(flag.toLowerCase())) found.set(flag.toLowerCase(), flag)
  return [...found.values()].slice(0, MAX_FLAGS)
}

function current(args: Arguments, run: Run): readonly string[] {
  const name = args.string(0, run)
  return name === undefined ? run.shared.flags : readFlags([run.variable(name.toLowerCase())])
}

/** A command that makes other flags of those that are set and those that it names. */
const change = (make: (now: readonly string[], named: readonly string[]) => readonly string[]): CommandSpec => ({
  isControl: true,
  capability: 'imap4flags',
  positional: ['string', 'strings'],
  isFirstOptional: true,
  firstNeeds: 'variables',
  run(args, run) {
    const flags = make(current(args, run), readFlags(args.strings(1, run)))
    const name = args.string(0, run)
    if (name === undefined) run.shared.flags = flags
    else run.setVariable(name, flags.join(' '))
  },
})

export const flags: Extension = {
  capabilities: ['imap4flags'],
  commands: {
    setflag: change((_, named) => named),
    addflag: change((now, named) => readFlags([...now, ...named])),
    removeflag: change((now, named) => {
      const gone = new Set(named.map((flag) => flag.toLowerCase()))
      return now.filter((flag) => !gone.has(flag.toLowerCase()))
    }),
  },
  tests: {
    hasflag: {
      capability: 'imap4flags',
      tags: MATCH_TAGS,
      positional: ['strings', 'strings'],
      isFirstOptional: true,
      firstNeeds: 'variables',
      check: (args, at) => checkMatch(args, at, 1),
      run(args, run) {
        // RFC 5232 section 4: the count of several variables is the sum of theirs.
        const values = args.has(0)
          ? args.strings(0, run).flatMap((name) => readFlags([run.variable(name.toLowerCase())]))
          : run.shared.flags
        return matchAny(args, run, values, 1)
      },
    },
  },
}
