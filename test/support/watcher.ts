/** A plugin that remembers the findings of a message when all checks have passed. */
import { definePlugin, type PluginEntry } from 'iems'
import * as z from 'zod'

export function createWatcher(): { readonly plugin: PluginEntry; readonly seen: Record<string, unknown> } {
  const seen: Record<string, unknown> = {}
  const plugin = definePlugin({
    name: 'watcher',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        modify: {
          stage: 'last',
          handler({ findings }) {
            for (const { name, value } of findings) seen[name] = value
          },
        },
      },
    }),
  })
  return { plugin: plugin(), seen }
}
