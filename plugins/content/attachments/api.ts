/**
 * Reads a message as this plugin would change it, for those who show stored messages. Needs no running plugin.
 */
import { type Rewritable, readStructure, rewriteMime, structureProblem } from 'iems/mime'
import { options } from './options.ts'
import { readIn } from './read-in.ts'
import { nameOfPath, obstacleIn } from './walk.ts'

const READING = { ...options.parse({}), resourceForks: 'drop' as const }

/**
 * The message with the files of `winmail.dat`, uuencode, yEnc, BinHex and AppleSingle as MIME parts, of Macintosh files
 * the data alone. Undefined when there is nothing to change, or when the message must stay as it is.
 */
export async function asMime(message: Rewritable): Promise<(() => AsyncIterable<Uint8Array>) | undefined> {
  const structure = await readStructure((range) => message.open(range), message.size)
  if (structureProblem(structure, READING.limits) || obstacleIn(structure) !== undefined) return undefined
  const changes = await readIn(message, structure, READING)
  if (changes.size === 0) return undefined
  const { content } = await rewriteMime(message, ({ path }) => changes.get(nameOfPath(path)), {
    structure,
    filter: { containers: true },
    maxParts: READING.limits.maxParts,
  })
  return content
}
