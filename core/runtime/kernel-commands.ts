/**
 * The kernel's own commands: components, metrics, plugins and configuration. They call the administration service in
 * the name of their caller.
 */
import * as z from 'zod'
import { type Administration, type AdministrationService, type NodeStatus, SUPPORT } from '../api/administration.ts'
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
const node = z.string().min(1).optional().describe('A server, as `iems nodes` names it, or `all`; default: this one')
const namedOn = named.extend({ node })

function nodeLine(one: NodeStatus): CommandOutput<NodeStatus> {
  const running = one.components.filter(({ state }) => state === 'running').length
  const where = one.isOwn ? ', this server' : ''
  const text = `${one.name}  ${one.isDrained ? 'drained' : one.state}  process ${one.pid} since ${new Date(one.since).toISOString()}  ${running} of ${one.components.length} components run${where}`
  return { text, value: one }
}

/** Asks another server, or all, for what is wanted of a component. */
async function* wanted(administration: Administration, name: string, on: string, isStopped: boolean) {
  await administration.wantComponent(name, on, isStopped)
  yield { text: `${name} is to be ${isStopped ? 'stopped' : 'started'} on ${on === 'all' ? 'every server' : on}` }
}

/** The components of other servers as these last reported them. */
async function* componentsOn(administration: Administration, on: string) {
  for (const { name, components } of await administration.nodes()) {
    if (on !== 'all' && on !== name) continue
    for (const one of components) yield { text: `${name}  ${textOf(one)}`, value: { ...one, node: name } }
  }
}

function textOf({ name, kind, state, why, since }: ComponentStatus): string {
  const reason = why === undefined ? '' : `: ${why}`
  return `${name}  ${kind}  ${state} since ${new Date(since).toISOString()}${reason}`
}

const lineOf = (one: ComponentStatus): CommandOutput<ComponentStatus> => ({ text: textOf(one), value: one })

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
      fields: z.strictObject({ node }),
      row: component.extend({ node: z.string().optional() }),
      roles: [SUPPORT],
      async *run(call) {
        const on = call.values.node
        if (on !== undefined) yield* componentsOn(of(call), on)
        else for (const one of of(call).components()) yield lineOf(one)
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
      fields: namedOn,
      async *run(call) {
        const { name, node: on } = call.values
        if (on === undefined) yield lineOf(await of(call).startComponent(name))
        else yield* wanted(of(call), name, on, false)
      },
    }),
    'component stop': defineCommand({
      summary: 'stop a component: it takes no new work and finishes its current work; it stays stopped across restarts',
      arguments: ['<name>'],
      fields: namedOn,
      async *run(call) {
        const { name, node: on } = call.values
        if (on !== undefined) return yield* wanted(of(call), name, on, true)
        yield { progress: `${name} is draining` }
        yield lineOf(await of(call).stopComponent(name))
      },
    }),
    'component restart': defineCommand({
      summary: 'stop a component of this server and start it again',
      arguments: ['<name>'],
      fields: named,
      row: component,
      async *run(call) {
        yield { progress: `${call.values.name} is draining` }
        await of(call).stopComponent(call.values.name)
        yield lineOf(await of(call).startComponent(call.values.name))
      },
    }),
  }
}

function nodeCommands(of: (call: CommandCall) => Administration): Readonly<Record<string, Command>> {
  return {
    'node drain': defineCommand({
      summary:
        'stop every component of a server for maintenance, after the work under way; it lasts until `node resume`',
      arguments: ['[node]'],
      fields: z.strictObject({ node }),
      async *run(call) {
        yield { progress: 'draining' }
        await of(call).drainNode(call.values.node, true)
        yield { text: `${call.values.node ?? 'This server'} is to be drained; see iems watch` }
      },
    }),
    'node resume': defineCommand({
      summary: 'end the maintenance of a server: its components start, but for those that were stopped one by one',
      arguments: ['[node]'],
      fields: z.strictObject({ node }),
      async *run(call) {
        await of(call).drainNode(call.values.node, false)
        yield { text: `${call.values.node ?? 'This server'} is to serve again` }
      },
    }),
    nodes: defineCommand({
      summary: 'the servers that share the store, and whether they were heard of lately',
      fields: nothing,
      roles: [SUPPORT],
      async *run(call) {
        for (const one of await of(call).nodes()) yield nodeLine(one)
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
    ...nodeCommands(of),
    ...watchCommands(administration),
    ...backupCommand(
      kernel,
      lasting.of('backups', () => new Set<string>()),
      of,
    ),
    metrics: defineCommand({
      summary: 'numbers about the running server: sessions, connections, events, hooks, and those of plugins',
      fields: z.strictObject({ begins: z.string().default('').describe('Only those whose name begins so') }),
      roles: [SUPPORT],
      async *run(call) {
        for (const metric of await of(call).metrics())
          if (metric.name.startsWith(call.values.begins)) yield* linesOf(metric)
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
