/**
 * The files of a tar archive, as far as it can be read.
 */

const BLOCK = 512
const MAX_NAME = 100

export const isTar = (octets: Buffer): boolean => octets.toString('latin1', 257, 262) === 'ustar'

export interface TarredFile {
  readonly name: string
  readonly octets: Buffer
}

export function* filesInTar(octets: Buffer): Generator<TarredFile | 'cut off'> {
  let at = 0
  while (at < octets.length && octets[at] !== 0) {
    if (at + BLOCK > octets.length) {
      yield 'cut off'
      return
    }
    const size = Number.parseInt(octets.toString('latin1', at + 124, at + 136).trim() || '0', 8)
    if (!(size >= 0)) return
    const end = at + BLOCK + size
    if (end > octets.length) yield 'cut off'
    const [name = ''] = octets.toString('utf8', at, at + MAX_NAME).split('\0', 1)
    yield { name, octets: octets.subarray(at + BLOCK, end) }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
  }
}
