/**
 * Match types with their comparators (RFC 5228 section 2.7, RFC 5231, regex, RFC 6134): whether values fit keys.
 *
 * Invariant: the cost of matching is counted, so that a script ends with an error before it holds up the server.
 */
import { COMPARATOR_NAMES, type Comparator, comparatorOf, DEFAULT_COMPARATOR } from './comparators.ts'
import type { Arguments, TagSpecs } from './language.ts'
import { createRegularExpression, createWildcards, type RegularExpression, type Wildcards } from './patterns.ts'
import type { Run } from './run.ts'
import { type Position, SieveError } from './syntax.ts'

const TYPES = ['is', 'contains', 'matches', 'regex', 'count', 'value', 'list'] as const
type MatchType = (typeof TYPES)[number]

const group = 'match type'
export const MATCH_TAGS: TagSpecs = {
  is: { group },
  contains: { group },
  matches: { group },
  regex: { group, capability: 'regex' },
  count: { group, capability: 'relational', value: 'string' },
  value: { group, capability: 'relational', value: 'string' },
  list: { group, capability: 'extlists' },
  comparator: { value: 'string' },
}

const RELATIONS: Readonly<Record<string, (order: number) => boolean>> = {
  gt: (order) => order > 0,
  ge: (order) => order >= 0,
  lt: (order) => order < 0,
  le: (order) => order <= 0,
  eq: (order) => order === 0,
  ne: (order) => order !== 0,
}

const typeOf = (args: Arguments): MatchType => args.oneOf(TYPES) ?? 'is'

/** For `check`: the comparator, the relation, and the keys as far as they are constant. */
export function checkMatch(args: Arguments, at: Position, keys: string | number): void {
  const type = typeOf(args)
  for (const name of args.constants('comparator')) {
    const comparator = comparatorOf(name)
    if (!comparator)
      throw new SieveError(at, `unknown comparator "${name.slice(0, 60)}"`, `there are ${COMPARATOR_NAMES.join(', ')}`)
    if (!comparator.hasSubstrings && ['contains', 'matches', 'regex'].includes(type))
      throw new SieveError(at, `${name} cannot compare with :${type}`, 'use :is or :value')
  }
  for (const relation of args.constants(type))
    if ((type === 'count' || type === 'value') && !Object.hasOwn(RELATIONS, relation.toLowerCase()))
      throw new SieveError(
        at,
        `unknown relation "${relation.slice(0, 60)}"`,
        `there are ${Object.keys(RELATIONS).join(', ')}`,
      )
  if (type === 'regex')
    for (const key of args.constants(keys))
      if (!createRegularExpression(key, false))
        throw new SieveError(at, `"${key.slice(0, 60)}" is not a regular expression`)
}

interface Key {
  readonly text: string
  readonly folded: string
  readonly wildcards?: Wildcards
  readonly expression?: RegularExpression
}

interface Matcher {
  readonly type: MatchType
  readonly comparator: Comparator
  readonly relation: (order: number) => boolean
  readonly keys: readonly Key[]
}

function prepare(args: Arguments, run: Run, which: string | number): Matcher {
  const known = args.prepared as Matcher | undefined
  if (known) return known
  const type = typeOf(args)
  const name = args.string('comparator', run) ?? DEFAULT_COMPARATOR
  const comparator = comparatorOf(name)
  if (!comparator) throw new SieveError(args.at, `unknown comparator "${name.slice(0, 60)}"`)
  const relation = RELATIONS[(args.string(type, run) ?? 'eq').toLowerCase()]
  if (!relation) throw new SieveError(args.at, 'unknown relation')
  const keys = args.strings(which, run).map((text): Key => {
    const folded = comparator.fold(text)
    if (type === 'matches') return { text, folded, wildcards: createWildcards(folded) }
    if (type !== 'regex') return { text, folded }
    const expression = createRegularExpression(text, name !== 'i;octet')
    if (!expression) throw new SieveError(args.at, 'not a regular expression')
    return { text, folded, expression }
  })
  const matcher = { type, comparator, relation, keys }
  if (args.isConstant(which) && args.isConstant('comparator') && args.isConstant(type)) args.prepared = matcher
  return matcher
}

/** Maximum characters of a value that a regular expression reads. */
const MAX_REGEX_TEXT = 65_536

/** The cost of testing a value, in compared characters. */
function costOf({ wildcards, expression, text }: Key, length: number): number {
  if (expression) return Math.min(length, MAX_REGEX_TEXT) * (2 + text.length / 4)
  return 1 + (wildcards ? length * wildcards.cost : length / 10)
}

/** Whether any of the values fits any of the keys. */
export function matchAny(
  args: Arguments,
  run: Run,
  values: readonly string[],
  keys: string | number,
): boolean | Promise<boolean> {
  const matcher = prepare(args, run, keys)
  run.saw(values)
  if (matcher.type === 'count') {
    const count = String(values.length)
    return matcher.keys.some((key) => matcher.relation(matcher.comparator.compare(count, key.text)))
  }
  if (matcher.type === 'list') return isListed(args, run, values, matcher.keys)
  for (const value of values) {
    const folded = matcher.comparator.fold(value)
    for (const key of matcher.keys) if (matchOne(matcher, run, { value, folded }, key)) return true
  }
  return false
}

function matchOne(
  { type, comparator, relation }: Matcher,
  run: Run,
  { value, folded }: { value: string; folded: string },
  key: Key,
): boolean {
  run.spend(costOf(key, folded.length))
  if (type === 'is') return folded === key.folded
  if (type === 'contains') return folded.includes(key.folded)
  if (type === 'value') return relation(comparator.compare(value, key.text))
  const isAligned = comparator.keepsLength || folded.length === value.length
  const matched = key.wildcards
    ? key.wildcards.match(folded, isAligned ? value : folded)
    : key.expression?.match(value.slice(0, MAX_REGEX_TEXT))
  if (!matched) return false
  run.matches = matched
  return true
}

async function isListed(args: Arguments, run: Run, values: readonly string[], keys: readonly Key[]): Promise<boolean> {
  for (const { text } of keys)
    for (const value of values) {
      const found = await run.environment.isInList?.(text, value)
      if (found === undefined) throw new SieveError(args.at, `unknown list "${text.slice(0, 60)}"`)
      if (found) {
        run.matches = [value]
        return true
      }
    }
  return false
}
