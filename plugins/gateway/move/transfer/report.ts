/**
 * The report of one account's move: what was on both sides, what changed, and what was refused.
 */
import { counted, escapeLine } from 'iems'

/** Refused messages that are listed one by one. */
const MAX_LISTED = 1000

export interface MoveReport {
  readonly account: string
  readonly source: string
  readonly folders: number
  /** In the source. */
  readonly messages: number
  readonly filed: number
  /** Octets of what was filed. */
  readonly octets: number
  /** Filed by a run that was ended. */
  readonly recovered: number
  readonly already: number
  readonly flagged: number
  /** They have gone from the source since an earlier run. */
  readonly removed: number
  readonly subscriptions: number
  /** Messages that did not get the UID of the source, though asked for. */
  readonly otherUids: number
  /** Folders whose mailbox here had assigned UIDs of its own. */
  readonly otherFolders: readonly string[]
  readonly refused: readonly { readonly folder: string; readonly id: string; readonly why: string }[]
  readonly refusedCount: number
  readonly problems: readonly string[]
}

export class MoveCounts {
  folders = 0
  messages = 0
  filed = 0
  octets = 0
  recovered = 0
  already = 0
  flagged = 0
  removed = 0
  subscriptions = 0
  otherUids = 0
  readonly otherFolders: string[] = []
  refusedCount = 0
  readonly refused: { folder: string; id: string; why: string }[] = []
  readonly problems: string[] = []

  refuse(folder: string, id: string, why: string): void {
    this.refusedCount++
    if (this.refused.length < MAX_LISTED) this.refused.push({ folder, id, why })
  }

  report(account: string, source: string): MoveReport {
    return { account, source, ...this }
  }
}

/** Things that differed when the run began. */
export const differencesIn = (report: MoveReport): number =>
  report.filed + report.flagged + report.removed + report.subscriptions + report.refusedCount + report.problems.length

const SHOWN = 20

export function describe(report: MoveReport, isDry: boolean): string {
  const { filed, already, flagged, removed, subscriptions, recovered, otherUids, refused, refusedCount } = report
  const would = isDry ? ' (nothing has been changed)' : ''
  return [
    `${escapeLine(report.account)} from ${escapeLine(report.source)}: ${counted(report.folders, 'folder')}, ${counted(report.messages, 'message')}`,
    differencesIn(report) === 0
      ? `  nothing differs${would}`
      : `  ${filed} filed, ${already} were there, ${flagged} with other flags, ${removed} removed, ${counted(subscriptions, 'subscription')} changed${would}`,
    ...(recovered > 0 ? [`  ${recovered} filed by an earlier run that was ended`] : []),
    ...(otherUids > 0 ? [`  ${otherUids} could not keep their UID`] : []),
    ...report.otherFolders.map((path) => `  ${escapeLine(path)} has UIDs of its own: clients fetch it again`),
    ...refused
      .slice(0, SHOWN)
      .map(({ folder, id, why }) => `  ! ${escapeLine(folder)} ${escapeLine(id)}: ${escapeLine(why)}`),
    ...(refusedCount > SHOWN ? [`  ! ${refusedCount - SHOWN} more were refused (--json lists them)`] : []),
    ...report.problems.slice(0, SHOWN).map((why) => `  ! ${escapeLine(why)}`),
  ].join('\n')
}
