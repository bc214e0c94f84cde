/**
 * Attachments in every format: read into MIME parts on the way in, judged by rules, and written in the form that the far
 * side needs.
 *
 * Start reading at change.ts. Invariants: the content changes in `modify`, so DKIM signatures made at `dispatch` cover
 * what is sent; this file only wires.
 */
import { definePlugin, type HookContext, type ReadableMessage, refuse, type Verdict } from 'iems'
import { readStructure, structureProblem } from 'iems/mime'
import { Antivirus } from '../../filter/antivirus/api.ts'
import { Http } from '../../web/http/api.ts'
import { changeMessage } from './change.ts'
import { createCommands } from './commands.ts'
import { Links } from './links.ts'
import { type Options, options } from './options.ts'
import { Partials } from './partial.ts'
import { judge } from './policy.ts'
import { addRoutes } from './routes.ts'
import { nameOfPath } from './walk.ts'

const SWEEP_MS = 3_600_000
/** Reading archives and writing large messages takes time. */
const TIMEOUT_MS = 120_000

const UNREADABLE = refuse(554, '5.6.0', 'The MIME structure of this message cannot be read')

const structureOf = (message: ReadableMessage) => readStructure((range) => message.open(range), message.size)

export const attachments = definePlugin({
  name: 'attachments',
  config: options.prefault({}),
  wants: [Http, Antivirus],
  records: { link: { version: 1 }, fragment: { version: 1 } },
  setup(config, ctx) {
    const { store, contents, clock } = ctx
    const http = ctx.find(Http)
    const links = config.links && new Links({ store, contents, now: () => clock.now(), options: config.links })
    const linking = config.rules.find(({ action }) => action === 'link')
    if (linking && !links) throw new Error(`the rule ${linking.name} makes links: set the option links`)
    if (linking && !http)
      throw new Error(`the rule ${linking.name} makes links, which the http plugin serves: add http()`)
    if (links && http) addRoutes({ http, links, antivirus: ctx.find(Antivirus) })
    const partials =
      config.partial &&
      new Partials({
        store,
        contents,
        now: () => clock.now(),
        options: config.partial,
        openSession: (facts) => ctx.openSession(facts),
        submit: (message) => ctx.submit(message),
      })
    const hasVerdicts = config.rules.some(
      ({ action, ifSigned }) => action === 'refuse' || action === 'quarantine' || ifSigned !== 'leave',
    )
    return {
      hooks: {
        ...(hasVerdicts || partials || config.unreadable === 'refuse'
          ? {
              check: {
                timeout: TIMEOUT_MS,
                // Scanners of viruses cannot judge a fragment; they get the whole message.
                stage: partials ? ('first' as const) : ('normal' as const),
                handler: (message, { note }) => check(message, { config, partials }, note),
              },
            }
          : {}),
        modify: {
          timeout: TIMEOUT_MS,
          handler: (message, { note }) => changeMessage(message, { options: config, links }, note),
        },
      },
      commands: createCommands({ name: ctx.name, options: config, queue: ctx.queue, links }),
      listen() {
        if (partials) ctx.schedule({ name: 'fragments', every: SWEEP_MS, run: (signal) => partials.sweep(signal) })
        if (links) ctx.schedule({ name: 'links', every: SWEEP_MS, run: (signal) => links.sweep(signal) })
      },
    }
  },
})

async function check(
  message: ReadableMessage,
  { config, partials }: { readonly config: Options; readonly partials: Partials | undefined },
  note: HookContext['note'],
): Promise<Verdict | undefined> {
  const root = await structureOf(message)
  const problem = config.unreadable === 'refuse' && structureProblem(root, config.limits)
  if (problem) {
    note('attachments', `refused: ${problem.what} in part ${nameOfPath(problem.path)}`)
    return UNREADABLE
  }
  const taken = await partials?.take(message, root, (text) => note('attachments', text))
  return taken ?? judge(message, root, config, (text) => note('attachments-rule', text))
}
