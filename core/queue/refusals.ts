/**
 * Traces of refused messages: short, in the history, for `iems message show`.
 *
 * Invariants: a trace holds no content; a flood of refusals cannot fill the store; a trace that fails to be written
 * affects no message and delays no reply.
 */

import type { Clock } from '../api/clock.ts'
import type { Finding, Priority, Recipient, Session } from '../api/hooks.ts'
import type { Reply } from '../api/reply.ts'
import type { Step } from '../message/trace.ts'
import type { Emit } from '../runtime/log.ts'
import type { Store } from '../store/store.ts'
import { encode, historyKey } from './records.ts'

/** The history record of a refused message. */
export interface RefusedRecord {
  readonly v: 1
  readonly id: string
  readonly at: number
  readonly session: Session
  readonly from: string
  readonly recipients: readonly Recipient[]
  readonly priority: Priority
  /** Octets received. */
  readonly size: number
  readonly steps: readonly Step[]
  readonly findings: readonly Finding[]
  readonly subject?: string
  readonly messageId?: string
  readonly refused: Reply
}

export type RememberRefusal = (refused: Omit<RefusedRecord, 'v' | 'at'>) => void

export interface RefusalsDeps {
  readonly store: Store
  readonly clock: Clock
  readonly emit: Emit
  /** How long finished messages stay in the history, in ms; 0 keeps none. */
  readonly historyMs: number
}

const HOUR_MS = 3_600_000
/**
 * Maximum traces per hour; further refusals appear only in the log. Refused recipients are counted apart from messages.
 */
const PER_HOUR = 2000
const RECIPIENTS_KEPT = 100
const STEPS_KEPT = 50

export function createRefusals({ store, clock, emit, historyMs }: RefusalsDeps): RememberRefusal {
  let hour = 0
  let written = 0
  return (refused) => {
    const at = clock.now()
    if (Math.floor(at / HOUR_MS) !== hour) {
      hour = Math.floor(at / HOUR_MS)
      written = 0
    }
    if (historyMs === 0 || ++written > PER_HOUR) return
    const record: RefusedRecord = {
      v: 1,
      at,
      ...refused,
      recipients: refused.recipients.slice(0, RECIPIENTS_KEPT),
      steps: refused.steps.slice(-STEPS_KEPT),
    }
    write(record).catch((cause: unknown) => emit('store.failing', { message: refused.id, cause }))
  }

  async function write(record: RefusedRecord): Promise<void> {
    await store.commit([{ put: historyKey(record.id, 0), value: encode(record) }])
  }
}
