/**
 * Self-service for account holders: a browser application at /account/ and its API.
 *
 * Invariants: every route acts on the login's own account; secrets and forwards need a factor that was shown lately;
 * account holders change nothing that the administrator has not allowed.
 */
import { definePlugin } from 'iems'
import { Accounts } from '../../directory/static/api.ts'
import { Directory } from '../../directory/store/api.ts'
import { ClientSettings } from '../../domain/clients/api.ts'
import { Mailsort } from '../../mailbox/mailsort/api.ts'
import { MailStore } from '../../mailbox/store/api.ts'
import { APPLICATION_POLICY, applicationFolder } from '../app/api.ts'
import { Http, Redirect } from '../http/api.ts'
import { Contacts } from '../jmap/api.ts'
import { Webmail } from '../mail/api.ts'
import { addAddressRoutes } from './addresses.ts'
import { OwnAliases } from './aliases.ts'
import { addExport } from './export.ts'
import { options } from './options.ts'
import { addSecretRoutes } from './secrets.ts'
import { addShown } from './shown.ts'

export const account = definePlugin({
  name: 'account',
  config: options,
  needs: [Http, Accounts, MailStore],
  wants: [Directory, Mailsort, Contacts, ClientSettings, Webmail],
  records: { alias: { version: 1 } },
  setup(config, ctx) {
    const http = ctx.use(Http)
    const directory = ctx.find(Directory)
    const accounts = ctx.use(Accounts)
    const aliases = new OwnAliases(ctx.store)
    const clients = ctx.find(ClientSettings)
    addShown(http, { accounts, directory, aliases, clients, config, hostname: ctx.hostname })
    ctx.find(Webmail)?.add('app', {
      name: 'account',
      title: { en: 'Password and devices', de: 'Passwort und Geräte' },
      path: '/account/',
    })
    if (directory) {
      addSecretRoutes(http, directory)
      addAddressRoutes(http, { directory, aliases, config })
    }
    addExport(http, {
      accounts,
      directory,
      mail: ctx.use(MailStore),
      mailsort: ctx.find(Mailsort),
      contacts: ctx.find(Contacts),
    })
    http.page({
      path: '/account',
      who: 'anyone',
      summary: 'Leads to the account',
      run: () => new Redirect('/account/'),
    })
    http.files({
      path: '/account/',
      folder: applicationFolder('account'),
      fallback: 'index.html',
      policy: APPLICATION_POLICY,
    })
    return {}
  },
})
