/**
 * Reads the octets of a blob id, subject to access rights.
 *
 * Invariants: an email is opened only through an account whose mailboxes the login may read; unknown and inaccessible
 * ids are indistinguishable.
 */
import { createSources, partBody, readStructure } from 'iems/mime'
import type { JmapCall } from '../api.ts'
import type { MailDeps } from '../mail/deps.ts'
import { viewOf } from '../mail/deps.ts'
import { bodyParts, findPart } from '../mail/parts.ts'
import type { Blob } from './blob.ts'
import { type BlobPlace, readBlobId } from './ids.ts'

export type BlobDeps = Pick<MailDeps, 'mail' | 'blobs'>

export async function openBlob(
  deps: BlobDeps,
  wanted: { readonly account: string; readonly blobId: string },
  call: JmapCall,
): Promise<Blob | undefined> {
  const place = readBlobId(wanted.blobId)
  return place && openPlace(deps, { account: wanted.account, place }, call)
}

async function openPlace(
  deps: BlobDeps,
  { account, place }: { readonly account: string; readonly place: BlobPlace },
  call: JmapCall,
): Promise<Blob | undefined> {
  if (place.kind === 'plugin') return deps.blobs.get(place.letter)?.(account, place.id, call)
  if (place.kind === 'upload') return account === call.own ? deps.mail.openUpload(account, place.id) : undefined
  if (place.kind === 'email') {
    const view = await viewOf(deps, account, call)
    for await (const email of deps.mail.emails(account, [place.id])) {
      const content = view.sees(email) ? await deps.mail.email(email.id) : undefined
      if (content) return { size: content.size, open: (range) => content.open(range) }
    }
    return undefined
  }
  const whole = await openPlace(deps, { account, place: place.within }, call)
  if (whole?.size === undefined) return undefined
  const structure = await readStructure((range) => whole.open(range), whole.size)
  const found = findPart(bodyParts(structure), place.partId)
  if (!found) return undefined
  const { part } = found
  const source = createSources({ open: (range) => whole.open(range) })(part)
  if (partBody(source, part) === undefined) return undefined
  const isPlain = ['7bit', '8bit', 'binary'].includes(part.encoding)
  if (!isPlain) return { size: undefined, open: () => partBody(source, part) as AsyncIterable<Uint8Array> }
  return {
    size: part.end - part.body,
    open: ({ start, end } = { start: 0, end: part.end - part.body }) =>
      source.open({ start: part.body + start, end: part.body + end }),
  }
}

const MAX_COUNTED = 200 * 1024 * 1024

/** All octets, up to a bound; undefined beyond it. */
export async function octetsOf(blob: Blob, most = MAX_COUNTED): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of blob.open()) {
    size += chunk.length
    if (size > most) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
