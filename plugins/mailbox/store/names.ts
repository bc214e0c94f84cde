/**
 * Names of mailboxes: levels separated by `/`, any Unicode except control characters.
 *
 * Invariants: INBOX is case-insensitive; no two names differ only in Unicode normalization.
 */
import { escapeLine, isPlainLine } from 'iems'
import type { SpecialUse } from './contract/mailbox.ts'

/** Characters of a name, and its levels. */
const LENGTH = 1000
const LEVELS = 50

/** The mailboxes an account begins with. */
export const FIRST_MAILBOXES: readonly { readonly name: string; readonly specialUse?: SpecialUse }[] = [
  { name: 'INBOX' },
  { name: 'Drafts', specialUse: '\\Drafts' },
  { name: 'Sent', specialUse: '\\Sent' },
  { name: 'Junk', specialUse: '\\Junk' },
  { name: 'Trash', specialUse: '\\Trash' },
  { name: 'Archive', specialUse: '\\Archive' },
]

/** The normalized name; undefined when invalid. */
export function readName(name: string): string | undefined {
  const plain = name.normalize('NFC')
  const levels = plain.split('/')
  if (!plain.isWellFormed() || plain.length > LENGTH || levels.length > LEVELS) return undefined
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  if (/[\0-\x1f\x7f-\x9f\u2028\u2029]/.test(plain) || levels.some((level) => level.trim() === '')) return undefined
  if (levels[0]?.toUpperCase() === 'INBOX') levels[0] = 'INBOX'
  return levels.join('/')
}

/**
 * Whether a mailbox may get this name: nothing in it changes the order of characters or hides one, except the joiners
 * that some scripts and emoji need. Mailboxes that have other names keep them.
 */
export const isNewName = (name: string): boolean => isPlainLine(name.replace(/[\u200c\u200d]/g, ''))

/** A valid name for an imported mailbox, with invalid characters escaped. */
export function importedName(name: string): string {
  if (readName(name) !== undefined && isNewName(name)) return name
  const levels = escapeLine(name).split('/')
  return levels.map((level) => (level.trim() === '' ? '_' : level)).join('/')
}

/** The levels above it, outermost first. */
export function levelsAbove(name: string): readonly string[] {
  const levels = name.split('/')
  return levels.slice(1).map((_, index) => levels.slice(0, index + 1).join('/'))
}
