/**
 * Reasons, their total score, and the action by its thresholds.
 */

/** One piece of evidence against a message or, if negative, for it. */
export interface Reason {
  /** `list:zen.example`, `spf=fail`, `rule:lottery`, … */
  readonly name: string
  readonly score: number
  /** Its subject, if other than the client. */
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

/** Each list once: ten links to one spammer's domain, which is also the sender's, are one reason. */
export function maxOf(reasons: readonly Reason[]): Reason[] {
  const most = new Map<string, Reason>()
  for (const reason of reasons) {
    const known = most.get(reason.name)
    if (!known || Math.abs(reason.score) > Math.abs(known.score)) most.set(reason.name, reason)
  }
  return [...most.values()]
}

/** Rounded to a hundredth, so that decimal fractions do not miss a threshold. */
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

/** Maximum reasons reported for one message. */
const MOST = 50

/** `list:zen.example=3 spf=fail=2`, largest first. */
export function reasonsText(reasons: readonly Reason[]): string {
  return [...reasons]
    .sort((a, b) => Math.abs(b.score) - Math.abs(a.score))
    .slice(0, MOST)
    .map(
      ({ name, score, about }) => `${name}${about === undefined ? '' : `(${about})`}=${Math.round(score * 100) / 100}`,
    )
    .join(' ')
    .replace(/[^\x20-\x7e]/g, '?')
}

/** Passed from `check` to `modify`. */
export interface Judged {
  readonly score: number
  readonly action: Action
  readonly reasons: string
}
