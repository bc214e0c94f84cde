/**
 * Web administration: a browser application at `/admin/`, and the REST API below `/api/v1/` that it uses.
 *
 * Invariants: the application has no access of its own: everything it shows and does is a route of the API, for which
 * the server judges the login's role; the configuration stays the file.
 */
import { definePlugin } from 'iems'
import { Directory } from '../../directory/store/api.ts'
import { Lists } from '../../lists/api.ts'
import { MailStore } from '../../mailbox/store/api.ts'
import { APPLICATION_POLICY, applicationFolder } from '../app/api.ts'
import { Http, type HttpApi, Redirect } from '../http/api.ts'
import { Webmail } from '../mail/api.ts'
import { Admin } from './api.ts'
import { Audit } from './audit.ts'
import { FlowOfMail } from './flow.ts'
import { ApiKeys } from './keys.ts'
import { LastLogins } from './last-logins.ts'
import { options } from './options.ts'
import { addPages, Pages } from './pages.ts'
import { PeopleIndex } from './people-index.ts'
import { addCertificates } from './resources/certificates.ts'
import { addConfigurationCheck } from './resources/check.ts'
import { addCommands } from './resources/commands.ts'
import { addDirectory } from './resources/directory.ts'
import { addKeys } from './resources/keys.ts'
import { addLists } from './resources/lists.ts'
import { addOverview } from './resources/overview.ts'
import { addPackages } from './resources/packages.ts'
import { addQueue } from './resources/queue.ts'
import { addRemoved } from './resources/removed.ts'
import { addSystem } from './resources/system.ts'
import { addTasks } from './resources/tasks.ts'
import { addTrace } from './resources/trace.ts'
import { AdminRoutes } from './routes.ts'
import { Tasks } from './tasks.ts'

export * from './api.ts'

const MINUTE_MS = 60_000
const SWEEP_MS = 3_600_000

export const admin = definePlugin({
  name: 'admin',
  config: options,
  needs: [Http],
  wants: [Directory, MailStore, Lists, Webmail],
  offers: [Admin],
  records: {
    audit: { version: 1 },
    hour: { version: 1 },
    key: { version: 1 },
    task: { version: 1 },
    'last-login': { version: 1 },
  },
  setup(config, ctx) {
    const { store, clock, log, signals, hostname } = ctx
    const http = ctx.use(Http)
    const [directory, mail, lists] = [ctx.find(Directory), ctx.find(MailStore), ctx.find(Lists)]
    const tasks = new Tasks({ store, clock, log })
    const routes = new AdminRoutes(http, { administration: ctx.administration, networks: config.networks, tasks })
    const audit = new Audit({ store, clock, log })
    const flow = new FlowOfMail({ store, clock, writer: `${hostname}:${process.pid}:${clock.now()}` })
    const keys = new ApiKeys({ store, clock, signals })
    const people = directory && new PeopleIndex(directory, clock)
    const logins = new LastLogins({ store, clock })
    const pages = new Pages()
    ctx.offer(Admin, pages)
    ctx.find(Webmail)?.add('app', {
      name: 'admin',
      title: { en: 'Administration', de: 'Verwaltung' },
      path: '/admin/',
      who: 'status:read',
    })
    const features = [
      ...(directory ? ['directory'] : []),
      ...(lists ? ['lists'] : []),
      ...(config.configurationCheck ? ['configuration-check'] : []),
      ...(config.registry === undefined ? [] : ['registry']),
    ]
    addOverview({ routes, flow, hostname, people, mail, clock, features })
    addQueue(routes)
    addTrace(routes)
    addCommands(routes)
    addSystem(routes, audit)
    addTasks(routes, tasks)
    addCertificates(routes)
    addKeys(routes, { keys, audit })
    addPages(routes, pages, audit)
    addPackages(routes, { registry: config.registry, dns: ctx.dns })
    if (config.configurationCheck) addConfigurationCheck(routes, audit)
    if (directory && people) {
      addDirectory({ routes, directory, people, mail, audit, logins })
      addRemoved(routes, { directory, audit })
    }
    if (lists) addLists(routes, lists, audit)
    addApplication(http)
    ctx.repeat(MINUTE_MS, 'writing the numbers of mail', async () => {
      people?.sweep()
      await flow.write()
      await logins.write()
    })
    ctx.schedule({
      name: 'sweep',
      every: SWEEP_MS,
      async run(signal) {
        await audit.sweep(config.historyKeep, signal)
        await flow.sweep(config.flowKeep, signal)
        await tasks.sweep(signal)
      },
    })
    return {
      hooks: {
        ...keys.hooks(),
        event(event) {
          audit.take(event)
          flow.count(event)
          logins.take(event)
        },
      },
      started: () => http.origins('/admin').map((origin) => `Administration in the browser: ${origin}/admin/`),
      async close() {
        await tasks.close()
        await flow.write()
        await logins.write()
      },
    }
  },
})

function addApplication(http: HttpApi): void {
  http.page({
    path: '/admin',
    who: 'anyone',
    summary: 'Leads to the administration',
    run: () => new Redirect('/admin/'),
  })
  http.files({
    path: '/admin/',
    folder: applicationFolder('admin'),
    fallback: 'index.html',
    policy: APPLICATION_POLICY,
  })
}
