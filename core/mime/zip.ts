/**
 * Reads ZIP archives within limits, file by file, for plugins. The only file that imports yauzl.
 *
 * Invariants: no archive yields more files or octets than the caller allows, whatever it declares.
 */
import { fromBufferPromise, openPromise } from 'yauzl'

export interface ZippedFile {
  readonly name: string
  /** Throws when it expands beyond the limit. */
  open(): AsyncIterable<Uint8Array>
}

export interface ZipLimits {
  readonly files: number
  /** Maximum octets of one file. */
  readonly size: number
  /** Also yields files that cannot be read, such as encrypted ones; opening one throws. Default: false. */
  readonly unreadable?: boolean
}

/**
 * The files of an archive in memory, or on disk by path, in the order of its directory. Throws when it is
 * corrupt.
 */
export async function* readZip(source: Buffer | string, limits: ZipLimits): AsyncGenerator<ZippedFile> {
  const archive =
    typeof source === 'string'
      ? await openPromise(source, { lazyEntries: true })
      : await fromBufferPromise(source, { lazyEntries: true })
  let files = 0
  try {
    for await (const entry of archive.eachEntry()) {
      if (++files > limits.files) return
      if (entry.fileName.endsWith('/') || !(limits.unreadable || entry.canDecodeFileData())) continue
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
