/**
 * ZIP archives read within limits: what is in them, one file after the other. Lent to plugins; the only file that knows
 * yauzl.
 *
 * What must stay true: no archive makes more files or octets than the caller allows, whatever it says of itself.
 */
import { fromBufferPromise, openPromise } from 'yauzl'

export interface ZippedFile {
  readonly name: string
  /** Throws when it expands to more than was allowed. */
  open(): AsyncIterable<Uint8Array>
}

export interface ZipLimits {
  readonly files: number
  /** Octets of one file. */
  readonly size: number
}

/** Files that can be read, in the order of the archive's list; from memory, or from a file by its path. Throws when it is broken. */
export async function* readZip(source: Buffer | string, limits: ZipLimits): AsyncGenerator<ZippedFile> {
  const archive =
    typeof source === 'string'
      ? await openPromise(source, { lazyEntries: true })
      : await fromBufferPromise(source, { lazyEntries: true })
  let files = 0
  try {
    for await (const entry of archive.eachEntry()) {
      if (++files > limits.files) return
      if (entry.fileName.endsWith('/') || !entry.canDecodeFileData()) continue
      yield {
        name: entry.fileName,
        async *open() {
          let size = 0
          for await (const chunk of await archive.openReadStreamPromise(entry)) {
            size += (chunk as Buffer).length
            if (size > limits.size) throw new Error(`${entry.fileName} expands to too much`)
            yield chunk as Buffer
          }
        },
      }
    }
  } finally {
    archive.close()
  }
}
