/**
 * Tests of mailboxes and earlier messages: mailboxexists (RFC 5490), specialuse_exists (RFC 8579), mailboxidexists (RFC
 * 9042), duplicate (RFC 7352), spamtest and virustest (RFC 5235).
 */
import type { Environment } from '../environment.ts'
import type { Extension } from '../language.ts'
import { checkMatch, MATCH_TAGS, matchAny } from '../match.ts'
import type { Run } from '../run.ts'
import { type Position, SieveError } from '../syntax.ts'

async function all(texts: readonly string[], ask: ((text: string) => Promise<boolean>) | undefined): Promise<boolean> {
  for (const text of texts) if (!(await ask?.(text))) return false
  return true
}

const asker = <K extends 'hasMailbox' | 'hasMailboxId'>(run: Run, which: K): Environment[K] =>
  run.environment[which]?.bind(run.environment) as Environment[K]

export const mailboxes: Extension = {
  capabilities: [],
  tests: {
    mailboxexists: {
      capability: 'mailbox',
      positional: ['strings'],
      run: (args, run) => all(args.strings(0, run), asker(run, 'hasMailbox')),
    },
    mailboxidexists: {
      capability: 'mailboxid',
      positional: ['strings'],
      run: (args, run) => all(args.strings(0, run), asker(run, 'hasMailboxId')),
    },
    specialuse_exists: {
      capability: 'special-use',
      positional: ['string', 'strings'],
      isFirstOptional: true,
      run(args, run) {
        const mailbox = args.string(0, run)
        return all(args.strings(1, run), async (use) => (await run.environment.hasSpecialUse?.(use, mailbox)) ?? false)
      },
    },
  },
}

/** RFC 7352 section 3: seven days, and no longer than the server likes. */
const DUPLICATE_SECONDS = 7 * 86_400
const MAX_DUPLICATE_SECONDS = 90 * 86_400

export const duplicates: Extension = {
  capabilities: ['duplicate'],
  tests: {
    duplicate: {
      capability: 'duplicate',
      tags: {
        handle: { value: 'string' },
        header: { value: 'string', group: 'id' },
        uniqueid: { value: 'string', group: 'id' },
        seconds: { value: 'number' },
        last: {},
      },
      async run(args, run) {
        const header = args.string('header', run)
        const id = args.string('uniqueid', run) ?? run.message.raw(header ?? 'message-id')[0]
        run.saw(id === undefined ? [] : [id])
        if (id === undefined) return false
        const seconds = Math.min(args.number('seconds') ?? DUPLICATE_SECONDS, MAX_DUPLICATE_SECONDS)
        const handle = args.string('handle', run) ?? ''
        return (await run.environment.isDuplicate?.({ handle, id, seconds, isLast: args.has('last') })) ?? false
      },
    },
  },
}

function checkScore(texts: readonly string[], at: Position): void {
  for (const text of texts)
    if (!/^\d{1,3}$/.test(text)) throw new SieveError(at, `"${text.slice(0, 20)}" is not a score`, 'write "5"')
}

export const scores: Extension = {
  capabilities: ['spamtest', 'spamtestplus', 'virustest'],
  tests: {
    spamtest: {
      capability: 'spamtest',
      tags: { ...MATCH_TAGS, percent: { capability: 'spamtestplus' } },
      positional: ['string'],
      check(args, at) {
        checkMatch(args, at, 0)
        checkScore(args.constants(0), at)
      },
      run(args, run) {
        const { spam } = run.environment
        const score = args.has('percent') ? spam?.percent : (spam?.score ?? 0)
        return matchAny(args, run, score === undefined ? [] : [String(score)], 0)
      },
    },
    virustest: {
      capability: 'virustest',
      tags: MATCH_TAGS,
      positional: ['string'],
      check(args, at) {
        checkMatch(args, at, 0)
        checkScore(args.constants(0), at)
      },
      run: (args, run) => matchAny(args, run, [String(run.environment.virus ?? 0)], 0),
    },
  },
}
