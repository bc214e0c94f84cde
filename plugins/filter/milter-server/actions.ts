/**
 * The changes of plugins as actions of the milter protocol. Pure.
 *
 * Invariants: applied in order, the actions turn the header that the mail server has into the one that plugins left;
 * fields that stay are not touched.
 */
import type { RawField } from 'iems'
import { ACTION, CHUNK, numbers, packet, strings } from '../milter/api.ts'

/** Fields beyond which a header is not compared: the cost is quadratic. */
const MAX_FIELDS = 2000

export interface Headers {
  readonly before: readonly RawField[]
  readonly after: readonly RawField[]
}

export interface Terms {
  /** The actions that the mail server offers. */
  readonly actions: number
  /** Values include the space after the colon. */
  readonly isRaw: boolean
}

const isSame = (a: RawField | undefined, b: RawField | undefined) => a?.name === b?.name && a?.value === b?.value

/** Positions of the fields that stay, in both headers: a longest common subsequence. */
function kept({ before, after }: Headers): readonly (readonly [from: number, to: number])[] {
  const width = after.length + 1
  const lengths = new Uint16Array((before.length + 1) * width)
  for (let i = before.length - 1; i >= 0; i--)
    for (let j = after.length - 1; j >= 0; j--)
      lengths[i * width + j] = isSame(before[i], after[j])
        ? (lengths[(i + 1) * width + j + 1] ?? 0) + 1
        : Math.max(lengths[(i + 1) * width + j] ?? 0, lengths[i * width + j + 1] ?? 0)
  const pairs: [number, number][] = []
  for (let i = 0, j = 0; i < before.length && j < after.length; ) {
    if (isSame(before[i], after[j])) pairs.push([i++, j++])
    else if ((lengths[(i + 1) * width + j] ?? 0) >= (lengths[i * width + j + 1] ?? 0)) i++
    else j++
  }
  return pairs
}

/** Number of the field among those of its name, from 1. */
function occurrence(fields: readonly RawField[], at: number): number {
  const name = fields[at]?.name.toLowerCase()
  return fields.slice(0, at + 1).filter((field) => field.name.toLowerCase() === name).length
}

export interface HeaderChanges {
  /** The `count`-th field of that name; each holds after the ones before it. */
  readonly removals: readonly { readonly count: number; readonly name: string }[]
  /** Position in the resulting header, in order. */
  readonly additions: readonly { readonly at: number; readonly name: string; readonly value: string }[]
}

/** Throws when the header has more fields than can be compared. */
export function headerChanges(headers: Headers): HeaderChanges {
  const { before, after } = headers
  if (before.length > MAX_FIELDS || after.length > MAX_FIELDS) throw new Error('the header has too many fields')
  const pairs = kept(headers)
  const [stays, stayed] = [new Set(pairs.map(([from]) => from)), new Set(pairs.map(([, to]) => to))]
  return {
    // From the last to the first, so that the numbers of the others hold.
    removals: before
      .map(({ name }, at) => ({ name, at }))
      .filter(({ at }) => !stays.has(at))
      .reverse()
      .map(({ name, at }) => ({ count: occurrence(before, at), name })),
    additions: after.map((field, at) => ({ ...field, at })).filter(({ at }) => !stayed.has(at)),
  }
}

export function headerActions(headers: Headers, { isRaw }: Pick<Terms, 'isRaw'>): Buffer[] {
  const { removals, additions } = headerChanges(headers)
  return [
    ...removals.map(({ count, name }) => packet('m', numbers(count), strings(name, ''))),
    ...additions.map(({ at, name, value }) => packet('i', numbers(at), strings(name, writtenValue(value, isRaw)))),
  ]
}

/** As mail servers expect: folds with LF alone, and no leading space unless negotiated. */
function writtenValue(value: string, isRaw: boolean): string {
  return (isRaw ? value : value.replace(/^ /, '')).replaceAll('\r\n', '\n')
}

export interface EnvelopeChange {
  readonly before: { readonly from: string; readonly recipients: readonly string[] }
  readonly after: { readonly from: string; readonly recipients: readonly string[] }
}

export function envelopeActions({ before, after }: EnvelopeChange): Buffer[] {
  const [had, has] = [new Set(before.recipients), new Set(after.recipients)]
  return [
    ...(before.from === after.from ? [] : [packet('e', strings(`<${after.from}>`))]),
    ...[...has].filter((one) => !had.has(one)).map((one) => packet('+', strings(`<${one}>`))),
    ...[...had].filter((one) => !has.has(one)).map((one) => packet('-', strings(`<${one}>`))),
  ]
}

export function bodyActions(body: Uint8Array): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < body.byteLength || at === 0; at += CHUNK)
    chunks.push(packet('b', body.subarray(at, at + CHUNK)))
  return chunks
}

const NEEDS: Readonly<Record<string, number>> = {
  m: ACTION.changeHeader,
  i: ACTION.addHeader,
  b: ACTION.changeBody,
  '+': ACTION.addRecipient,
  '-': ACTION.removeRecipient,
  e: ACTION.changeFrom,
  q: ACTION.quarantine,
}

/** Whether the mail server carries out all of these. */
export const isOffered = (packets: readonly Buffer[], { actions }: Pick<Terms, 'actions'>): boolean =>
  packets.every((one) => (actions & (NEEDS[one.toString('latin1', 4, 5)] ?? 0)) !== 0)
