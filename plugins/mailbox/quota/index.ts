/**
 * Quotas: limits of accounts, mailboxes, domains and the server, warnings at thresholds, and reports of usage.
 *
 * Invariants: the mail store counts and enforces; this plugin defines the limits and notifies people.
 */
import { definePlugin, type SetupContext } from 'iems'
import { Accounts } from '../../directory/static/api.ts'
import { MailStore } from '../store/api.ts'
import { createActivity, FLUSH_MS } from './activity.ts'
import { Quotas } from './api.ts'
import { createCommands, setLimit } from './commands.ts'
import { createDaily, DAY_MS } from './daily.ts'
import { Flow } from './flow.ts'
import { createQuotaLimits } from './limits.ts'
import { createPost, type Post } from './mail.ts'
import { type Options, options } from './options.ts'
import { type Collect, createCollect } from './report/collect.ts'
import { writeReport } from './report/write.ts'
import { createReview } from './review.ts'

export * from './api.ts'

const START_MS = 10_000

export const quota = definePlugin({
  name: 'quota',
  config: options,
  needs: [MailStore, Accounts],
  offers: [Quotas],
  records: {
    limit: { version: 1 },
    over: { version: 1 },
    warned: { version: 1 },
    seen: { version: 1 },
    mark: { version: 1 },
    day: { version: 1 },
    flow: { version: 1 },
  },
  setup(config, ctx) {
    const { store, log } = ctx
    const now = () => ctx.clock.now()
    const mail = ctx.use(MailStore)
    const accounts = ctx.use(Accounts)
    const limits = createQuotaLimits({ store, accounts, options: config, now })
    const post = createPost(ctx)
    const review = createReview({ store, mail, accounts, options: config, limits, post, now })
    const activity = createActivity(store, accounts)
    const flow = new Flow(store)
    const daily = createDaily({ store, mail, accounts, log, now, review })
    const { language, at: thresholds } = config.warnings
    const collect = createCollect({
      store,
      mail,
      accounts,
      options: config.report,
      near: Math.min(100, ...thresholds),
      now,
    })
    const collectNow: Collect = async (domain) => {
      await flow.flush()
      return collect(domain)
    }
    ctx.offer(Quotas, { set: (account, given) => setLimit(store, { kind: 'account', id: account }, given) })
    ctx.repeat(FLUSH_MS, 'noting logins', activity.flush)
    ctx.repeat(FLUSH_MS, 'noting deliveries', () => flow.flush())
    ctx.schedule({ name: 'daily', every: DAY_MS, first: START_MS, run: daily })
    scheduleReports(ctx, config, { collect: collectNow, post })
    return {
      hooks: {
        'mailstore:limits': limits.limitsOf,
        'mailstore:usage': ({ account, after }) => review(account, after),
        event(event) {
          activity.note(event)
          flow.note(event)
        },
      },
      commands: createCommands({ store, mail, accounts, limits, collect: collectNow, language }),
    }
  },
})

function scheduleReports(
  ctx: SetupContext,
  { report, warnings: { language } }: Options,
  { collect, post }: { readonly collect: Collect; readonly post: Post },
): void {
  const wanted = [[undefined, report.to] as const, ...Object.entries(report.domains)].filter(([, to]) => to.length > 0)
  if (wanted.length === 0) return
  async function run(signal: AbortSignal): Promise<void> {
    const day = Math.floor(ctx.clock.now() / DAY_MS)
    for (const [domain, addresses] of wanted) {
      if (signal.aborted) return
      const written = writeReport(await collect(domain), language)
      const letter = {
        subject: written.title,
        text: written.text(),
        html: { name: 'quota.html', content: written.html() },
      }
      for (const to of addresses) await post({ to, ...letter, once: `report ${domain ?? ''} ${day} ${to}` })
    }
  }
  ctx.schedule({ name: 'report', every: report.every, run })
}
