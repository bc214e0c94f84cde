/**
 * Rules for mail at delivery: Sieve scripts of accounts and administrators, vacation, notifications.
 *
 * This file only wires; start reading at filing.ts, and in sieve/ for the engine.
 */
import { definePlugin } from 'iems'
import { Accounts } from '../../directory/static/api.ts'
import { Directory } from '../../directory/store/api.ts'
import { Contacts, Jmap } from '../../web/jmap/api.ts'
import { MailStore } from '../store/api.ts'
import { AddressLists } from './address-lists.ts'
import { Mailsort } from './api.ts'
import { createCommands } from './commands.ts'
import { createEvents } from './events.ts'
import { createFiling } from './filing.ts'
import { addSieveScripts } from './jmap/scripts.ts'
import { addVacation } from './jmap/vacation.ts'
import { Memory } from './memory.ts'
import { options } from './options.ts'
import { Programs } from './programs.ts'
import { Scripts } from './scripts.ts'
import { createService } from './service.ts'

export * from './api.ts'

const SWEEP_EVERY_MS = 3_600_000

export const mailsort = definePlugin({
  name: 'mailsort',
  config: options,
  offers: [Mailsort],
  needs: [Accounts, MailStore],
  wants: [Contacts, Directory, Jmap],
  records: { script: { version: 1 }, noted: { version: 1 } },
  setup(config, ctx) {
    const now = () => ctx.clock.now()
    const [accounts, mail] = [ctx.use(Accounts), ctx.use(MailStore)]
    const programs = new Programs({ hasEvents: config.imapEvents })
    const scripts = new Scripts({ store: ctx.store, limits: config.limits, now })
    const memory = new Memory(ctx.store, now)
    const lists = new AddressLists({ accounts, contacts: ctx.find(Contacts), directory: ctx.find(Directory) })
    const deps = { lists, accounts, mail, scripts, programs, memory, options: config, now, ...ctx }
    const service = createService(deps)
    ctx.offer(Mailsort, service)
    const jmap = ctx.find(Jmap)
    if (jmap) {
      addSieveScripts(jmap, service)
      addVacation(jmap, service)
    }
    ctx.schedule({ name: 'sweep', every: SWEEP_EVERY_MS, run: () => memory.sweep() })
    return {
      hooks: {
        'mailstore:filing': createFiling(deps),
        ...(config.imapEvents ? { 'imap:changed': createEvents(deps) } : {}),
      },
      commands: createCommands(deps),
    }
  },
})
