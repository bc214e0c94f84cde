/**
 * The `modify` tap: removes forged results and adds this server's.
 *
 * Invariants: forged fields are removed from every message, even those exempt from checks.
 */
import type { HookContext, Message } from 'iems'
import type { CheckState } from './check.ts'
import { prependResults, removeForged, resultsValue } from './results-header.ts'

export interface ModifyOptions {
  readonly authservId: string
  readonly ownIds: readonly string[]
  readonly receivedSpf: boolean
  readonly bimi: boolean
}

export function createModify({ authservId, ownIds, receivedSpf, bimi }: ModifyOptions) {
  const ids = [authservId, ...ownIds]

  return function modify({ headers, parameters }: Message, { state, note }: HookContext): void {
    const forged = removeForged(headers, ids)
    if (forged > 0) note('forged-results', forged)
    if (bimi) for (const name of ['BIMI-Location', 'BIMI-Indicator']) headers.remove(name)
    const found = state as Partial<CheckState>
    if (!found.rows) return
    const value = (text: string) => (parameters.smtpUtf8 ? text : text.replace(/[^\x20-\x7e]/g, '?'))
    if (found.bimi?.result === 'pass' && found.bimi.location) {
      const authority = found.bimi.authority === undefined ? '' : `; a=${found.bimi.authority}`
      headers.prepend('BIMI-Location', value(`v=BIMI1; l=${found.bimi.location}${authority}`))
    }
    if (receivedSpf && found.receivedSpf) headers.prepend('Received-SPF', value(found.receivedSpf))
    prependResults(headers, resultsValue(authservId, found.rows, parameters.smtpUtf8 === true))
  }
}
