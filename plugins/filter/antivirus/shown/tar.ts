/**
 * Writes files as a tar stream (POSIX ustar), from which clamd scans each separately.
 *
 * Invariants: each file's size matches its content; names are generated, never the sender's.
 */

const BLOCK = 512

/** Octets that a file occupies. */
export const sizeInTar = (size: number): number => BLOCK + Math.ceil(size / BLOCK) * BLOCK

export async function* tarOf(files: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  let number = 0
  for await (const file of files) {
    yield header(`part-${++number}`, file.length)
    yield file
    const rest = file.length % BLOCK
    if (rest > 0) yield Buffer.alloc(BLOCK - rest)
  }
  yield Buffer.alloc(2 * BLOCK)
}

function header(name: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, digits: number) =>
    block.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1')
  block.write(name, 0, 'latin1')
  octal(0o644, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  octal(size, 124, 11)
  octal(0, 136, 11)
  block.write('        0', 148, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  octal(
    block.reduce((sum, octet) => sum + octet, 0),
    148,
    6,
  )
  return block
}
