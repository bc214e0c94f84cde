/**
 * Shadow mode: another configuration examines the same messages as the running one, and the messages whose fate it
 * would change are recorded, before it is switched on.
 *
 * This file only wires; start reading at comparison.ts.
 */
import {
  below,
  type Command,
  counted,
  decodeRecord,
  definePlugin,
  encodeRecord,
  escapeLine,
  key,
  type ReadableMessage,
  type SetupContext,
} from 'iems'
import { type Changed, Comparison, type Counts } from './comparison.ts'
import { options } from './options.ts'

const DAY_MS = 86_400_000
/** Records removed in one commit. */
const BATCH = 1000

interface Kept extends Changed {
  readonly v: 1
  readonly at: number
}

export const shadow = definePlugin({
  name: 'shadow',
  config: options,
  records: { changed: { version: 1 } },
  setup(config, ctx) {
    const { rehearse, store, clock, log } = ctx
    // A rehearsed configuration has no shadow of its own.
    if (!rehearse) return {}
    const counts = ctx.lasting('counts', (): Counts & { since: number } => ({
      since: clock.now(),
      compared: 0,
      changed: 0,
      skipped: 0,
      failed: 0,
    }))
    let number = 0
    const comparison = new Comparison({
      fields: config.fields,
      maxWaiting: config.waiting,
      counts,
      rehearse: () => rehearse(config.config),
      async changed(one) {
        const at = clock.now()
        await store.commit([
          { put: key('changed', at, ++number, one.message), value: encodeRecord({ v: 1, at, ...one }) },
        ])
      },
      failed: (cause) => log.warn('the shadow failed', { cause }),
    })
    ctx.schedule({ name: 'sweep', every: DAY_MS, run: () => forget(ctx, clock.now() - config.keep) })
    return {
      hooks: {
        check: {
          stage: 'first',
          handler: (message) => begin(message, { comparison, counts, maxSize: config.size }),
        },
        queued: (message) => comparison.accepted(message),
        event: (event) => comparison.heard(event),
      },
      commands: {
        'shadow report': reportCommand(ctx, counts, comparison),
        'shadow clear': clearCommand(ctx, counts),
      },
      health: () =>
        comparison.problem === undefined
          ? []
          : [
              {
                id: 'shadow',
                text: `the shadow fails: ${comparison.problem}`,
                cure: `see ${config.config}`,
                isGrave: false,
              },
            ],
      /** The shadow's configuration may have changed. */
      async refresh() {
        await comparison.renew()
        return true
      },
      close: () => comparison.close(),
    }
  },
})

interface Beginning {
  readonly comparison: Comparison
  readonly counts: Counts
  readonly maxSize: number
}

async function begin(message: ReadableMessage, { comparison, counts, maxSize }: Beginning): Promise<void> {
  if (message.size > maxSize || comparison.isFull) return void counts.skipped++
  const content = Buffer.concat(await Array.fromAsync(message.open()))
  const { id, session, from, parameters } = message
  const recipients = [...new Set(message.recipients.map(({ original }) => original))]
  const [subject = ''] = message.headers.get('subject')
  comparison.begin({ id, session, from, parameters, recipients, content: withoutTrace(content), subject })
}

const clearCommand = (ctx: SetupContext, counts: Counts & { since: number }): Command => ({
  summary: 'forget the changed fates and begin to count again',
  async *run() {
    const removed = await forget(ctx, Number.MAX_SAFE_INTEGER)
    Object.assign(counts, { since: ctx.clock.now(), compared: 0, changed: 0, skipped: 0, failed: 0 })
    yield { text: `${counted(removed, 'message')} forgotten`, value: { removed } }
  },
})

/** The Received field that this server has added; the shadow sees the message as the client sent it. */
function withoutTrace(content: Buffer): Buffer {
  if (!/^received:/i.test(content.toString('latin1', 0, 9))) return content
  const end = /\r\n(?![ \t])/.exec(content.toString('latin1', 0, 8192))
  return end ? content.subarray(end.index + 2) : content
}

async function forget({ store }: SetupContext, before: number): Promise<number> {
  let gone: { del: Uint8Array }[] = []
  let count = 0
  for await (const [at] of store.scan({ from: key('changed'), to: key('changed', before) })) {
    gone.push({ del: at })
    count++
    if (gone.length < BATCH) continue
    await store.commit(gone)
    gone = []
  }
  if (gone.length > 0) await store.commit(gone)
  return count
}

function reportCommand({ store }: SetupContext, counts: Counts & { since: number }, comparison: Comparison): Command {
  return {
    summary: 'messages whose fate the shadow configuration would change',
    async *run() {
      await comparison.settled()
      const kinds = new Map<string, number>()
      for await (const [, value] of store.scan(below('changed'))) {
        const { at, message, from, to, subject, here, shadow } = decodeRecord<Kept>(value)
        const change = `${here.what} → ${shadow.what}`
        kinds.set(change, (kinds.get(change) ?? 0) + 1)
        const recipients = here.what === shadow.what ? ` (for ${here.recipients} → ${shadow.recipients})` : ''
        yield {
          text: `${new Date(at).toISOString()} ${message} <${escapeLine(from)}> ${escapeLine(subject)}: ${escapeLine(change + recipients)}`,
          value: { at, message, from, to, subject, here, shadow },
        }
      }
      for (const [change, count] of kinds) yield { text: `${count} × ${escapeLine(change)}`, value: { change, count } }
      yield {
        text: `${counts.changed} of ${counted(counts.compared, 'message')} since ${new Date(counts.since).toISOString()} would have changed fate; ${counts.skipped} not compared, ${counts.failed} failed in the shadow`,
        value: counts,
      }
    },
  }
}
