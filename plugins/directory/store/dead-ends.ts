/**
 * Finds dangling entries: aliases, groups, forwards and catch-alls whose mail would be refused.
 *
 * Invariants: it uses the functions that expand mail, and no other plugin; it terminates for any entries.
 */
import { format, type Refusal, refuse } from 'iems'
import type { DirectoryApi, Entry } from './api.ts'
import { nameOfEntry } from './entry-view.ts'
import type { MailRouting } from './mail-routing.ts'
import { foldAddress } from './records.ts'

const LOOP = refuse(550, '5.4.6', 'This address leads back to itself')
/** Maximum levels of aliases. */
const DEPTH = 16

/** The refusal of mail for an address; undefined when it reaches a mailbox or leaves the directory. */
async function whyNowhere(flow: MailRouting, address: string): Promise<Refusal | undefined> {
  const seen = new Set([foldAddress(address)])
  let refusal: Refusal | undefined
  let level = [address]
  for (let depth = 0; level.length > 0 && depth <= DEPTH; depth++) {
    const next: string[] = []
    for (const to of level) {
      const answer = await flow.expand({ address: to, original: to })
      const no = answer === undefined ? await flow.deadEnd(to) : 'kind' in answer ? answer : undefined
      if (answer === undefined && !no) return undefined
      refusal ??= no
      for (const one of answer && !('kind' in answer) ? answer : []) {
        const name = foldAddress(one.address)
        if (name === foldAddress(to)) return undefined
        if (!seen.has(name)) next.push(one.address)
        seen.add(name)
      }
    }
    level = next
  }
  return refusal ?? LOOP
}

/** An address of an entry that redirects mail; undefined for other entries. */
function probeOf(entry: Entry): string | undefined {
  switch (entry.kind) {
    case 'alias':
      return entry.match.replaceAll('*', 'x')
    case 'group':
      return entry.addresses[0]
    case 'account':
      return entry.forward && !entry.forward.keep && entry.status !== 'disabled' ? entry.addresses[0] : undefined
    case 'domain':
      return entry.catchAll
    default:
      return undefined
  }
}

async function isCircle(service: DirectoryApi, start: string): Promise<boolean> {
  const seen = new Set([start])
  for (let name: string | undefined = start; name !== undefined; ) {
    name = (await service.byName('domain', name))?.aliasOf
    if (name !== undefined && seen.has(name)) return true
    if (name !== undefined) seen.add(name)
  }
  return false
}

/** Yields a line for each dangling entry. */
export async function* deadEnds(service: DirectoryApi, flow: MailRouting): AsyncGenerator<string> {
  for await (const entry of service.all(['alias', 'group', 'account', 'domain'])) {
    const called = `${entry.kind} ${nameOfEntry(entry)}`
    const probe = probeOf(entry)
    const refusal = probe === undefined ? undefined : await whyNowhere(flow, probe)
    if (refusal) yield `${called} leads nowhere: ${format(refusal.reply)}`
    if (entry.kind === 'domain' && entry.aliasOf !== undefined && (await isCircle(service, entry.name)))
      yield `${called} leads nowhere: ${format(LOOP.reply)}`
  }
}
