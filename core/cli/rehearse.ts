/**
 * Sets a configuration up without ports and without its own records, to inspect the result.
 */
import type { Config } from '../runtime/config-schema.ts'
import { createKernel, type Kernel } from '../runtime/kernel.ts'
import { Listeners } from '../runtime/listeners.ts'
import { createLog } from '../runtime/log.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { memoryStore } from '../store/memory.ts'

/** Sets the whole configuration up without listening, and closes it again. */
export async function rehearse<T>(config: Config, look: (kernel: Kernel) => T): Promise<T> {
  const store = memoryStore()
  const log = createLog({ level: 'error', privacy: false, to: { write() {} } })
  try {
    const kernel = await createKernel({ config, store, ports: new Listeners(() => {}), clock: systemClock, log })
    const seen = look(kernel)
    await kernel.close(AbortSignal.timeout(5000))
    return seen
  } finally {
    await store.close()
  }
}
