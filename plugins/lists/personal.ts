/**
 * Fields for one member: the way to leave the list with one click (RFC 8058). They are added as each delivery leaves, so
 * that all members share one content; signatures, which come last, cover them.
 */
import type { Delivery } from 'iems'
import { readingsOf, roleAddress } from './records.ts'
import type { Roster } from './roster.ts'

export interface PersonalDeps {
  readonly name: string
  readonly roster: Roster
  readonly site: string | undefined
}

export function createPersonalFields({ name, roster, site }: PersonalDeps) {
  return async function addFields(delivery: Delivery): Promise<undefined> {
    const { session } = delivery.message
    if (session.protocol !== 'LOCAL' || session.channel !== name || site === undefined) return
    const returnPath = readingsOf(delivery.from).find(({ role }) => role === 'bounces')
    if (!returnPath || returnPath.detail === '') return
    const found = await roster.byToken(returnPath.detail)
    // Letters of the list have no List-Unsubscribe field: a probe's token names no member.
    if (!found || delivery.recipients.length !== 1) return
    const { list, member } = found
    const leave = `mailto:${roleAddress(list.address, 'leave')}`
    delivery.headers.remove('List-Unsubscribe')
    delivery.headers.prepend('List-Unsubscribe-Post', 'List-Unsubscribe=One-Click')
    delivery.headers.prepend('List-Unsubscribe', `<${site}/lists/unsubscribe/${member.token}>, <${leave}>`)
  }
}
