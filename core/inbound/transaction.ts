/**
 * A session's mail transaction, and the trace it leaves when every recipient was refused.
 */
import type { MailParameters, Priority, Recipient, Routed, Session } from '../api/hooks.ts'
import type { Reply } from '../api/reply.ts'
import type { Trace } from '../message/trace.ts'
import type { RefusedRecord } from '../queue/refusals.ts'
import { mayRelay } from './resolve.ts'

/** Maximum refused recipients in a trace. */
const MAX_REFUSED = 100

export interface Transaction {
  readonly id: string
  readonly from: string
  readonly parameters: MailParameters
  readonly recipients: Routed[]
  /** The recipients that each RCPT resolved to. */
  readonly each: (readonly Routed[])[]
  readonly trace: Trace
  readonly refused: Recipient[]
  /** The last reply to a refused recipient. */
  refusal?: Reply
}

export type Begun = Pick<Transaction, 'id' | 'from' | 'parameters' | 'trace'>

export const newTransaction = (begun: Begun): Transaction => ({ ...begun, recipients: [], each: [], refused: [] })

export function noteRefused(transaction: Transaction, to: Recipient, reply: Reply): void {
  if (transaction.refused.length < MAX_REFUSED) transaction.refused.push(to)
  transaction.refusal = reply
}

type Refused = Pick<RefusedRecord, 'id' | 'from' | 'recipients' | 'size' | 'steps' | 'findings' | 'refused'>

/** The trace of a transaction that ended because every recipient was refused. */
export function refusedTransaction({ recipients, refusal, ...ended }: Transaction): Refused | undefined {
  if (!refusal || recipients.length > 0) return undefined
  const { id, from, refused, trace } = ended
  return { id, from, recipients: refused, size: 0, steps: trace.steps, findings: trace.findings, refused: refusal }
}

/** RFC 6710 priorities apply only to clients that may relay: otherwise every sender could be urgent. */
export function priorityOf(session: Session, { mtPriority = 0 }: MailParameters, wished?: Priority): Priority {
  if (wished && (wished !== 'urgent' || mayRelay(session))) return wished
  if (mtPriority > 0 && mayRelay(session)) return 'urgent'
  return mtPriority < 0 ? 'bulk' : 'normal'
}
