/**
 * Sets another configuration up beside the running one, to examine messages with it.
 *
 * Invariants: it reads the running server's records and changes none of them; it opens no listener, runs no job and
 * delivers nothing. Plugins that call other servers, such as scanners, call them for it as well.
 */
import type { Rehearsal } from '../api/rehearsal.ts'
import type { Reply } from '../api/reply.ts'
import { overlayStore } from '../store/overlay.ts'
import { loadConfig } from './config.ts'
import { createKernel } from './kernel.ts'
import type { KernelDeps } from './kernel-deps.ts'
import { Listeners } from './listeners.ts'

/** Records that a rehearsal keeps in memory. */
const MAX_CHANGES = 100_000

type Surroundings = Pick<KernelDeps, 'store' | 'clock' | 'log'>

/** Sets the configuration of a file up. Throws what a start with it would throw. */
export async function createRehearsal(path: string, { store, clock, log }: Surroundings): Promise<Rehearsal> {
  const config = await loadConfig(path)
  const overlay = overlayStore(store, { maxChanges: MAX_CHANGES })
  const kernel = await createKernel({ config, store: overlay, ports: new Listeners(() => {}), clock, log })
  return {
    async examine({ session: facts, from, parameters, recipients, content }) {
      const { channel, helo, identity, protocol, remote, local, tls, submission, brings } = facts
      const session = kernel.openSession(channel, {
        protocol,
        remote,
        submission,
        brings,
        ...(local ? { local } : {}),
        ...(tls ? { tls } : {}),
      })
      try {
        session.update({ ...(helo === undefined ? {} : { helo }), ...(identity ? { identity } : {}) })
        const refusal = (await session.connect()) ?? (await session.mail(from, parameters))
        if (refusal) return { refused: refusal.reply }
        const refusedBefore: { address: string; reply: Reply }[] = []
        for (const address of recipients) {
          const refusal = await session.rcpt({ address })
          if (refusal) refusedBefore.push({ address, reply: refusal.reply })
        }
        const [first] = refusedBefore
        if (first && refusedBefore.length === recipients.length) return { refused: first.reply }
        return await session.examine(once(content), async ({ verdict, refused, messages }) => ({
          verdict,
          refused,
          refusedBefore,
          messages: await Promise.all(
            messages.map(async (one) => ({
              recipients: one.recipients.map(({ address }) => address),
              content: Buffer.concat(await Array.fromAsync(one.open())),
            })),
          ),
        }))
      } finally {
        session.close()
      }
    },
    async close() {
      await kernel.close(AbortSignal.timeout(CLOSE_MS))
      await overlay.close()
    },
  }
}

const CLOSE_MS = 5000

async function* once(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content
}
