/**
 * Which problems have been reported, so that each is reported once when it begins and once when it has ended.
 *
 * Pure: a state, the problems of now, the time; out come the next state and what to report. A problem that goes and
 * comes back before its end was reported is the same problem.
 */
import type { Problem } from 'iems'

export interface Entry {
  readonly text: string
  readonly isGrave: boolean
  /** Ms since 1970. */
  readonly since: number
  readonly isReported: boolean
}
export type Ledger = Readonly<Record<string, Entry>>

export interface Report {
  readonly begun: readonly Problem[]
  /** Texts of problems that have ended, with the time they began. */
  readonly ended: readonly Pick<Entry, 'text' | 'since'>[]
}

export interface Moment {
  readonly now: number
  /** Ms that a problem must last. */
  readonly after: number
  readonly isQuiet: boolean
}

export function review(
  ledger: Ledger,
  problems: readonly Problem[],
  { now, after, isQuiet }: Moment,
): { readonly ledger: Ledger; readonly report: Report } {
  const next: Record<string, Entry> = {}
  const begun: Problem[] = []
  for (const problem of problems) {
    const { id, text, isGrave } = problem
    const known = ledger[id]
    const since = known?.since ?? now
    const isDue = known?.isReported !== true && now - since >= after && (isGrave || !isQuiet)
    if (isDue) begun.push(problem)
    next[id] = { text, isGrave, since, isReported: isDue || known?.isReported === true }
  }
  const ended: Entry[] = []
  for (const [id, entry] of Object.entries(ledger)) {
    if (next[id] || !entry.isReported) continue
    if (isQuiet && !entry.isGrave) next[id] = entry
    else ended.push(entry)
  }
  return { ledger: next, report: { begun, ended: ended.map(({ text, since }) => ({ text, since })) } }
}
