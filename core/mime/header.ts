/**
 * Header fields: unfolded, in order, found by case-insensitive name.
 *
 * Invariants: octets above 127 are read as UTF-8 in fields that are valid UTF-8, otherwise as one character each;
 * linear time for any header.
 */
import { fieldName } from './header-end.ts'

export interface Field {
  /** In lower case. */
  readonly name: string
  readonly value: string
}

export interface Fields {
  /** The first field with that name. */
  get(name: string): string | undefined
  /** The last field with that name, which is the valid one of single fields (RFC 8621 section 4.1.3). */
  last(name: string): string | undefined
  all(name: string): readonly string[]
  readonly list: readonly Field[]
}

/** Maximum fields of one header. */
const MOST = 10_000

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function textOf(octets: Uint8Array): string {
  try {
    return UTF8.decode(octets)
  } catch {
    // Not UTF-8: one character per octet.
    return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1')
  }
}

/** Field by field, because one in an old charset must not affect those in UTF-8. */
function fieldText(octets: string): string {
  return /[\x80-\xff]/.test(octets) ? textOf(Buffer.from(octets, 'latin1')) : octets
}

/** The fields of a header, with or without its final blank line. */
export function readFields(header: Uint8Array): Fields {
  const list: Field[] = []
  let name = ''
  let value: string[] = []
  const done = () => {
    if (name !== '') list.push({ name, value: fieldText(value.join('').trim()) })
  }
  for (const line of Buffer.from(header.buffer, header.byteOffset, header.byteLength).toString('latin1').split('\n')) {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line
    if (/^[ \t]/.test(text)) {
      value.push(text)
      continue
    }
    done()
    name = fieldName(text) ?? ''
    value = [text.slice(text.indexOf(':') + 1)]
    if (list.length >= MOST) break
  }
  done()
  const byName = new Map<string, string[]>()
  for (const field of list) {
    const known = byName.get(field.name)
    if (known) known.push(field.value)
    else byName.set(field.name, [field.value])
  }
  return {
    list,
    get: (wanted) => byName.get(wanted)?.[0],
    last: (wanted) => byName.get(wanted)?.at(-1),
    all: (wanted) => byName.get(wanted) ?? [],
  }
}
