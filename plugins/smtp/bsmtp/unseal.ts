/** Undoes what was done to a sealed batch: decrypts it with the key of this server, unpacks it, reads its manifest. */
import type { Link, Links } from './links.ts'
import { type Manifest, readManifest } from './manifest.ts'
import { type BatchLabel, peek, readParcel, verified } from './parcel.ts'
import { decompress, decrypt, SealError } from './seal.ts'

export interface Unsealed {
  readonly manifest: Manifest
  /** The batch itself. */
  readonly rest: AsyncIterable<Uint8Array>
}

export function unseal(
  { identity }: Links,
  link: Pick<Link, 'dictionary' | 'accept'>,
  label: BatchLabel,
  sealed: AsyncIterable<Uint8Array>,
): Promise<Unsealed> {
  const { ephemeral, build, dictionary, zip } = label
  if (ephemeral !== undefined && !identity) throw new SealError('this server has no key to decrypt it with')
  const key = ephemeral === undefined ? undefined : identity?.decapsulate(ephemeral, build)
  const opened = key ? decrypt(sealed, key) : sealed
  const known = dictionary === undefined ? undefined : link.dictionary
  return readManifest(decompress(opened, zip, link.accept.size, known))
}

/**
 * A batch in whatever form, for people who look into it: nothing is delivered, so batches of unknown senders can be
 * shown too.
 */
export async function openBatch(
  links: Links,
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly about: string; readonly octets: AsyncIterable<Uint8Array> }> {
  const { isParcel, octets } = await peek(source)
  if (!isParcel) return { about: 'Batch SMTP (RFC 2442)', octets }
  const parcel = await readParcel(octets)
  const { label } = parcel
  const link = links.bySignature(label.from)
  const isKnown = link?.publicKey !== undefined && parcel.isSignedBy(link.publicKey)
  const made = new Date(label.made).toISOString()
  const about = `Sealed batch ${label.batch} from ${label.from} to ${label.to} of ${made}, ${isKnown ? 'signed by the partner' : 'signature not known'}`
  if (label.at > 0 || label.size < label.total)
    throw new SealError('it is one part of several; only a whole batch can be read')
  const { rest } = await unseal(
    links,
    link ?? { dictionary: undefined, accept: LARGE },
    label,
    verified(parcel.octets, label),
  )
  return { about, octets: rest }
}

/** A batch of an unknown sender, which is only shown. */
const LARGE = { size: 1e10 } as Link['accept']
