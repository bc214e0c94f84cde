/**
 * Finds the text parts of a message, and the reasons to leave it unchanged.
 *
 * Invariants: parts signed or encrypted by the author, reports and attached messages are never changed.
 */
import { attachmentName, type MimePart } from 'iems/mime'

export interface Target {
  readonly path: readonly number[]
  readonly part: MimePart
}

const isAttachment = (part: MimePart) => part.disposition?.type === 'attachment' || attachmentName(part) !== undefined

const isText = (part: MimePart) =>
  part.type === 'text' && (part.subtype === 'plain' || part.subtype === 'html') && !isAttachment(part)

/** Why nothing may be put into a message with this structure. */
export function obstacleIn(root: MimePart): string | undefined {
  const stack = [root]
  for (let part = stack.pop(); part; part = stack.pop()) {
    const type = `${part.type}/${part.subtype}`
    if (type === 'multipart/signed') return 'signed by its author'
    if (type === 'multipart/encrypted') return 'encrypted'
    if (/^application\/(?:x-)?pkcs7-mime$/.test(type)) return 'signed or encrypted (S/MIME)'
    if (part === root && type === 'multipart/report') return 'a report'
    // Attached messages are another matter.
    if (part.type === 'multipart') stack.push(...(part.parts ?? []))
  }
  return undefined
}

/** The leaves that are the text of the message, for a text at its top or its bottom. */
export function targetsIn(root: MimePart, place: 'top' | 'bottom'): readonly Target[] {
  return find({ part: root, path: [] }, place)
}

function find({ part, path }: Target, place: 'top' | 'bottom'): readonly Target[] {
  if (isText(part)) return [{ part, path }]
  if (part.type !== 'multipart') return []
  const parts = (part.parts ?? []).map((one, index) => ({ part: one, path: [...path, index + 1] }))
  if (part.subtype === 'alternative') return parts.flatMap((one) => find(one, place))
  if (part.subtype === 'related') {
    const start = part.parameters.start
    const root = parts.find(
      (one) => start !== undefined && one.part.id?.replace(/[<>]/g, '') === start.replace(/[<>]/g, ''),
    )
    const first = root ?? parts[0]
    return first ? find(first, place) : []
  }
  for (const one of place === 'top' ? parts : parts.toReversed()) {
    const found = find(one, place)
    if (found.length > 0) return found
  }
  return []
}
