/** Ids of blobs: a letter for the kind, then the time, a count and the process: ids of a kind sort by age. */
import { randomBytes } from 'node:crypto'

/** Kept with the records; the letter of files sorts first. */
export const SMALL = 'r'
export const LARGE = 'f'
/** Maximum size of a small blob in octets. */
export const SMALL_SIZE = 65_536
const TIME_DIGITS = 9
const COUNT_DIGITS = 6

export const isLarge = (id: string): boolean => id.startsWith(LARGE)
export const timeOf = (id: string): number => Number.parseInt(id.slice(1, 1 + TIME_DIGITS), 36)

/** Makes ids that differ from those of every other process. */
export function blobIds(now: () => number): (kind: string) => string {
  const run = randomBytes(6).toString('hex')
  let count = 0
  return (kind) =>
    kind + now().toString(36).padStart(TIME_DIGITS, '0') + (count++).toString(36).padStart(COUNT_DIGITS, '0') + run
}
