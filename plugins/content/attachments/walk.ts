/**
 * The parts of a message as this plugin walks them, and the reasons why a message must stay as it is.
 *
 * Invariants: parts that their author signed or encrypted, and reports, are never changed.
 */
import type { MimePart } from 'iems/mime'

export interface Placed {
  readonly part: MimePart
  readonly path: readonly number[]
  /** Containers, outermost first. */
  readonly within: readonly MimePart[]
}

export const typeOf = ({ type, subtype }: Pick<MimePart, 'type' | 'subtype'>): string => `${type}/${subtype}`
export const nameOfPath = (path: readonly number[]): string => path.join('.')

/** All parts in the order of the content. */
export function* eachPart(root: MimePart): Generator<Placed> {
  const stack: Placed[] = [{ part: root, path: [], within: [] }]
  for (let next = stack.pop(); next; next = stack.pop()) {
    yield next
    const { part, path, within } = next
    const inner = (part.parts ?? []).map((one, index) => ({
      part: one,
      path: [...path, index + 1],
      within: [...within, part],
    }))
    stack.push(...inner.reverse())
  }
}

export const isSmime = ({ type, subtype }: MimePart): boolean =>
  type === 'application' && /^(?:x-)?pkcs7-mime$/.test(subtype)

/** The reason why no part of a message may change. Attached messages are not examined: their parts never change. */
export function obstacleIn(root: MimePart): string | undefined {
  const stack = [root]
  for (let part = stack.pop(); part; part = stack.pop()) {
    const type = typeOf(part)
    if (type === 'multipart/signed') return 'signed by its author'
    if (type === 'multipart/encrypted') return 'encrypted'
    if (isSmime(part)) return 'signed or encrypted (S/MIME)'
    if (part === root && type === 'multipart/report') return 'a report'
    if (part.type === 'multipart') stack.push(...(part.parts ?? []))
  }
  return undefined
}

/** Whether a part belongs to the message itself, not to an attached one. */
export const isReachable = ({ within, part }: Placed): boolean =>
  part.within === undefined && within.every(({ type }) => type === 'multipart')
