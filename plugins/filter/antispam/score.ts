/**
 * Reasons and what they come to: one score, and the action that its thresholds ask for.
 */

/** One thing that speaks against a message, or for it (below zero). */
export interface Reason {
  /** `list:zen.example`, `spf=fail`, `rule:lottery`, … */
  readonly name: string
  readonly score: number
  /** What it was found in, where that is not the client. */
  readonly about?: string
  /** One sentence for people. */
  readonly says?: string
}

export type Action = 'none' | 'tag' | 'junk' | 'quarantine' | 'refuse'

export const ACTIONS: readonly Action[] = ['none', 'tag', 'junk', 'quarantine', 'refuse']

export interface Thresholds {
  readonly tag: number
  readonly junk: number
  readonly quarantine?: number | undefined
  readonly refuse?: number | undefined
}

/** Each list once: ten links to one spammer, who is the sender too, are one reason. */
export function maxOf(reasons: readonly Reason[]): Reason[] {
  const most = new Map<string, Reason>()
  for (const reason of reasons) {
    const known = most.get(reason.name)
    if (!known || Math.abs(reason.score) > Math.abs(known.score)) most.set(reason.name, reason)
  }
  return [...most.values()]
}

/** To a hundredth: sums of decimal fractions otherwise miss a threshold by nothing. */
export function sum(reasons: readonly Reason[]): number {
  return Math.round(reasons.reduce((all, { score }) => all + score, 0) * 100) / 100
}

export function actionFor(score: number, thresholds: Thresholds): Action {
  const strongest = ACTIONS.toReversed().find((action) => {
    if (action === 'none') return true
    const from = thresholds[action]
    return from !== undefined && score >= from
  })
  return strongest ?? 'none'
}

export function stronger(a: Action, b: Action): Action {
  return ACTIONS.indexOf(a) >= ACTIONS.indexOf(b) ? a : b
}

/** Reasons that are told of one message. */
const MOST = 50

/** `list:zen.example=3 spf=fail=2`, the weightiest first. */
export function tell(reasons: readonly Reason[]): string {
  return [...reasons]
    .sort((a, b) => Math.abs(b.score) - Math.abs(a.score))
    .slice(0, MOST)
    .map(
      ({ name, score, about }) => `${name}${about === undefined ? '' : `(${about})`}=${Math.round(score * 100) / 100}`,
    )
    .join(' ')
    .replace(/[^\x20-\x7e]/g, '?')
}

/** What `check` leaves for `modify`. */
export interface Judged {
  readonly score: number
  readonly action: Action
  readonly reasons: string
}
