/**
 * Alerts: sends the problems of `iems status` to administrators by mail and webhook, once when a problem begins and
 * once when it has ended.
 *
 * Invariants: alerts do not depend on the queue; the ledger is a record, so that reloads, restarts and several workers
 * report nothing twice; while the store cannot be written, the plugin uses the ledger in memory; an alert that cannot
 * be sent is tried again at the next check.
 */
import { decodeRecord, definePlugin, encodeRecord, isWithin, key, type Problem, type SetupContext, SUPPORT } from 'iems'
import { type Ledger, type Report, review } from './ledger.ts'
import { type Options, options } from './options.ts'
import { type Alert, createSenders } from './senders.ts'

export const alerts = definePlugin({
  name: 'alerts',
  config: options,
  records: { ledger: { version: 1 } },
  setup(config, ctx) {
    const watch = new Watch(config, ctx)
    ctx.repeat(config.every, 'looking for problems', () => watch.look())
    return {
      commands: {
        'alerts test': {
          summary: 'sends a test alert to every recipient and webhook',
          run: () => watch.test(),
        },
      },
    }
  },
})

class Watch {
  readonly #options: Options
  readonly #ctx: SetupContext
  readonly #senders: ReturnType<typeof createSenders>
  /** Alerts that still have to be sent, by sender. */
  readonly #unsent = new Map<string, Alert[]>()
  #memory: Ledger = {}

  constructor(options: Options, ctx: SetupContext) {
    this.#options = options
    this.#ctx = ctx
    this.#senders = createSenders({ options, hostname: ctx.hostname, dns: ctx.dns })
  }

  async look(): Promise<void> {
    const { administration, clock, log, name } = this.#ctx
    await this.#sendAgain()
    const { problems } = await administration.as({ user: name, roles: [SUPPORT] }).status()
    const { after, quiet = [] } = this.#options
    const moment = { now: clock.now(), after, isQuiet: isWithin(quiet, clock.now()) }
    const report = await this.#record(problems, moment)
    if (!report || (report.begun.length === 0 && report.ended.length === 0)) return
    log.info(`${report.begun.length} problems reported, ${report.ended.length} reported as ended`)
    await this.#send(alertOf(report, this.#ctx.hostname, moment.now))
  }

  async *test() {
    const { hostname, clock } = this.#ctx
    const report = {
      begun: [{ id: 'test', text: 'This is a test', cure: 'Nothing to do.', isGrave: false }],
      ended: [],
    }
    for (const { name, send } of this.#senders) {
      yield await send(alertOf(report, hostname, clock.now())).then(
        () => ({ text: `${name}: sent` }),
        (cause: Error) => ({ text: `${name}: ${cause.message}` }),
      )
    }
  }

  /** The report of this check; undefined when another kernel of this server has recorded the same moment. */
  async #record(problems: readonly Problem[], moment: Parameters<typeof review>[2]): Promise<Report | undefined> {
    const { store, hostname } = this.#ctx
    const at = key('ledger', hostname)
    try {
      const stored = await store.get(at)
      const before = stored ? decodeRecord<Ledger>(stored) : {}
      const { ledger, report } = review(before, problems, moment)
      this.#memory = ledger
      const value = encodeRecord(ledger)
      if (stored && Buffer.from(stored).equals(value)) return undefined
      const isOurs = await store.commit([{ put: at, value }], [{ key: at, is: stored ?? 'absent' }])
      return isOurs ? report : undefined
    } catch {
      // The store itself may be the problem.
      const { ledger, report } = review(this.#memory, problems, moment)
      this.#memory = ledger
      return report
    }
  }

  async #send(alert: Alert): Promise<void> {
    await Promise.all(this.#senders.map(({ name }) => this.#sendBy(name, [alert])))
  }

  async #sendAgain(): Promise<void> {
    const waiting = [...this.#unsent]
    this.#unsent.clear()
    await Promise.all(waiting.map(([name, alerts]) => this.#sendBy(name, alerts)))
  }

  async #sendBy(name: string, alerts: readonly Alert[]): Promise<void> {
    const way = this.#senders.find((one) => one.name === name)
    for (const [index, alert] of alerts.entries()) {
      try {
        await way?.send(alert)
      } catch (cause) {
        this.#ctx.log.warn(`an alert could not be sent by ${name}: ${String(cause)}`)
        this.#unsent.set(name, alerts.slice(index).slice(-MAX_UNSENT))
        return
      }
    }
  }
}

/** Alerts that wait for one sender; the oldest are dropped. */
const MAX_UNSENT = 20

function alertOf({ begun, ended }: Report, hostname: string, now: number): Alert {
  const [first] = begun.toSorted((a, b) => Number(b.isGrave) - Number(a.isGrave))
  const more = begun.length > 1 ? ` and ${begun.length - 1} more` : ''
  const title = first ? `${first.text}${more}` : `in order again: ${ended[0]?.text ?? ''}`
  const lines = [
    ...begun.flatMap(({ text, cure, isGrave }) => [`${isGrave ? 'GRAVE: ' : ''}${text}`, `  ${cure}`, '']),
    ...ended.map(({ text, since }) => `Ended: ${text} (since ${new Date(since).toISOString()})`),
  ]
  return {
    subject: `[${hostname}] ${title}`.replace(/[\r\n\t]+/g, ' ').slice(0, 200),
    text: `${lines.join('\n').trim()}\n\nThis is what iems status says on ${hostname}.\n`,
    value: { v: 1, hostname, at: now, begun, ended },
  }
}
