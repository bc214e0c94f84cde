/**
 * Moving in: accounts of other mail systems brought into mailboxes here, as often as it takes until nothing differs, and
 * served from the old server until they are switched.
 *
 * This file only wires; start reading at sources/source.ts, then transfer/account-move.ts and proxy/proxy.ts.
 */
import { type Command, definePlugin, type SetupContext, type Taps } from 'iems'
import { type Account, Accounts } from '../../directory/static/api.ts'
import { Directory } from '../../directory/store/api.ts'
import { Mailsort } from '../../mailbox/mailsort/api.ts'
import { MailStore } from '../../mailbox/store/api.ts'
import { OldServer } from './api.ts'
import { masterLogin } from './commands/accounts.ts'
import { createFileCommands } from './commands/files.ts'
import { createImapCommand } from './commands/imap.ts'
import { createSieveCommand, takeScripts } from './commands/sieve.ts'
import { type Options, options, type Proxy as ProxyOptions, type Server } from './options.ts'
import { authThere } from './proxy/logins.ts'
import { Places } from './proxy/places.ts'
import { MoveProxy } from './proxy/proxy.ts'
import { scriptsThere } from './proxy/sieve.ts'
import { createPlacesCommand, createSwitchCommand, fetchStragglers, type SwitchDeps } from './proxy/switch.ts'
import { openImapSource } from './sources/imap.ts'
import { createSystemCommands } from './systems/command.ts'

const STRAGGLERS_MS = 600_000

export const move = definePlugin({
  name: 'move',
  config: options.prefault({}),
  needs: [Accounts, MailStore],
  wants: [Directory, Mailsort],
  offers: [OldServer],
  records: { filed: { version: 1 }, intention: { version: 1 }, place: { version: 1 } },
  setup(config, ctx) {
    const deps = { store: ctx.store, mail: ctx.use(MailStore), accounts: ctx.use(Accounts) }
    const [directory, mailsort] = [ctx.find(Directory), ctx.find(Mailsort)]
    const places = new Places(ctx.store, ctx.clock.now)
    const isHere = async (account: string) => config.proxy !== undefined && (await places.of(account)) === 'here'
    const commands = {
      'move imap': createImapCommand({ ...deps, server: config.server, isHere }),
      ...createFileCommands(deps, config),
      ...(directory ? createSystemCommands(directory) : {}),
      ...(mailsort ? { 'move sieve': createSieveCommand(deps.accounts, mailsort) } : {}),
    }
    const { server, proxy } = proxied(config) ?? {}
    if (!server || !proxy) {
      ctx.offer(OldServer, { sessionOf: async () => undefined })
      return { commands }
    }
    const login = (account: Account) => masterLogin(server, account)
    const sieve = proxy.sieve && { ...server, ...proxy.sieve }
    const switching: SwitchDeps = {
      ...deps,
      ctx,
      places,
      open: (account, signal) => openImapSource(server, login(account), signal),
      ...(sieve && mailsort
        ? {
            async *takeScripts(account) {
              yield* takeScripts(mailsort, account.id, await scriptsThere(sieve, login(account)), false)
            },
          }
        : {}),
    }
    ctx.schedule({ name: 'stragglers', every: STRAGGLERS_MS, run: (signal) => fetchStragglers(switching, signal) })
    return {
      commands: { ...commands, ...proxyCommands(switching) },
      hooks: proxyHooks(ctx, { server, proxy, places }),
    }
  },
})

function proxied({ server, proxy }: Options): { server: Server; proxy: ProxyOptions } | undefined {
  if (!proxy) return undefined
  if (!server?.master) throw new Error('the option proxy needs server and server.master')
  return { server, proxy }
}

const proxyCommands = (switching: SwitchDeps): Readonly<Record<string, Command>> => ({
  'move switch': createSwitchCommand(switching),
  'move places': createPlacesCommand(switching),
})

function proxyHooks(
  ctx: SetupContext,
  { server, proxy, places }: { readonly server: Server; readonly proxy: ProxyOptions; readonly places: Places },
): Taps {
  const accounts = ctx.use(Accounts)
  const directory = ctx.find(Directory)
  const { log } = ctx
  const served = new MoveProxy({ ctx, accounts, places, server, proxy })
  ctx.offer(OldServer, served)
  ctx.routesTo(proxy.delivery.channel)
  return {
    route: { stage: 'early', handler: ({ to }) => served.route(to) },
    dispatch: (delivery) => served.dispatch(delivery),
    ...(directory && proxy.learn
      ? {
          auth: {
            stage: 'late',
            handler: (attempt) => authThere({ accounts, directory, server, log }, attempt),
            mechanisms: ['PLAIN'],
          },
        }
      : {}),
  }
}
