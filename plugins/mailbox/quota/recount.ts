/**
 * `iems quota recount`: counts that are not what the messages add up to.
 */
import { type Command, type CommandOutput, defineCommand, escapeLine } from 'iems'
import * as z from 'zod'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { Drift, MailStoreApi } from '../store/api.ts'
import { poolOf, type QuotaLimits, TOTAL } from './limits.ts'
import { type Target, WHO } from './targets.ts'

const driftLine = (name: string, { mailbox, counted, actual }: Drift, repair: boolean): CommandOutput => ({
  text: `${escapeLine(mailbox === undefined ? name : `${name} ${mailbox}`)}: counted ${counted.octets} octets in ${counted.messages} messages, there are ${actual.octets} in ${actual.messages}${repair ? ' (repaired)' : ''}`,
  value: { name, ...(mailbox === undefined ? {} : { mailbox }), counted, actual },
})

interface Deps {
  readonly mail: MailStoreApi
  readonly accounts: AccountsApi
  readonly limits: QuotaLimits
}

export function recountCommand({ mail, accounts, limits }: Deps, targetOf: (name: string) => Promise<Target>): Command {
  async function* recount(name: string | undefined, repair: boolean): AsyncGenerator<CommandOutput> {
    let found = 0
    let counted = 0
    const chosen = name === undefined ? undefined : await targetOf(name)
    async function* driftOf({ kind, id, name }: Target): AsyncGenerator<CommandOutput> {
      const drift =
        kind === 'account'
          ? await mail.recount(id, { repair })
          : await mail.recountPool(kind === 'total' ? TOTAL : poolOf(id), { repair })
      counted++
      found += drift.length
      for (const one of drift) yield driftLine(name, one, repair)
    }
    if (chosen) yield* driftOf(chosen)
    else {
      const pools = new Set<string>()
      for await (const account of accounts.list()) {
        yield { progress: `${counted} counted, ${found} wrong: ${escapeLine(account.name)}` }
        yield* driftOf({ kind: 'account', id: account.id, name: account.name })
        for (const pool of await limits.poolsOf(account)) pools.add(pool.name)
      }
      for (const pool of pools)
        yield* driftOf(
          pool === TOTAL
            ? { kind: 'total', id: '', name: TOTAL }
            : { kind: 'domain', id: pool.slice(poolOf('').length), name: `@${pool.slice(poolOf('').length)}` },
        )
    }
    yield { text: `${counted} counted, ${found} wrong${found > 0 && !repair ? '; repair them with --repair' : ''}` }
  }

  return defineCommand({
    summary: 'count messages again, and show or repair counts that are wrong',
    arguments: ['[name]'],
    fields: z.strictObject({
      name: z.string().optional().describe(WHO),
      repair: z.boolean().default(false).describe('Put wrong counts right'),
    }),
    async *run({ values: { name, repair } }) {
      yield* recount(name, repair)
    },
  })
}
