/**
 * The object classes of the schema (RFC 4512 section 2.4): names, superclasses and attributes.
 *
 * Invariants: a class is found by its name in any case and by its OID; an unknown class has no superclass.
 */
import { CLASS_LINES, linesOf, words } from './schema-data.ts'

export interface ObjectClass {
  readonly oid: string
  readonly name: string
  readonly kind: string
  readonly sup: string
  readonly must: readonly string[]
  readonly may: readonly string[]
}

export const CLASSES_KNOWN: readonly ObjectClass[] = linesOf(CLASS_LINES).map((line) => {
  const [head, must, may] = line.split('|')
  const [oid = '', name = '', kind = '', sup = ''] = words(head)
  return { oid, name, kind, sup: sup === '-' ? '' : sup, must: words(must), may: words(may) }
})

const classByName = new Map(CLASSES_KNOWN.flatMap((one) => [one.oid, one.name.toLowerCase()].map((key) => [key, one])))
/** The canonical name of a class; the text itself when unknown. */
export const className = (text: string): string => classByName.get(text.trim().toLowerCase())?.name ?? text
export const classOf = (text: string): ObjectClass | undefined => classByName.get(text.trim().toLowerCase())

/** A class followed by its superclasses; only itself when unknown. */
export function lineageOf(text: string): readonly string[] {
  const lineage: string[] = []
  for (let name = className(text); name !== ''; name = classOf(name)?.sup ?? '') lineage.push(name)
  return lineage
}

/** Base names of all attributes of a class; none when unknown (RFC 4529). */
export function attributesOfClass(text: string): readonly string[] {
  const all = classOf(text)
    ? lineageOf(text).flatMap((name) => [...(classOf(name)?.must ?? []), ...(classOf(name)?.may ?? [])])
    : []
  return all.map((name) => name.toLowerCase())
}
