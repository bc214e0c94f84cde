/**
 * Changes to a message as a readable difference for its trace.
 */
import { formatSize } from 'iems'
import type { NewPart, PartChange } from 'iems/mime'
import { factsOf } from './facts.ts'
import { nameOfPath, type Placed, typeOf } from './walk.ts'

const quoted = (name: string | undefined) => (name === undefined || name === '' ? '' : ` "${name.slice(0, 100)}"`)

function removedLine({ part }: Placed): string {
  return `- ${typeOf(part)}${quoted(factsOf(part).name)} ${formatSize(part.end - part.body)}`
}

function addedLines({ type, name, content, dispositionParameters }: NewPart): readonly string[] {
  if (Array.isArray(content)) return (content as readonly NewPart[]).flatMap(addedLines)
  const known = typeof content === 'string' || content instanceof Uint8Array ? content.length : undefined
  const size = known ?? (dispositionParameters?.size === undefined ? undefined : Number(dispositionParameters.size))
  return [`+ ${type}${quoted(name)}${size === undefined ? '' : ` ${formatSize(size)}`}`]
}

/** Parts of one change that are named. */
const MAX_LINES = 20

/** `part 2: - application/ms-tnef "winmail.dat" 9.6 kB; + application/pdf "report.pdf" 12 kB`. */
export function describe(placed: Placed, { before = [], after = [], remove, replace }: PartChange): string {
  const added = [...before, ...(replace ? [replace] : []), ...after].flatMap(addedLines)
  const lines = [...(remove || replace ? [removedLine(placed)] : []), ...added]
  const shown = lines.slice(0, MAX_LINES)
  const rest = lines.length - shown.length
  const path = nameOfPath(placed.path)
  return `${path === '' ? 'message' : `part ${path}`}: ${shown.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}`
}
