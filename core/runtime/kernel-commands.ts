/**
 * The kernel's own commands: components, metrics, plugins and configuration. They call the administration service in
 * the name of their caller.
 */
import * as z from 'zod'
import { type Administration, type AdministrationService, SUPPORT } from '../api/administration.ts'
import { type Command, type CommandCall, type CommandOutput, defineCommand } from '../api/command.ts'
import type { ComponentStatus } from '../api/component.ts'
import type { MetricSeries, MetricStatus } from '../api/metrics.ts'
import { type BackedUp, backupCommand } from './backup-command.ts'
import type { Lasting } from './lasting.ts'
import { watchCommands } from './watch-commands.ts'

const component = z.object({
  name: z.string().describe('Plugin and component'),
  plugin: z.string(),
  kind: z.enum(['listener', 'delivery', 'job', 'background']),
  state: z.enum(['running', 'stopped', 'draining', 'failed']),
  why: z.string().optional().describe('Why it failed'),
  since: z.number().describe('Since when it has been in this state, ms since 1970'),
})
const named = z.strictObject({ name: z.string().describe('A component, as `iems component list` names it') })
const nothing = z.strictObject({})

function lineOf(one: ComponentStatus): CommandOutput<ComponentStatus> {
  const { name, kind, state, why, since } = one
  const reason = why === undefined ? '' : `: ${why}`
  return { text: `${name}  ${kind}  ${state} since ${new Date(since).toISOString()}${reason}`, value: one }
}

const labelsOf = ({ labels }: MetricSeries) =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(',')

function* linesOf({ name, kind, series }: MetricStatus): Generator<CommandOutput> {
  for (const one of series) {
    const labels = labelsOf(one)
    const rest = one.count === undefined ? '' : ` (${one.count} values)`
    const text = `${name}${labels === '' ? '' : `{${labels}}`} ${one.value}${rest}`
    yield { text, value: { name, kind, ...one } }
  }
}

function componentCommands(of: (call: CommandCall) => Administration): Readonly<Record<string, Command>> {
  return {
    'component list': defineCommand({
      summary: 'listeners, deliveries, jobs and background work, and whether they run',
      fields: nothing,
      row: component,
      roles: [SUPPORT],
      async *run(call) {
        for (const one of of(call).components()) yield lineOf(one)
      },
    }),
    'component show': defineCommand({
      summary: 'one component',
      arguments: ['<name>'],
      fields: named,
      row: component,
      roles: [SUPPORT],
      async *run(call) {
        yield lineOf(of(call).component(call.values.name))
      },
    }),
    'component start': defineCommand({
      summary: 'start a component that was stopped or has failed',
      arguments: ['<name>'],
      fields: named,
      row: component,
      async *run(call) {
        yield lineOf(await of(call).startComponent(call.values.name))
      },
    }),
    'component stop': defineCommand({
      summary: 'stop a component: it takes nothing new and finishes what is under way; it stays stopped across reloads',
      arguments: ['<name>'],
      fields: named,
      row: component,
      async *run(call) {
        yield { progress: `${call.values.name} is draining` }
        yield lineOf(await of(call).stopComponent(call.values.name))
      },
    }),
  }
}

interface CommandedKernel extends BackedUp {
  readonly administration: AdministrationService
  readonly lasting: Lasting
}

export function kernelCommands(kernel: CommandedKernel): Readonly<Record<string, Command>> {
  const { administration, lasting } = kernel
  const of = ({ by }: CommandCall) => administration.as(by ?? { user: 'unknown' })
  return {
    ...componentCommands(of),
    ...watchCommands(administration),
    ...backupCommand(
      kernel,
      lasting.of('backups', () => new Set<string>()),
    ),
    metrics: defineCommand({
      summary: 'numbers about the running server: sessions, connections, events, hooks, and those of plugins',
      fields: z.strictObject({ begins: z.string().default('').describe('Only those whose name begins so') }),
      roles: [SUPPORT],
      async *run(call) {
        for (const metric of of(call).metrics()) if (metric.name.startsWith(call.values.begins)) yield* linesOf(metric)
      },
    }),
    plugins: defineCommand({
      summary: 'the plugins that run, with their hooks, services and commands',
      fields: nothing,
      roles: [SUPPORT],
      async *run(call) {
        for (const one of of(call).plugins()) {
          const hooks = one.hooks.length === 0 ? '' : `  hooks: ${one.hooks.join(', ')}`
          yield { text: `${one.name}  ${one.plugin}  ${one.place}${hooks}`, value: one }
        }
      },
    }),
    configuration: defineCommand({
      summary: 'the configuration that runs, with every default; secrets are masked',
      fields: nothing,
      async *run(call) {
        const view = of(call).configuration()
        const { path, values, plugins } = view
        const shown = { path, ...values, plugins: plugins.map(({ schema: _, ...one }) => one) }
        yield { text: JSON.stringify(shown, undefined, 2), value: view }
      },
    }),
  }
}
