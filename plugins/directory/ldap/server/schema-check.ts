/**
 * Validates an entry against its classes (RFC 4512 section 2.4).
 *
 * Invariants: each class and each attribute is checked once.
 */
import type { ResultName } from './protocol/responses.ts'
import { classOf, describe, lineageOf } from './schema.ts'

export type SchemaCheck = 'off' | 'warn' | 'strict'

export interface Violation {
  readonly result: ResultName
  readonly why: string
}

/** The directory assigns them to entries without a value. */
const ALLOCATED: readonly string[] = ['uidnumber', 'gidnumber']

const base = (name: string) => describe(name)?.base ?? name.toLowerCase()

/** The violations of an entry's attributes, by key; empty for a valid entry. */
export function violationsOf(attributes: ReadonlyMap<string, readonly string[]>): Violation[] {
  const found: Violation[] = []
  const wrong = (result: ResultName, why: string) => void found.push({ result, why })
  const given = attributes.get('objectclass') ?? []
  const classes = [...new Set(given.flatMap(lineageOf))].map((name) => ({ name, is: classOf(name) }))
  for (const { name, is } of classes) if (!is) wrong('objectClassViolation', `the class ${name} is not known`)
  const known = classes.flatMap(({ is }) => (is ? [is] : []))
  if (!known.some(({ kind }) => kind === 'STRUCTURAL')) wrong('objectClassViolation', 'no structural class')
  const has = new Set([...attributes.keys()].map((key) => describe(key)?.base ?? key))
  for (const { name, must } of known)
    for (const one of must)
      if (!has.has(base(one)) && !ALLOCATED.includes(base(one))) wrong('objectClassViolation', `${name} needs ${one}`)
  const isAnyAllowed = known.some(({ name }) => name === 'extensibleObject')
  const allowed = new Set(known.flatMap(({ must, may }) => [...must, ...may]).map(base))
  for (const key of has) {
    const { type, shown = key } = describe(key) ?? {}
    if (!type) wrong('undefinedAttributeType', `${shown} is not known`)
    else if (!isAnyAllowed && !type.isOperational && !allowed.has(key))
      wrong('objectClassViolation', `no class of the entry has ${shown}`)
  }
  return found
}
