/**
 * The first answer to the application: the account, the rights of its holder, and the servers for mail programs.
 */
import type { AccountsApi } from '../../directory/static/api.ts'
import type { DirectoryApi } from '../../directory/store/api.ts'
import type { ClientSettingsApi } from '../../domain/clients/api.ts'
import { type HttpApi, HttpProblem } from '../http/api.ts'
import type { OwnAliases } from './aliases.ts'
import type { Options } from './options.ts'
import { ownId } from './own.ts'

export interface ShownDeps {
  readonly accounts: AccountsApi
  readonly directory: DirectoryApi | undefined
  readonly aliases: OwnAliases
  readonly clients: ClientSettingsApi | undefined
  readonly config: Options
  readonly hostname: string
}

export function addShown(http: HttpApi, deps: ShownDeps): void {
  http.route({
    method: 'GET',
    path: '/api/account',
    who: 'user',
    summary: 'Shows the account of the login and what its holder may change',
    async run({ login }) {
      const id = ownId(login)
      const account = await deps.accounts.byId(id)
      if (!account) throw new HttpProblem(404, 'There is no such account')
      const { name, addresses, displayName } = account
      return {
        // An export is a download, for which a page cannot see the refusal.
        isFresh: login.isFresh,
        ...{ id, name, addresses, displayName: displayName ?? name },
        ...(await changeable(deps, id)),
        // Null: nothing here makes profiles for Apple's devices.
        profile: deps.clients && addresses[0] !== undefined ? deps.clients.profilePath(addresses[0]) : null,
        servers: { imap: serverOf(deps, 'imap'), smtp: serverOf(deps, 'smtp') },
      }
    },
  })
}

/** The plugin clients knows the servers where it is present. */
function serverOf({ clients, config, hostname }: ShownDeps, kind: 'imap' | 'smtp') {
  const known = clients?.servers().find(({ protocol }) => protocol === kind)
  const { host = hostname, port, security } = known ?? config.servers[kind]
  return { host, port, security }
}

/** Without a directory that can be changed: nothing. */
async function changeable({ directory, aliases, config }: ShownDeps, id: string) {
  const entry = await directory?.byId(id)
  if (!directory || entry?.kind !== 'account') return { secrets: null, forward: null, aliases: null }
  return {
    secrets: { hasPassword: entry.hasPassword, hasTotp: await directory.hasTotp(id) },
    forward: config.forwarding === 'none' ? null : { to: entry.forward?.to ?? [], keep: entry.forward?.keep ?? true },
    aliases:
      config.aliases.domains.length === 0
        ? null
        : { own: await aliases.of(id), domains: config.aliases.domains, max: config.aliases.max },
  }
}
