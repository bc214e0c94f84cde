/**
 * Whether a clamd opens RAR: the code for that is under a licence of its own, and many builds come without.
 *
 * What must stay true: a yes comes only from a virus found in an archive of ours; it is asked again with every version.
 */
import { gzipSync } from 'node:zlib'
import { rarOf } from 'iems/mime'
import type { Answer } from './clamd.ts'

/** The test file that all scanners know; in pieces, so that they do not find it here. */
const EICAR = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$', 'EICAR-STANDARD-ANTIVIRUS-TEST-FILE', '!$H+H*'].join('')

export function createProbe(
  ask: (open: () => AsyncIterable<Uint8Array>) => Promise<Answer>,
  version: () => Promise<string>,
): () => Promise<boolean> {
  let known: { readonly version: string; readonly opens: boolean } | undefined
  // Compressed once more: that it is found in the octets of the archive would mean nothing.
  const archive = async function* () {
    yield rarOf(gzipSync(EICAR))
  }
  return async () => {
    const present = await version()
    if (known?.version !== present) known = { version: present, opens: (await ask(archive)).kind === 'virus' }
    return known.opens
  }
}
