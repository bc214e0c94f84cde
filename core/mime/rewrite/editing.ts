/**
 * Walks the structure of a message and calls the editor for its parts.
 *
 * Invariants: the editor is called in the order of the content, and not for the contents of removed or replaced parts;
 * a structure that exceeds the limits or is ambiguous is not edited at all.
 */
import { attachmentName } from '../names.ts'
import type { MimePart } from '../parts.ts'
import { partBody } from '../transfer.ts'
import type { PartChange, PartEditor, PartFilter, PartView, Rewritable, RewriteOptions, RewriteProblem } from './api.ts'

/** A part with its change, and its edited subparts. */
export interface Edited {
  readonly part: MimePart
  readonly path: readonly number[]
  readonly within: readonly MimePart[]
  readonly change: PartChange | undefined
  /** For an unencoded container that stays. */
  readonly parts: readonly Edited[]
  /** It or one of its subparts changes. */
  readonly isChanged: boolean
}

const MAX_HEADER = 262_144

/** Parts whose octets are in the content itself; parts of encoded messages belong to the message. */
export const partsIn = (part: MimePart): readonly MimePart[] =>
  (part.parts ?? []).filter(({ within }) => within === part.within)

export const isMultipart = (part: MimePart): boolean => part.type === 'multipart'

/** The reason why `rewriteMime` changes no message of this structure; undefined if it can. */
export function structureProblem(root: MimePart, options: RewriteOptions = {}): RewriteProblem | undefined {
  const maxParts = Math.min(options.maxParts ?? 1000, 10_000)
  const maxDepth = Math.min(options.maxDepth ?? 50, 99)
  let count = 0
  const stack: { part: MimePart; path: readonly number[] }[] = [{ part: root, path: [] }]
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { part, path } = next
    if (++count > maxParts) return { path: [], what: 'too-many-parts' }
    if (path.length >= maxDepth) return { path, what: 'too-deep' }
    if (part.body - part.header > MAX_HEADER) return { path, what: 'header-too-long' }
    const parts = partsIn(part)
    // A part that begins where the body does has no boundary before it: it represents the body.
    if (isMultipart(part) && parts.some(({ header }) => header === part.body)) return { path, what: 'no-boundary' }
    stack.push(...parts.map((one, index) => ({ part: one, path: [...path, index + 1] })))
  }
  return undefined
}

function matches(view: PartView, filter: PartFilter): boolean {
  const { part, name, size } = view
  const isContainer = partsIn(part).length > 0
  if (isContainer && !filter.containers) return false
  const [type, subtype] = (filter.type ?? '*').split('/')
  if (type !== '*' && type !== part.type) return false
  if (subtype !== undefined && subtype !== '*' && subtype !== part.subtype) return false
  if (filter.disposition !== undefined && filter.disposition !== part.disposition?.type) return false
  if (filter.name && !(name !== undefined && filter.name(name))) return false
  return size >= (filter.minSize ?? 0) && size <= (filter.maxSize ?? Number.POSITIVE_INFINITY)
}

/** Calls the editor for a part, then for its subparts. */
export async function editPart(
  message: Rewritable,
  edit: PartEditor,
  filter: PartFilter,
  at: Pick<PartView, 'part' | 'path' | 'within'>,
): Promise<Edited> {
  const { part, path, within } = at
  const name = attachmentName(part)
  const view: PartView = {
    ...at,
    ...(name === undefined ? {} : { name }),
    size: part.end - part.body,
    open: () => partBody(message, part),
  }
  const answer = matches(view, filter) ? await edit(view) : undefined
  const change = answer && Object.keys(answer).length > 0 ? answer : undefined
  const parts: Edited[] = []
  if (!change?.remove && !change?.replace) {
    for (const [index, one] of partsIn(part).entries())
      parts.push(
        await editPart(message, edit, filter, { part: one, path: [...path, index + 1], within: [...within, part] }),
      )
  }
  return { ...at, change, parts, isChanged: change !== undefined || parts.some(({ isChanged }) => isChanged) }
}
