/**
 * Applies modifications to an entry's attributes.
 *
 * Invariants: values are compared by their attribute's rules; passwords are never among them.
 */
import { isUtf8 } from 'node:buffer'
import type { Attribute, Modification } from './protocol/requests.ts'
import { LdapError } from './protocol/responses.ts'
import { type AttributeDescription, describe, foldValue, isBinary } from './schema.ts'

/** Attributes by key, after an operation. */
export type Attributes = Map<string, readonly string[]>

export function described(attribute: Attribute): AttributeDescription {
  const description = describe(attribute.type)
  if (!description) throw new LdapError('undefinedAttributeType', 'that is no name of an attribute')
  if (description.type?.isOperational)
    throw new LdapError('constraintViolation', `${description.shown}: no user modification allowed`)
  return description
}

/** Entries hold text: binary values are stored as base64 for binary attributes and refused for others. */
export function textOf(value: Buffer, { type }: Attribute): string {
  const description = describe(type)
  if (description && isBinary(description.base)) return value.toString('base64')
  if (!isUtf8(value)) throw new LdapError('invalidAttributeSyntax', `${type} is text`)
  return value.toString()
}

const fold = (base: string) => (value: string) => (isBinary(base) ? value : (foldValue(base, value) ?? value))

export function hasValue(all: Attributes, base: string, value: string): boolean {
  const wanted = fold(base)(value)
  return (all.get(base) ?? []).some((one) => fold(base)(one) === wanted)
}

export function apply(all: Attributes, modification: Modification): void {
  const { how, attribute } = modification
  if (how === 'increment') {
    increment(all, attribute)
    return
  }
  const { base, key, shown, type } = described(attribute)
  const old = all.get(key) ?? []
  const given = attribute.values.map((value) => textOf(value, attribute))
  mustBeValues(given, described(attribute))
  const foldOne = fold(base)
  const folded = new Set(how === 'replace' ? [] : old.map(foldOne))
  let left = how === 'replace' ? [] : [...old]
  if (how === 'delete') {
    if (old.length === 0) throw new LdapError('noSuchAttribute', `${shown}: no such attribute`)
    for (const value of given)
      if (!folded.delete(foldOne(value))) throw new LdapError('noSuchAttribute', `${shown}: no such value`)
    left = given.length === 0 ? [] : left.filter((value) => folded.has(foldOne(value)))
  } else {
    if (how === 'add' && given.length === 0) throw new LdapError('protocolError', `${shown} has no values`)
    for (const value of given) {
      // Adding an implied class is allowed.
      if (folded.has(foldOne(value)) && base === 'objectclass') continue
      if (folded.has(foldOne(value)))
        throw new LdapError('attributeOrValueExists', `${shown}: value is there already, or twice`)
      folded.add(foldOne(value))
      left.push(value)
    }
  }
  if (type?.isSingle && left.length > 1) throw new LdapError('constraintViolation', `${shown}: has one value`)
  if (left.length > 0) all.set(key, left)
  else all.delete(key)
}

function mustBeValues(given: readonly string[], { base, shown, type }: AttributeDescription): void {
  // A group without members has the empty DN as member.
  const mayBeEmpty = type?.syntax === 'dn' || type?.syntax === 'unique'
  if (!mayBeEmpty && given.some((value) => value.trim() === ''))
    throw new LdapError('invalidAttributeSyntax', `${shown}: a value is empty`)
  if (type && given.some((value) => !isBinary(base) && foldValue(base, value) === undefined))
    throw new LdapError('invalidAttributeSyntax', `${shown}: invalid value`)
}

/** Maximum digits of an incremented number. */
const MAX_DIGITS = 200

/** RFC 4525: increments all values. */
function increment(all: Attributes, attribute: Attribute): void {
  const { key, shown, type } = described(attribute)
  const [by, ...more] = attribute.values.map((value) => value.toString())
  if (by === undefined || more.length > 0) throw new LdapError('protocolError', 'an increment is one number')
  const old = all.get(key)
  if (!old) throw new LdapError('noSuchAttribute', `${shown}: no such attribute`)
  const isNumber = (text: string) => text.length <= MAX_DIGITS && /^-?\d+$/.test(text)
  if (type?.syntax !== 'integer') throw new LdapError('constraintViolation', `${shown} is no number`)
  if (!isNumber(by)) throw new LdapError('invalidAttributeSyntax', 'an increment is one number')
  all.set(
    key,
    old.map((value) => String(BigInt(value) + BigInt(by))),
  )
}

export function passwordIn(attribute: Attribute): string {
  const [value, ...more] = attribute.values
  if (!value || more.length > 0) throw new LdapError('constraintViolation', 'an account has one password')
  if (!isUtf8(value)) throw new LdapError('invalidAttributeSyntax', 'a password is text')
  return value.toString()
}

export function newPassword({ how, attribute }: Modification): string | null | undefined {
  if (how === 'delete' || (how === 'replace' && attribute.values.length === 0)) return null
  return passwordIn(attribute)
}

export function isSameList(a: readonly string[] = [], b: readonly string[] = []): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at])
}

export function isSameAttributes(
  a: Readonly<Record<string, readonly string[]>>,
  b: Readonly<Record<string, readonly string[]>>,
): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => isSameList(a[name], b[name]))
}
