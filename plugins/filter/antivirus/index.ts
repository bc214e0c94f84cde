/**
 * Virus protection: clamd scans every message before it is accepted, and again on an administrator's request.
 *
 * This file assembles the parts; start reading at check.ts and scan.ts.
 */
import { definePlugin } from 'iems'
import { Accounts } from '../../directory/static/api.ts'
import { MailStore } from '../../mailbox/store/api.ts'
import { Admin } from '../../web/admin/api.ts'
import { Antivirus } from './api.ts'
import { bounce, createCheck, createModify, dispatch } from './check.ts'
import { createCommands } from './commands.ts'
import { MailboxQuarantine } from './mailbox-quarantine.ts'
import { options } from './options.ts'
import { addQuarantinePage } from './page.ts'
import { createRescan, type Stored } from './rescan.ts'
import { createScan } from './scan.ts'
import { createServers } from './servers.ts'

const SWEEP_MS = 3_600_000
/** Time for reading the message, in addition to clamd's. */
const READING_MS = 60_000
/** Maximum streams of decoded files. */
const VOLUMES = 7

export const antivirus = definePlugin({
  name: 'antivirus',
  config: options,
  wants: [Accounts, Admin, MailStore],
  offers: [Antivirus],
  setup(config, ctx) {
    const { clock, log, queue, contents, store } = ctx
    const servers = createServers({ options: config, now: clock.now, log })
    const scan = createScan({ options: config, servers, now: clock.now })
    ctx.offer(Antivirus, { scan: (file) => scan.file(file) })
    const mail = ctx.find(MailStore)
    const accounts = ctx.find(Accounts)
    const stored: Stored | undefined =
      mail && accounts
        ? { mail, accounts, taken: new MailboxQuarantine({ store, contents, clock, mail, accounts }) }
        : undefined
    const rescan = createRescan({ scan, queue, log, stored, concurrency: config.concurrency })
    const admin = ctx.find(Admin)
    if (stored && admin) addQuarantinePage(admin, ctx.name, stored)
    if (stored)
      ctx.schedule({ name: 'sweep', every: SWEEP_MS, run: () => stored.taken.sweep(clock.now() - config.keep) })
    // Two admissions; the version, the whole message, the missed parts, the decoded files and the probe, for each
    // server.
    const questions = 2 + (4 + VOLUMES) * config.servers.length
    return {
      hooks: {
        // Includes messages that other plugins hold, because people may release them.
        check: {
          handler: createCheck(config, scan),
          stage: 'early',
          timeout: READING_MS + questions * config.timeout,
        },
        modify: { handler: createModify(config, ctx.hostname), stage: 'late' },
        dispatch: { handler: dispatch, stage: 'first' },
        bounce,
      },
      backends: servers.backends,
      commands: createCommands({
        name: ctx.name,
        options: config,
        scan,
        servers,
        rescan,
        stored,
        contents,
        queue,
        clock,
      }),
    }
  },
})
