/**
 * A filter's changes to a message, and the resulting header. Pure.
 *
 * Positions count as filters do: this server's own first Received field is invisible to them; an inserted field may be
 * above it. Invariants: a change never adds a line to the header that is not a field.
 */
import type { RawField } from 'iems'

/** Values as they follow the colon, including leading space. */
export type Change =
  | { readonly kind: 'add-header'; readonly name: string; readonly value: string }
  | { readonly kind: 'insert-header'; readonly at: number; readonly name: string; readonly value: string }
  /** The `at`-th field of that name, from 1; an empty value removes it. */
  | { readonly kind: 'change-header'; readonly at: number; readonly name: string; readonly value: string }
  | { readonly kind: 'add-recipient'; readonly address: string }
  | { readonly kind: 'remove-recipient'; readonly address: string }
  | { readonly kind: 'sender'; readonly address: string }

export interface Changes {
  readonly list: readonly Change[]
  /** Replaces the body. */
  readonly body: readonly Buffer[] | undefined
}

const isName = (name: string) => /^[!-9;-~]+$/.test(name)

/** Normalizes line endings: filters fold with LF or CRLF. A line that would begin a field becomes a continuation. */
const folded = (value: string) =>
  value
    .replace(/\r?\n|\r/g, '\r\n')
    .replace(/\r\n(?![ \t])/g, '\r\n\t')
    .replace(/(?:\r\n[ \t]*)+$/, '')

/** The fields after the changes; the first Received field is this server's. */
export function applyTo(fields: readonly RawField[], { list }: Changes): RawField[] {
  const now = [...fields]
  for (const change of list) {
    if (!('name' in change) || !isName(change.name)) continue
    const { name } = change
    const field = { name, value: folded(change.value) }
    if (change.kind === 'add-header') now.push(field)
    else if (change.kind === 'insert-header') now.splice(Math.min(change.at, now.length), 0, field)
    else {
      const at = placeOf(now, name, Math.max(1, change.at))
      if (at !== undefined) now.splice(at, 1, ...(change.value === '' ? [] : [field]))
      // As in Sendmail, changing a missing field adds it.
      else if (change.value !== '') now.push(field)
    }
  }
  return now
}

/** Position of the count-th field of that name, without this server's own. */
function placeOf(fields: readonly RawField[], name: string, count: number): number | undefined {
  const ours = ourField(fields)
  let left = count
  for (const [at, field] of fields.entries())
    if (at !== ours && field.name.toLowerCase() === name.toLowerCase() && --left === 0) return at
  return undefined
}

/** Position of the Received field that this server added; filters do not see it. */
export const ourField = (fields: readonly RawField[]) => fields.findIndex(({ name }) => name === 'Received')

export const written = (fields: readonly RawField[]) => fields.map(({ name, value }) => `${name}:${value}\r\n`).join('')
