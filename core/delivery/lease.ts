/**
 * Renews the lease of an active delivery, and aborts the delivery when the lease is lost.
 */
import { IemsError } from '../api/errors.ts'
import type { Job } from '../queue/state.ts'
import type { DelivererDeps } from './deps.ts'

/** Renews the lease every half lease time until the returned function is called. */
export function keepLease(
  { clock, queue, settings, emit, channel }: DelivererDeps,
  job: Job,
  cut: AbortController,
): () => void {
  let cancel: () => void = () => {}
  let stopped = false
  const schedule = () => {
    cancel = clock.after(settings.leaseMs / 2, () => {
      queue.renew(job, settings.leaseMs).then(
        (held) => {
          if (stopped) return
          if (held) schedule()
          else cut.abort(new IemsError('IEMS_CLOSED'))
        },
        (cause: unknown) => emit('kernel.fault', { channel, message: job.record.id, cause }),
      )
    })
  }
  schedule()
  return () => {
    stopped = true
    cancel()
  }
}
