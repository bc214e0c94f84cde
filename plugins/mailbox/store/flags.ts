/**
 * Flags and keywords of one message: system flags in one spelling, keywords in that of their first use.
 */
import type { FlagChange } from './api.ts'
import { refused } from './mailbox.ts'

/** Keywords of one message. */
const KEYWORDS = 100
export const TOO_MANY_KEYWORDS = refused('LIMIT', 'Too many keywords on one message')

const SYSTEM_FLAGS = ['\\Answered', '\\Flagged', '\\Deleted', '\\Seen', '\\Draft']

/** Whether there are more keywords than a message may have; system flags do not count. */
export const hasTooMany = (flags: readonly string[]) => flags.length - SYSTEM_FLAGS.length > KEYWORDS

/** Flags without repetition; system flags in one spelling, keywords in that of their first use. */
export function readFlags(flags: readonly string[]): readonly string[] {
  const known = new Map<string, string>()
  for (const flag of flags) {
    const name = flag.toLowerCase()
    if (!known.has(name)) known.set(name, SYSTEM_FLAGS.find((one) => one.toLowerCase() === name) ?? flag)
  }
  known.delete('\\recent')
  return [...known.values()]
}

export function changeFlags(now: readonly string[], { how, flags }: FlagChange): readonly string[] {
  const given = readFlags(flags)
  if (how === 'add') return readFlags([...now, ...given])
  if (how === 'set') return readFlags([...now.filter((flag) => includes(given, flag)), ...given])
  return now.filter((flag) => !includes(given, flag))
}

const includes = (flags: readonly string[], wanted: string) =>
  flags.some((flag) => flag.toLowerCase() === wanted.toLowerCase())

export const sameFlags = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((flag) => includes(b, flag))
