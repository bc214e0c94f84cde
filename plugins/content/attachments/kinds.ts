/**
 * Detects the kind of a file from its first octets. The only file that knows `file-type`.
 *
 * Invariants: only the given octets are read; a file on which the library throws has no kind.
 */
import { fileTypeFromBuffer } from 'file-type'

/** Octets that the library wants at most. */
export const HEAD = 4100

export interface Kind {
  /** Without a dot. */
  readonly extension: string
  readonly mime: string
}

export async function kindOf(head: Uint8Array): Promise<Kind | undefined> {
  try {
    const found = await fileTypeFromBuffer(head.subarray(0, HEAD))
    return found && { extension: found.ext, mime: found.mime }
  } catch {
    return undefined
  }
}

export const mediaTypeOf = async (octets: Uint8Array): Promise<string | undefined> => (await kindOf(octets))?.mime
