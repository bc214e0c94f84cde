/*
 * What the plugins of protection cost, alone, together, and together in two threads.
 */
import type { Scope } from 'iems/testing'
import { median, percent, spread } from './figures.ts'
import { measureProtection, measureRspamd, PROTECTIONS, type SeenProtection, TWO_WORKERS } from './protection.ts'

interface Report {
  readonly rounds: number
  readonly messages: number
  readonly say: (text?: string) => void
  readonly scoped: <T>(run: (scope: Scope) => Promise<T>) => Promise<T>
}

export async function reportProtection({ rounds, messages, say, scoped }: Report) {
  say('\nprotection: strangers’ messages, DKIM-signed, taken in and relayed; the DNS answers at once')
  const seen = new Map<string, SeenProtection[]>(PROTECTIONS.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++)
    for (const name of PROTECTIONS)
      seen.get(name)?.push(await scoped((scope) => measureProtection(scope, name, messages)))
  const bare = median((seen.get('none') ?? []).map(({ cpu }) => cpu))
  const bareRates = (seen.get('none') ?? []).map(({ perSecond }) => perSecond)
  for (const [name, runs] of seen) {
    const rates = runs.map(({ perSecond }) => perSecond)
    const cost = median(runs.map(({ cpu }) => cpu)) - bare
    const share = median(rates.map((rate, round) => rate / (bareRates[round] ?? Number.NaN)))
    const aim = name === 'all' ? ' (aim 50 %)' : name === TWO_WORKERS ? ratioToOneWorker(seen) : ''
    const than =
      name === 'none'
        ? `${bare.toFixed(0)} µs of processor each`
        : `${cost.toFixed(0)} µs more, ${(100 * share).toFixed(0)} % of the bare rate${aim}`
    const busy = percent(runs.map((run) => run.busy))
    say(`  ${name.padEnd(17)}${spread(rates, 0)} messages/s   ${than}; machine ${busy} busy`)
  }
  const rspamd = await scoped((scope) => measureRspamd(scope, 500))
  if (rspamd !== undefined)
    say(`  Rspamd, asked about the same message one at a time, with next to no rules: ${(rspamd * 1000).toFixed(0)} µs`)
  return { seen: Object.fromEntries(seen), rspamd }
}

function ratioToOneWorker(seen: ReadonlyMap<string, readonly SeenProtection[]>): string {
  const one = seen.get('all') ?? []
  const two = seen.get(TWO_WORKERS) ?? []
  const ratio = median(two.map(({ perSecond }, round) => perSecond / (one[round]?.perSecond ?? Number.NaN)))
  return `, ${ratio.toFixed(2)} × one worker (aim 1.6)`
}
