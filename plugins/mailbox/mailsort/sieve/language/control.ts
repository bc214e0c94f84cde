/**
 * Scripts within scripts (RFC 6609), what the server has (RFC 5463), and facts about it (RFC 5183).
 */
import type { Extension } from '../language.ts'
import { checkMatch, MATCH_TAGS, matchAny } from '../match.ts'
import { SieveError } from '../syntax.ts'
import { checkVariable } from './variables.ts'

const LOCATION = { group: 'location' }

export const includes: Extension = {
  capabilities: ['include'],
  commands: {
    include: {
      isControl: true,
      capability: 'include',
      tags: { personal: LOCATION, global: LOCATION, once: {}, optional: {} },
      positional: ['string'],
      check(args, at) {
        if (!args.isConstant(0)) throw new SieveError(at, 'the name of a script holds no variable')
      },
      async run(args, run) {
        const name = args.string(0, run) ?? ''
        const location = args.has('global') ? 'global' : 'personal'
        const key = `${location} ${name}`
        if (run.depth >= run.shared.limits.includes) throw new SieveError(args.at, 'scripts are included too deeply')
        if (args.has('once') && run.shared.included.has(key)) return undefined
        run.shared.included.add(key)
        const done = await run.shared.include(name, location, run)
        if (!done && !args.has('optional')) throw new SieveError(args.at, `there is no script "${name.slice(0, 60)}"`)
        return done?.flow === 'stop' ? 'stop' : undefined
      },
    },
    return: { isControl: true, capability: 'include', run: () => 'return' },
    global: {
      isControl: true,
      capability: 'include',
      positional: ['strings'],
      check: (args, at) => checkVariable(args.constants(0), at),
      run(args, run) {
        for (const name of args.strings(0, run)) run.globalNames.add(name.toLowerCase())
      },
    },
  },
}

export const environment: Extension = {
  capabilities: ['environment'],
  tests: {
    environment: {
      capability: 'environment',
      tags: MATCH_TAGS,
      positional: ['string', 'strings'],
      check: (args, at) => checkMatch(args, at, 1),
      run(args, run) {
        const items = run.environment.items ?? {}
        const name = (args.string(0, run) ?? '').toLowerCase()
        // RFC 5183 section 4: an unknown item fails.
        return Object.hasOwn(items, name) ? matchAny(args, run, [items[name] as string], 1) : false
      },
    },
  },
}

/** `ihave` tests for capabilities; the compiler enables those it names. */
export const createIhave = (has: (capability: string) => boolean): Extension => ({
  capabilities: ['ihave'],
  tests: {
    ihave: {
      capability: 'ihave',
      positional: ['strings'],
      run: (args, run) => args.strings(0, run).every(has),
    },
  },
  commands: {
    error: {
      isControl: true,
      capability: 'ihave',
      positional: ['string'],
      run(args, run) {
        throw new SieveError(args.at, args.string(0, run) ?? '')
      },
    },
  },
})
