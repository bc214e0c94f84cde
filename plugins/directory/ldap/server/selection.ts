/**
 * The attributes that a search request asks for.
 */
import { Cache } from 'iems'
import { attributesOfClass, describe, isOperational } from './schema.ts'

/** Maximum selections that are cached, and the length of their attributes. */
const MAX_SELECTIONS = 200
const SELECTION_LENGTH = 1000

export interface Selection {
  readonly user: boolean
  readonly operational: boolean
  readonly names: ReadonlySet<string>
}

/** RFC 4511 section 4.5.1.8; a class after `@` selects all its attributes (RFC 4529). */
export function selectionOf(attributes: readonly string[]): Selection {
  const names = new Set<string>()
  for (const name of attributes) {
    if (name.startsWith('@')) for (const base of attributesOfClass(name.slice(1))) names.add(base)
    const description = describe(name)
    if (!description) continue
    names.add(description.key)
    if (description.options.length === 0) for (const base of description.covers) names.add(base)
  }
  return {
    user: attributes.length === 0 || attributes.includes('*'),
    // RFC 3673.
    operational: attributes.includes('+'),
    names,
  }
}

export function selects({ user, operational, names }: Selection, key: string, base: string): boolean {
  if (names.has(key) || names.has(base)) return true
  return isOperational(base) ? operational : user
}

/** The same object for the same attributes, as a rule. */
export function createSelections(): (attributes: readonly string[]) => Selection {
  const known = new Cache<Selection>({ max: MAX_SELECTIONS })
  return (attributes) => {
    // Clients may send any text: no two lists have the same name.
    const name = JSON.stringify(attributes)
    if (name.length > SELECTION_LENGTH) return selectionOf(attributes)
    return known.getOrMake(name, () => selectionOf(attributes))
  }
}
