/**
 * The `modify` tap: removes forged results and adds this server's.
 *
 * Invariants: forged fields are removed from every message, even those exempt from checks.
 */
import type { HookContext, Message } from 'iems'
import type { Told } from './check.ts'
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
    const told = state as Partial<Told>
    if (!told.rows) return
    const value = (text: string) => (parameters.smtpUtf8 ? text : text.replace(/[^\x20-\x7e]/g, '?'))
    if (told.bimi?.result === 'pass' && told.bimi.location) {
      const authority = told.bimi.authority === undefined ? '' : `; a=${told.bimi.authority}`
      headers.prepend('BIMI-Location', value(`v=BIMI1; l=${told.bimi.location}${authority}`))
    }
    if (receivedSpf && told.receivedSpf) headers.prepend('Received-SPF', value(told.receivedSpf))
    prependResults(headers, resultsValue(authservId, told.rows, parameters.smtpUtf8 === true))
  }
}
