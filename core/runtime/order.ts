/**
 * The order of taps: by stage, then as configured, then by `before`.
 *
 * tapable's own ordering is not used: it puts a tap with an unknown `before` first.
 */
import { IemsError } from '../api/errors.ts'
import type { Stage } from '../api/plugin.ts'
import type { HookRun } from '../api/run.ts'
import type { BearerDiscovery } from '../auth/sasl/exchange.ts'
import type { CredentialMechanism } from '../auth/sasl/mechanisms.ts'
export const STAGES: readonly Stage[] = ['first', 'early', 'normal', 'late', 'last']

export interface Tap {
  readonly plugin: string
  readonly stage: Stage
  readonly before?: string | undefined
  readonly mechanisms: readonly CredentialMechanism[]
  readonly discovery?: BearerDiscovery | undefined
  /** Whether it runs for clients and messages of that channel. */
  readonly hears: (channel: string) => boolean
  readonly run: (subject: any, run: HookRun) => unknown
}

/** Orders by stage, then configuration, then `before`. Reports absent names to `warn`. */
export function inOrder<T extends Pick<Tap, 'plugin' | 'stage' | 'before'>>(
  hook: string,
  taps: readonly T[],
  warn: (text: string) => void,
): T[] {
  const order = [...taps].sort((a, b) => STAGES.indexOf(a.stage) - STAGES.indexOf(b.stage))
  const place = (plugin: string | undefined) => order.findIndex((tap) => tap.plugin === plugin)
  for (const tap of taps) {
    if (tap.before === undefined) continue
    if (place(tap.before) < 0) warn(`${tap.plugin} wants to run before ${tap.before} in ${hook}, which is not here`)
    else if (order.indexOf(tap) > place(tap.before)) {
      order.splice(order.indexOf(tap), 1)
      order.splice(place(tap.before), 0, tap)
    }
  }
  const broken = order.find((tap) => place(tap.before) >= 0 && order.indexOf(tap) > place(tap.before))
  if (broken) throw new IemsError('IEMS_ORDER_IMPOSSIBLE', { plugin: broken.plugin, before: broken.before, hook })
  return order
}
