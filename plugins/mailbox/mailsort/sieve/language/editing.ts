/**
 * Changes to the message itself: addheader and deleteheader (RFC 5293), replace and enclose (RFC 5703).
 */
import type { Extension } from '../language.ts'
import { checkMatch, MATCH_TAGS, matchAny } from '../match.ts'
import { type Position, SieveError } from '../syntax.ts'
import { checkIndex, FIELD_NAME, INDEX_TAGS } from './headers.ts'

/**
 * RFC 5293 section 6: no script may delete the first two. The others are what this server decides by: loops, results of
 * checks, where reports go.
 */
const FIXED = new Set(['received', 'auto-submitted', 'delivered-to', 'authentication-results', 'return-path'])
/** Characters of a value (RFC 5293 section 4 asks for 998). */
const MAX_VALUE = 2048
/** Characters that one change reads for each octet of header. */
const COST = 0.1

function checkName(name: string | undefined, at: Position): asserts name is string {
  if (name === undefined || !FIELD_NAME.test(name) || name.length > 200)
    throw new SieveError(at, `"${(name ?? '').slice(0, 60)}" is not the name of a header field`)
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

function dateText(ms: number): string {
  const date = new Date(ms)
  return `${DAYS[date.getUTCDay()]}, ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()} ${date.toISOString().slice(11, 19)} +0000`
}

export const editing: Extension = {
  capabilities: ['editheader', 'replace', 'enclose'],
  commands: {
    addheader: {
      capability: 'editheader',
      tags: { last: {} },
      positional: ['string', 'string'],
      check(args, at) {
        for (const name of args.constants(0)) checkName(name, at)
      },
      run(args, run) {
        const [name, value] = [args.string(0, run), args.string(1, run) ?? '']
        checkName(name, args.at)
        if (value.length > MAX_VALUE) throw new SieveError(args.at, `more than ${MAX_VALUE} characters in one field`)
        if (FIXED.has(name.toLowerCase())) return
        run.spend(run.message.headerSize * COST)
        run.message.editHeader().add(name, value, args.at, args.has('last'))
      },
    },
    deleteheader: {
      capability: 'editheader',
      tags: { ...MATCH_TAGS, ...INDEX_TAGS },
      positional: ['string', 'strings'],
      isLastOptional: true,
      check(args, at) {
        for (const name of args.constants(0)) checkName(name, at)
        checkIndex(args, at)
        if (args.has(1)) checkMatch(args, at, 1)
      },
      async run(args, run) {
        const name = args.string(0, run)?.toLowerCase()
        checkName(name, args.at)
        if (FIXED.has(name)) return
        run.spend(run.message.headerSize * COST)
        const header = run.message.editHeader()
        const values = header.values(name)
        const index = args.number('index')
        const only = index === undefined ? undefined : args.has('last') ? values.length - index : index - 1
        const meant = new Set<number>()
        for (const [place, value] of values.entries()) {
          if (only !== undefined && only !== place) continue
          if (!args.has(1) || (await matchAny(args, run, [run.message.decode(value)], 1))) meant.add(place)
        }
        header.delete(name, (place) => meant.has(place))
      },
    },
    replace: {
      capability: 'replace',
      tags: { mime: {}, subject: { value: 'string' }, from: { value: 'string' } },
      positional: ['string'],
      run(args, run) {
        const replacement = { text: args.string(0, run) ?? '', isMime: args.has('mime'), at: args.at }
        run.spend(run.message.headerSize * COST)
        const { part, message } = run
        // The outermost part is the message (RFC 5703 section 5).
        if (!part || part.header === 0)
          message.replaceAll({ ...replacement, subject: args.string('subject', run), from: args.string('from', run) })
        else if (!message.replacePart(part, replacement))
          throw new SieveError(args.at, 'a part of an encoded message cannot be replaced')
        if (!part) message.settle()
      },
    },
    enclose: {
      capability: 'enclose',
      tags: { subject: { value: 'string' }, headers: { value: 'strings' } },
      positional: ['string'],
      check(args, at) {
        for (const name of args.constants('headers')) checkName(name, at)
      },
      run(args, run) {
        if (run.part) throw new SieveError(args.at, 'enclose within foreverypart', 'use enclose behind it')
        run.spend(run.message.headerSize * COST)
        const { envelope, addresses, now } = run.environment
        run.message.enclose({
          ...{ text: args.string(0, run) ?? '', subject: args.string('subject', run), at: args.at },
          headers: args.strings('headers', run).map((name) => name.toLowerCase()),
          from: addresses?.[0] ?? envelope.to,
          date: dateText(now),
        })
      },
    },
  },
}
