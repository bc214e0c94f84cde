/**
 * Tests whether a clamd opens RAR: that code has a separate licence, and many builds omit it.
 *
 * Invariants: only a virus found in the test archive counts as support; the test is repeated for every version.
 */
import { gzipSync } from 'node:zlib'
import { rarOf } from 'iems/mime'
import type { Answer } from './clamd.ts'

/** The test file that all scanners detect; in pieces, so that they do not detect it here. */
const EICAR = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$', 'EICAR-STANDARD-ANTIVIRUS-TEST-FILE', '!$H+H*'].join('')

export function createProbe(
  ask: (open: () => AsyncIterable<Uint8Array>) => Promise<Answer>,
  version: () => Promise<string>,
): () => Promise<boolean> {
  let known: { readonly version: string; readonly opens: boolean } | undefined
  // Compressed again, because a match in the archive's own octets would prove nothing.
  const archive = async function* () {
    yield rarOf(gzipSync(EICAR))
  }
  return async () => {
    const present = await version()
    if (known?.version !== present) known = { version: present, opens: (await ask(archive)).kind === 'virus' }
    return known.opens
  }
}
