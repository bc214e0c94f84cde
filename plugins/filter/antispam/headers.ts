/**
 * The `modify` tap: removes verdict fields of other systems and adds this server's.
 *
 * Invariants: incoming verdicts are removed from every message, even unchecked ones, because users' filters rely on
 * these fields.
 */
import type { HookContext, Message } from 'iems'
import type { Options } from './options.ts'
import type { Judged } from './score.ts'

/** Fields in which spam filters report to mail programs. */
const FORGED: readonly string[] = [
  'X-Spam',
  'X-Spam-Action',
  'X-Spam-Bar',
  'X-Spam-Checker-Version',
  'X-Spam-Flag',
  'X-Spam-Level',
  'X-Spam-Reason',
  'X-Spam-Report',
  'X-Spam-Score',
  'X-Spam-Status',
  'X-Spam-Symbols',
  'X-Spamd-Bar',
  'X-Spamd-Result',
  'X-Rspamd-Action',
  'X-Rspamd-Score',
]

export function createModify({ headers: when, thresholds }: Pick<Options, 'headers' | 'thresholds'>) {
  return function modify({ headers }: Message, { state, note }: HookContext): void {
    let forged = 0
    for (const name of FORGED) {
      const found = headers.get(name).length
      if (found === 0) continue
      forged += found
      headers.remove(name)
    }
    if (forged > 0) note('forged-spam-fields', forged)
    const { score, action = 'none', reasons = '' } = state as Partial<Judged>
    const isTagged = action !== 'none'
    if (score === undefined || when === 'never' || (when === 'tagged' && !isTagged)) return
    if (isTagged) headers.prepend('X-Spam-Flag', 'YES')
    headers.prepend('X-Spam-Score', `${score}`)
    headers.prepend(
      'X-Spam-Status',
      `${isTagged ? 'Yes' : 'No'}, score=${score} required=${thresholds.tag} tests=${reasons === '' ? 'none' : reasons}`,
    )
  }
}
