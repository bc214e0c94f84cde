/**
 * Blob ids: what is meant is in the id, so nothing has to be kept.
 *
 * `E…` is a whole email, `U…` an upload, `P…` a part of what another blob holds, decoded; further letters are those of
 * plugins.
 */
export type BlobPlace =
  | { readonly kind: 'email'; readonly id: string }
  | { readonly kind: 'part'; readonly within: BlobPlace; readonly partId: string }
  | { readonly kind: 'upload'; readonly id: string }
  | { readonly kind: 'plugin'; readonly letter: string; readonly id: string }

const MAX_NESTING = 4
const MAX_LENGTH = 255

export const blobIdOfEmail = (id: string) => `E${id}`
export const blobIdOfUpload = (id: string) => `U${id}`
/** The blob id of a part of a blob. */
export const blobIdOfPart = (blob: string, partId: string) =>
  `P${Buffer.from(`${partId} ${blob}`).toString('base64url')}`

/** Undefined when it is not a blob id. */
export function readBlobId(blobId: string, depth = 0): BlobPlace | undefined {
  const id = blobId.slice(1)
  if (id === '' || blobId.length > MAX_LENGTH || depth > MAX_NESTING) return undefined
  if (blobId[0] === 'E') return { kind: 'email', id }
  if (blobId[0] === 'U') return { kind: 'upload', id }
  if (blobId[0] !== 'P') return { kind: 'plugin', letter: blobId[0] as string, id }
  const [partId = '', blob = ''] = Buffer.from(id, 'base64url').toString('latin1').split(' ')
  const within = readBlobId(blob, depth + 1)
  return within && /^\d{1,4}(?:\.\d{1,4}){0,40}$/.test(partId) ? { kind: 'part', within, partId } : undefined
}
