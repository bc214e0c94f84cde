/**
 * A channel through which a test comes in as any client, without a socket; and who looks at what was found.
 */
import { type ConnectionInfo, definePlugin, type PluginEntry, type ServerSession } from 'iems'
import * as z from 'zod'

export interface Entrance {
  /** Stands under any name among the channels. */
  readonly channel: PluginEntry
  /** Only once the kernel listens. */
  open(facts: ConnectionInfo): ServerSession
}

export function createEntrance(trusts: readonly string[] = []): Entrance {
  let open: Entrance['open'] = () => {
    throw new Error('nobody listens yet')
  }
  const plugin = definePlugin({
    name: 'entrance',
    config: z.undefined(),
    setup: (_, ctx) => ({
      listen() {
        open = ctx.openSession
      },
    }),
  })
  return { channel: plugin(undefined, { trusts: [...trusts] }), open: (facts) => open(facts) }
}

/** Remembers the findings of a message when all checks have passed. */
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
