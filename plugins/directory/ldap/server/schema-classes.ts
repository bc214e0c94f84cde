/**
 * The object classes of the schema (RFC 4512 section 2.4): their names, what is above them, and their attributes.
 *
 * What must stay true: a class is the same by its name in any case and by its OID; a class that is not listed stands
 * for itself.
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
/** A class by the name that answers have; itself when it is not known. */
export const className = (text: string): string => classByName.get(text.trim().toLowerCase())?.name ?? text
export const classOf = (text: string): ObjectClass | undefined => classByName.get(text.trim().toLowerCase())

/** A class and those above it, itself first; only itself when it is not known. */
export function lineageOf(text: string): readonly string[] {
  const lineage: string[] = []
  for (let name = className(text); name !== ''; name = classOf(name)?.sup ?? '') lineage.push(name)
  return lineage
}

/** Base names of all that entries of a class have; none for a class that is not known (RFC 4529). */
export function attributesOfClass(text: string): readonly string[] {
  const all = classOf(text)
    ? lineageOf(text).flatMap((name) => [...(classOf(name)?.must ?? []), ...(classOf(name)?.may ?? [])])
    : []
  return all.map((name) => name.toLowerCase())
}
