/**
 * How much an account may hold, and whether it does.
 */
import type { AccountLimits, Usage } from './api.ts'

export type Limits = Pick<AccountLimits, 'octets' | 'messages'>

export const NO_LIMITS: Limits = { octets: null, messages: null }

/** Whether usage with something more is beyond the limits. */
export function isOver(usage: Usage, limits: Limits, more: Usage = { octets: 0, messages: 0 }): boolean {
  return (
    (limits.octets !== null && usage.octets + more.octets > limits.octets) ||
    (limits.messages !== null && usage.messages + more.messages > limits.messages)
  )
}

/** Whether something is larger than the whole account may be. */
export const neverFits = ({ octets }: Limits, size: number): boolean => octets !== null && size > octets
