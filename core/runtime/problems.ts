/**
 * Problems of a running server, worded for administrators.
 *
 * A failure of an external server is not grave: mail is deferred and everything else continues.
 */
import { existsSync } from 'node:fs'
import type { Problem, Status } from '../api/administration.ts'
import type { ComponentStatus } from '../api/component.ts'
import { reasonOf } from '../api/errors.ts'
import type { PluginInstance } from '../api/plugin.ts'
import type { Backend } from '../net/backend.ts'
import type { Config } from './config-schema.ts'
import { dataFolder } from './folders.ts'
import { certificateFacts, certificateFiles, spaceOf } from './machine.ts'
import { counted } from './text.ts'
import type { LoadedPlugin } from './wiring.ts'

/** A lane whose next delivery is overdue by so many ms is not being served. */
const OVERDUE_MS = 15 * 60_000
/** Ms that a plugin has to look at its own health. */
const LOOK_MS = 5000

export interface Examined {
  readonly config: Config
  readonly now: number
  readonly components: readonly ComponentStatus[]
  readonly backends: readonly (Backend & { readonly plugin: string })[]
  readonly lanes: Status['lanes']
  readonly plugins: readonly Pick<LoadedPlugin, 'name' | 'parts'>[]
}

export async function problemsOf({
  config,
  now,
  components,
  backends,
  lanes,
  plugins,
}: Examined): Promise<readonly Problem[]> {
  const own = await Promise.all(plugins.map(({ name, parts }) => pluginProblems(name, parts)))
  return [
    ...components.flatMap(componentProblem),
    ...backends.flatMap(backendProblem),
    ...machineProblems(config, now),
    ...lanes.flatMap(({ lane, due }) => laneProblem(lane, now - due)),
    ...own.flat(),
  ]
}

function machineProblems(config: Config, now: number): readonly Problem[] {
  const space = 'path' in config.store && existsSync(dataFolder(config)) ? spaceOf(config).problems : []
  const certificates = certificateFiles(config).map((file) => certificateFacts(file, now).problem)
  return [...space, ...certificates.filter((problem) => problem !== undefined)]
}

function laneProblem(lane: string, lateMs: number): readonly Problem[] {
  if (lateMs < OVERDUE_MS) return []
  const text = `deliveries to ${lane} wait for ${counted(Math.floor(lateMs / 60_000), 'minute')} beyond their time`
  return [{ id: `lane:${lane}`, text, cure: 'See iems queue list and iems component list.', isGrave: false }]
}

async function pluginProblems(plugin: string, parts: PluginInstance): Promise<readonly Problem[]> {
  if (!parts.health) return []
  const problem = (text: string) => [
    { id: `health:${plugin}`, text: `${plugin}: ${text}`, cure: `See the log of ${plugin}.`, isGrave: false },
  ]
  const { promise: late, resolve } = Promise.withResolvers<Problem[]>()
  const timer = setTimeout(() => resolve(problem('its health is not known: no answer within 5 seconds')), LOOK_MS)
  try {
    return await Promise.race([late, parts.health()])
  } catch (cause) {
    return problem(`its health is not known: ${reasonOf(cause)}`)
  } finally {
    clearTimeout(timer)
  }
}

function componentProblem({ name, kind, state, why }: ComponentStatus): readonly Problem[] {
  const [id, cure] = [`component:${name}`, `iems component start ${name}`]
  if (state === 'failed') {
    const isGrave = kind === 'listener' || kind === 'delivery'
    return [{ id, text: `${name} has failed${why === undefined ? '' : `: ${why}`}`, cure, isGrave }]
  }
  // With a reason it runs on another server.
  return state === 'stopped' && why === undefined ? [{ id, text: `${name} is stopped`, cure, isGrave: false }] : []
}

function backendProblem({ plugin, service, server, failures, lastFailure }: Backend & { readonly plugin: string }) {
  if (failures === 0) return []
  const why = lastFailure === undefined ? '' : `: ${lastFailure}`
  const text = `${service} at ${server} is down for ${plugin} (${counted(failures, 'failure')} in a row)${why}`
  const id = `backend:${plugin}:${server}`
  return [{ id, text, cure: `Start ${service} at ${server}, or correct the address in ${plugin}.`, isGrave: false }]
}
