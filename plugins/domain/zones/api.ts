/**
 * The Zones service: changes of DNS records in zones that this server may write.
 */
import { defineService, type RecordChange } from 'iems'

export interface ZonesApi {
  /**
   * Applies the changes: at the primary server of a configured zone, else by a plugin that taps `zoneChange`. The
   * changes of one zone are applied together. Throws when no zone has a name, or its server refuses.
   */
  change(changes: readonly RecordChange[]): Promise<void>
}
export const Zones = defineService<ZonesApi>('zones')

declare global {
  interface IemsHooks {
    /**
     * Changes of records in zones that the option `zones` does not name. A plugin that manages their zone at a provider
     * applies them and returns true.
     */
    zoneChange: (change: { readonly changes: readonly RecordChange[] }) => true | void
  }
}
