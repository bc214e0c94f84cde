/**
 * What a filter wants changed, and the header that comes of it. Pure.
 *
 * Positions count as filters do: ours is the first Received field, which they do not see; an inserted field may stand
 * above it. What must stay true: no change puts a line into the header that is not a field.
 */
import type { RawField } from 'iems'

/** Values are as they stand behind the colon, their first space included. */
export type Change =
  | { readonly kind: 'add-header'; readonly name: string; readonly value: string }
  | { readonly kind: 'insert-header'; readonly at: number; readonly name: string; readonly value: string }
  /** The `at`-th of that name, from 1; an empty value takes it away. */
  | { readonly kind: 'change-header'; readonly at: number; readonly name: string; readonly value: string }
  | { readonly kind: 'add-recipient'; readonly address: string }
  | { readonly kind: 'remove-recipient'; readonly address: string }
  | { readonly kind: 'sender'; readonly address: string }

export interface Changes {
  readonly list: readonly Change[]
  /** In the place of the old one. */
  readonly body: readonly Buffer[] | undefined
}

const isName = (name: string) => /^[!-9;-~]+$/.test(name)

/** Line ends as they have to be: filters fold with LF or CRLF. A line that would begin a field is a continuation. */
const folded = (value: string) =>
  value
    .replace(/\r?\n|\r/g, '\r\n')
    .replace(/\r\n(?![ \t])/g, '\r\n\t')
    .replace(/(?:\r\n[ \t]*)+$/, '')

/** The fields after the changes; the first Received field is ours. */
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
      // As Sendmail does it: what is not there to be changed is added.
      else if (change.value !== '') now.push(field)
    }
  }
  return now
}

/** Where the count-th field of that name stands, ours apart. */
function placeOf(fields: readonly RawField[], name: string, count: number): number | undefined {
  const ours = ourField(fields)
  let left = count
  for (const [at, field] of fields.entries())
    if (at !== ours && field.name.toLowerCase() === name.toLowerCase() && --left === 0) return at
  return undefined
}

/** Where the Received field stands that we have added; filters do not see it. */
export const ourField = (fields: readonly RawField[]) => fields.findIndex(({ name }) => name === 'Received')

export const written = (fields: readonly RawField[]) => fields.map(({ name, value }) => `${name}:${value}\r\n`).join('')
