/**
 * The Dkim service: the signing keys of a domain and their DNS records.
 */
import { defineService } from 'iems'
import type { KeyInfo } from './keys.ts'

export type { KeyInfo } from './keys.ts'

export interface DkimApi {
  /** Keys of exactly this domain, in every state; none has its private part. */
  keysOf(domain: string): Promise<readonly KeyInfo[]>
}
export const Dkim = defineService<DkimApi>('dkim')
