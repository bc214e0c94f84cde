/**
 * The Antivirus service: scans a file of another plugin.
 *
 * Invariant: when no clamd answers, `scan` throws `AllBackendsDown`, and never says clean.
 */
import { type ByteRange, defineService } from 'iems'

export interface ScanAnswer {
  readonly kind: 'clean' | 'virus' | 'encrypted' | 'oversize' | 'unreadable' | 'unscannable'
  /** Name of the finding; empty when the file is clean. */
  readonly name: string
}

export interface AntivirusApi {
  /** Scans a file with what is in it. Throws `AllBackendsDown`. */
  scan(file: { readonly size: number; open(range?: ByteRange): AsyncIterable<Uint8Array> }): Promise<ScanAnswer>
}

export const Antivirus = defineService<AntivirusApi>('antivirus', { several: true })
