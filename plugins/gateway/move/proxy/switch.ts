/**
 * `iems move switch`: an account is brought up to date and served here from then on; `iems move places`.
 */
import { type Command, type CommandOutput, defineCommand, escapeLine, type SetupContext } from 'iems'
import * as z from 'zod'
import type { Account } from '../../../directory/static/api.ts'
import { accountOf } from '../commands/accounts.ts'
import { type MoveCommandDeps, type MoveHow, moveOne } from '../commands/imap.ts'
import type { SourceAccount } from '../sources/source.ts'
import { differencesIn } from '../transfer/report.ts'
import type { Places } from './places.ts'
import { Switching } from './proxy.ts'

export interface SwitchDeps extends Pick<MoveCommandDeps, 'store' | 'mail' | 'accounts'> {
  readonly ctx: SetupContext
  readonly places: Places
  open(account: Account, signal: AbortSignal): Promise<SourceAccount>
  /** Brings the account's Sieve scripts; absent when they are managed here already. */
  readonly takeScripts?: (account: Account) => AsyncIterable<CommandOutput>
}

/** Runs until nothing differs; mail that is being delivered there may come between two runs. */
const MAX_RUNS = 5
const STRAGGLERS_MS = 7 * 86_400_000

const fields = z.strictObject({
  accounts: z.array(z.string()).min(1).describe('accounts to be served here'),
  withoutMail: z.boolean().optional().describe('for accounts that have no mail on the old server'),
})

export function createSwitchCommand(deps: SwitchDeps): Command {
  return defineCommand({
    summary: 'bring accounts up to date and serve them here from now on',
    arguments: ['<accounts...>'],
    fields,
    async *run({ values, signal }) {
      for (const name of values.accounts) {
        signal.throwIfAborted()
        yield* switchOne(deps, await accountOf(deps.accounts, name), { signal, hasMail: !values.withoutMail })
      }
    },
  })
}

async function* switchOne(
  deps: SwitchDeps,
  account: Account,
  { signal, hasMail }: { readonly signal: AbortSignal; readonly hasMail: boolean },
): AsyncGenerator<CommandOutput> {
  const { places, ctx } = deps
  if ((await places.of(account.id)) === 'here') {
    yield { text: `${escapeLine(account.name)} is here already`, value: { account: account.name, place: 'here' } }
    return
  }
  const how: MoveHow = { keepsUids: true, isDry: false, signal }
  const run = () => moveOne(deps, { account: account.name }, how, () => deps.open(account, signal))
  // Most of it comes while the account is still in use.
  if (hasMail) yield* run()
  await places.set(account.id, 'switching')
  ctx.signals.publish(Switching, { account: account.id })
  try {
    for (let count = 1; hasMail; count++) {
      const report = yield* run()
      if (differencesIn(report) === 0) break
      if (count === MAX_RUNS) throw new Error(`${account.name} still differs after ${MAX_RUNS} runs; it stays there`)
    }
    if (deps.takeScripts) yield* deps.takeScripts(account)
    await places.set(account.id, 'here')
  } catch (cause) {
    await places.set(account.id, 'there')
    throw cause
  }
  yield { text: `${escapeLine(account.name)} is served here`, value: { account: account.name, place: 'here' } }
}

export function createPlacesCommand({ accounts, places }: Pick<SwitchDeps, 'accounts' | 'places'>): Command {
  return {
    summary: 'which accounts are served here, and which by the old server',
    async *run() {
      const counts = { there: 0, switching: 0, here: 0 }
      for await (const { id, name } of accounts.list()) {
        const place = await places.of(id)
        counts[place]++
        yield { text: `${place.padEnd(9)} ${escapeLine(name)}`, value: { account: name, place } }
      }
      yield { text: `${counts.here} here, ${counts.there} there, ${counts.switching} being switched`, value: counts }
    },
  }
}

/** Fetches mail that reached the old server after the switch of an account. */
export async function fetchStragglers(deps: SwitchDeps, signal: AbortSignal): Promise<void> {
  const { places, accounts, ctx } = deps
  for await (const id of places.switchedSince(ctx.clock.now() - STRAGGLERS_MS)) {
    signal.throwIfAborted()
    const account = await accounts.byId(id)
    if (!account) continue
    const how: MoveHow = { keepsUids: false, isDry: false, addsOnly: true, signal }
    try {
      for await (const _ of moveOne(deps, { account: account.name }, how, () => deps.open(account, signal)));
    } catch (cause) {
      ctx.log.warn('late mail of a switched account was not fetched', { account: account.name, cause })
    }
  }
}
