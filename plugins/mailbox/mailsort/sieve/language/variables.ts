/**
 * Variables (RFC 5229): set and string, with the modifiers of regex and enotify.
 */
import type { Extension, TagSpecs } from '../language.ts'
import { checkMatch, MATCH_TAGS, matchAny } from '../match.ts'
import { type Position, SieveError } from '../syntax.ts'

/** RFC 5229 section 4.1: those of higher precedence come first. */
const MODIFIERS: Readonly<
  Record<string, { readonly precedence: number; readonly capability?: string; change(value: string): string }>
> = {
  lower: { precedence: 40, change: (value) => value.toLowerCase() },
  upper: { precedence: 40, change: (value) => value.toUpperCase() },
  lowerfirst: { precedence: 30, change: (value) => value.slice(0, 1).toLowerCase() + value.slice(1) },
  upperfirst: { precedence: 30, change: (value) => value.slice(0, 1).toUpperCase() + value.slice(1) },
  quotewildcard: { precedence: 20, change: (value) => value.replace(/[*?\\]/g, '\\$&') },
  quoteregex: { precedence: 20, capability: 'regex', change: (value) => value.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&') },
  encodeurl: { precedence: 15, capability: 'enotify', change: encodeUrl },
  length: { precedence: 10, change: (value) => String(Array.from(value).length) },
}

/** RFC 5435 section 6. */
function encodeUrl(value: string): string {
  return [...Buffer.from(value)]
    .map((octet) =>
      /[A-Za-z0-9\-._~]/.test(String.fromCharCode(octet))
        ? String.fromCharCode(octet)
        : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('')
}

/** The modifiers of `set` and `extracttext`. */
export const MODIFIER_TAGS: TagSpecs = Object.fromEntries(
  Object.entries(MODIFIERS).map(([name, { precedence, capability }]) => [
    name,
    { group: `modifiers of precedence ${precedence}`, ...(capability === undefined ? {} : { capability }) },
  ]),
)

export function modified(value: string, tags: Iterable<string>): string {
  return [...tags]
    .flatMap((tag) => MODIFIERS[tag] ?? [])
    .sort((a, b) => b.precedence - a.precedence)
    .reduce((now, { change }) => change(now), value)
}

const NAME = /^(?:global\.)?[a-z_]\w*$/i

export function checkVariable(names: readonly string[], at: Position): void {
  for (const name of names)
    if (!NAME.test(name))
      throw new SieveError(at, `"${name.slice(0, 60)}" is not the name of a variable`, 'use letters, digits and _')
}

export const variables: Extension = {
  capabilities: ['variables'],
  commands: {
    set: {
      isControl: true,
      capability: 'variables',
      tags: MODIFIER_TAGS,
      positional: ['string', 'string'],
      check(args, at) {
        if (!args.isConstant(0)) throw new SieveError(at, 'the name of a variable holds no variable')
        checkVariable(args.constants(0), at)
      },
      run(args, run) {
        run.setVariable(args.string(0, run) ?? '', modified(args.string(1, run) ?? '', args.tags))
      },
    },
  },
  tests: {
    string: {
      capability: 'variables',
      tags: MATCH_TAGS,
      positional: ['strings', 'strings'],
      check: (args, at) => checkMatch(args, at, 1),
      run(args, run) {
        const values = args.strings(0, run)
        // RFC 5229 section 5: empty strings do not count.
        return matchAny(args, run, args.has('count') ? values.filter((value) => value !== '') : values, 1)
      },
    },
  },
}
