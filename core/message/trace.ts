/**
 * The trace of a message: what each tap answered, found and changed, and the result of each delivery attempt.
 *
 * It is part of the message's and deliveries' records while they wait, and is kept as history afterwards. Invariants: a
 * trace is bounded, whatever the message goes through, and holds no content and no secret.
 */

import type { Clock } from '../api/clock.ts'
import type { Finding, Outcome, Recipient, Route, Session } from '../api/hooks.ts'
import { format } from '../api/reply.ts'
import type { HookRun } from '../api/run.ts'
import { wordsOf } from '../delivery/report-text.ts'

/** One run of a tap. */
export interface Step {
  readonly at: number
  readonly hook: string
  readonly plugin: string
  /** For hooks about a single recipient. */
  readonly recipient?: string
  readonly ms: number
  /** `refuse 550 5.7.1 …`, `quarantine: …`, `expanded to 3`, … */
  readonly verdict?: string
  readonly fault?: string
  /** The tap's change to the message: `header +120 octets`, `content 4096 → 4410 octets`. */
  readonly change?: string
}

/** The result of one attempt for one recipient. */
export interface RecipientResult {
  readonly address: string
  readonly status: Outcome['status'] | 'removed'
  /** The reply verbatim, in one line. */
  readonly reply: string
  /** The interpreted enhanced code: `5.1.1`. Absent in old records. */
  readonly enhanced?: string
  readonly remote?: string
}

export interface AttemptRecord {
  readonly at: number
  readonly ms: number
  readonly fates: readonly RecipientResult[]
  /** Steps of taps in this attempt, at `dispatch` and at the channel's hooks. */
  readonly steps?: readonly Step[]
}

/** The trace of one delivery. */
export interface DeliveryTrace {
  readonly number: number
  readonly channel: string
  readonly nexthop: string
  readonly attempts: readonly AttemptRecord[]
  /** Findings made at `dispatch` and by the channel. */
  readonly findings?: readonly Finding[]
  /** Absent once the delivery has finished. */
  readonly waiting?: { readonly recipients: readonly Recipient[]; readonly due?: number; readonly held?: string }
}

export interface MessageTrace {
  readonly id: string
  /** The reply, when the message was refused; there are then no deliveries. */
  readonly refused?: string
  /** Time of acceptance or refusal, ms since 1970. */
  readonly at: number
  readonly session: Session
  readonly from: string
  readonly recipients: readonly Recipient[]
  readonly size: number
  readonly priority: string
  readonly steps: readonly Step[]
  readonly findings: readonly Finding[]
  /** The message that this one was split from. */
  readonly splitFrom?: string
  readonly deliveries: readonly DeliveryTrace[]
  readonly finished: boolean
}

/** The first attempts explain how the failure began and the last its current state, so the middle is dropped. */
const ATTEMPTS_KEPT = 50
const STEPS_KEPT = 200
const FATES_KEPT = 100
const ATTEMPT_STEPS_KEPT = 20

export function withAttempt(
  attempts: readonly AttemptRecord[],
  { steps = [], ...next }: AttemptRecord,
): AttemptRecord[] {
  const bounded = {
    ...next,
    fates: next.fates.slice(0, FATES_KEPT),
    ...(steps.length > 0 ? { steps: steps.slice(0, ATTEMPT_STEPS_KEPT) } : {}),
  }
  return attempts.length < ATTEMPTS_KEPT
    ? [...attempts, bounded]
    : [...attempts.slice(0, 1), ...attempts.slice(2), bounded]
}

export function withStep(steps: readonly Step[], next: Step): readonly Step[] {
  return steps.length < STEPS_KEPT ? [...steps, next] : steps
}

export function resultOf({ recipient, status, reply, remote }: Outcome): RecipientResult {
  return {
    address: recipient.address,
    status,
    reply: wordsOf(reply),
    enhanced: reply.enhanced,
    ...(remote === undefined ? {} : { remote }),
  }
}

const addressOf = ({ address }: Recipient) => address

/** A tap's answer, abbreviated. */
export function verdictOf(answer: unknown): string {
  if (Array.isArray(answer)) {
    if (answer.every((one) => one?.kind === undefined)) return `expanded to ${answer.length}`
    const each = answer.map((one) => `${verdictOf(one)} for ${one.recipients?.map(addressOf).join(', ')}`)
    return each.join('; ').slice(0, 500)
  }
  const value = answer as {
    kind?: string
    reply?: Parameters<typeof format>[0]
    reason?: string
    route?: Route
  } & Partial<Route>
  if (value.channel !== undefined) return `route ${value.channel} ${value.nexthop}`
  const detail = value.reply
    ? ` ${format(value.reply)}`
    : value.reason
      ? `: ${value.reason}`
      : value.route
        ? ` to ${value.route.channel} ${value.route.nexthop}`
        : ''
  return `${value.kind ?? 'answered'}${detail}`.slice(0, 500)
}

// --- collecting ---------------------------------------------------------------------------

/** Collects the trace of one message on its way in, or of one delivery. */
export interface Trace {
  readonly run: HookRun
  readonly state: Record<string, Record<string, unknown>>
  findings: readonly Finding[]
  steps: readonly Step[]
  /** From here on each step also records what changed since the previous one. */
  watch(changes: () => string | undefined): void
}

export interface TraceStart {
  readonly clock: Clock
  readonly message?: string
  readonly from?: string
  readonly to?: string
  readonly findings?: readonly Finding[]
  readonly steps?: readonly Step[]
  readonly state?: Readonly<Record<string, Record<string, unknown>>>
}

/** Creates a hook run that fills a trace. */
export function createTrace(start: TraceStart): Trace {
  const { clock, message, from, to } = start
  let changes: (() => string | undefined) | undefined
  const trace: Trace = {
    // Each trace has its own state; structuredClone is not free even for an empty object.
    state: start.state && Object.keys(start.state).length > 0 ? structuredClone(start.state) : {},
    findings: start.findings ?? [],
    steps: start.steps ?? [],
    watch(next) {
      changes = next
    },
    run: {
      ...(message === undefined ? {} : { message }),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      box(plugin) {
        trace.state[plugin] ??= {}
        return trace.state[plugin]
      },
      note(plugin, name, value) {
        if (trace.findings.length < STEPS_KEPT) trace.findings = [...trace.findings, { plugin, name, value }]
      },
      step({ hook, plugin, recipient, ms, answer, fault }) {
        const change = changes?.()
        trace.steps = withStep(trace.steps, {
          at: clock.now(),
          hook,
          plugin,
          ...(recipient === undefined ? {} : { recipient }),
          ms,
          ...(answer === undefined ? {} : { verdict: verdictOf(answer) }),
          ...(fault === undefined ? {} : { fault }),
          ...(change === undefined ? {} : { change }),
        })
      },
    },
  }
  return trace
}
