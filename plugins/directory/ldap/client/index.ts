/**
 * Accounts and groups from an LDAP server or Active Directory.
 *
 * This file assembles the parts; start reading at mail-routing.ts, then source.ts.
 */
import { type Command, definePlugin, readAuthorities } from 'iems'
import { Accounts, authorizeOwn, refuseForeignAuthors } from '../../static/api.ts'
import { LdapAccounts } from './accounts.ts'
import { type ServerAddress, serverAddress } from './address.ts'
import { createCache } from './cache.ts'
import { Connection, Unreachable } from './connection.ts'
import { LdapMailRouting } from './mail-routing.ts'
import { mappingOf, options } from './options.ts'
import { Pool } from './pool.ts'
import { Source } from './source.ts'

export const ldapClient = definePlugin({
  name: 'ldap-client',
  config: options,
  offers: [Accounts],
  async setup(config, ctx) {
    ctx.routesTo(config.channel)
    const { clock, log } = ctx
    const { timeouts, messageSize, entries, bindDn } = config
    const servers = config.servers.map((url) => serverAddress(url, config.startTls))
    const limits = { ...timeouts, messageSize, entries }
    const { ca: path, servername } = config.tls
    const ca = path === undefined ? undefined : await readAuthorities(path)
    const tls = {
      ...(ca === undefined ? {} : { ca }),
      ...(servername === undefined ? {} : { servername }),
    }
    const common = { servers, size: config.connections, limits, rest: timeouts.rest, clock, log }
    const open = (server: ServerAddress) => Connection.open(server, tls, limits)
    const logins = new Pool({ ...common, open })
    const searches = new Pool({
      ...common,
      async open(server) {
        const connection = await open(server)
        const password = config.password?.reveal() ?? ''
        if (bindDn === '' || (await connection.bind(bindDn, password).catch(() => undefined))) return connection
        connection.close()
        throw new Unreachable('the server does not take bindDn with its password')
      },
    })
    const mapping = mappingOf(config)
    const source = new Source({
      mapping,
      cached: createCache(config.cache, clock),
      search: (search) => searches.use((connection) => connection.search(search)),
      members: config.members,
    })
    const flow = new LdapMailRouting({
      ...config,
      source,
      base: mapping.accounts.base,
      isRight: (dn, password) => logins.use((connection) => connection.bind(dn, password)),
    })
    const accounts = new LdapAccounts(flow, source)
    ctx.offer(Accounts, accounts)
    return {
      refresh: async () => path === undefined || (await readAuthorities(path)) === ca,
      hooks: {
        auth: (attempt) => flow.auth(attempt),
        authorize: (wish) => authorizeOwn(accounts, wish),
        reidentify: ({ identity }) => flow.reidentify(identity),
        mail: ({ from, session }) => (config.ownAddress ? flow.mail(from, session) : undefined),
        check: (message) =>
          config.ownAuthor
            ? refuseForeignAuthors(message, (id, address) => accounts.maySendAs(id, address))
            : undefined,
        rcpt: ({ to }) => flow.rcpt(to.address),
        expand: ({ to }) => flow.expand(to),
        route: ({ to }) => flow.route(to.address),
      },
      backends: () => searches.backends(),
      commands: { 'ldap lookup': lookupCommand(source) },
      close() {
        logins.close()
        searches.close()
      },
    }
  },
})

/** A command with which administrators check the mapping. */
function lookupCommand(source: Source): Command {
  return {
    summary: 'what the LDAP server says of a login or an address',
    arguments: ['<login>'],
    async *run({ arguments: [login = ''] }) {
      const account = (await source.byLogin(login)) ?? (await source.byAddress(login))
      const found = account ?? (await source.groupByAddress(login))
      if (!found) throw new Error(`The LDAP server knows no account or group ${login}`)
      const groups = account ? { groups: await source.groupsOf(account.dn) } : {}
      const value = { ...found, ...groups }
      const text = Object.entries(value).map(([name, one]) => `${name}: ${[one].flat().join(', ')}`)
      yield { text: text.join('\n'), value }
    },
  }
}
