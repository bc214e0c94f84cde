/**
 * The Quotas service: for listeners in which administrators change limits.
 */
import { defineService } from 'iems'

export interface QuotasApi {
  /** Sets limits of an account, given by its id, instead of all others that hold for it; null: no limit. */
  set(
    account: string,
    limits: { readonly octets: number | null; readonly messages: number | null; readonly mailboxes: number | null },
  ): Promise<void>
}

export const Quotas = defineService<QuotasApi>('quotas')
