/**
 * The administered object for a kernel without a server, as in tests and rehearsals.
 */

import type { Clock } from '../api/clock.ts'
import { IemsError } from '../api/errors.ts'
import type { SharedQueue } from '../queue/queue.ts'
import type { Store } from '../store/store.ts'
import type { Administered, AdministeredKernel } from './administration.ts'

interface LoneKernel extends AdministeredKernel {
  readonly clock: Clock
  readonly store: Store
  readonly sharedQueue: SharedQueue
  sessionCount(): number
}

export function alone(kernel: LoneKernel): Administered {
  const since = kernel.clock.now()
  const refused = async () => {
    throw new IemsError('IEMS_CONTROL_REFUSED', { why: 'There is no server around this kernel' })
  }
  return {
    kernel,
    store: kernel.store,
    since,
    kernels: () => [
      {
        since,
        state: 'running',
        sessions: kernel.sessionCount(),
        deliveries: kernel.sharedQueue.activeCount(),
      },
    ],
    reload: refused,
    stop: refused,
  }
}
