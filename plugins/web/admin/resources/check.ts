/**
 * The check of a pasted configuration, and what a reload with it would do.
 *
 * Invariants: nothing is put into effect; a secret is compared only as masked, so its change is not seen.
 */
import { type ConfigurationView, examineConfiguration } from 'iems'
import * as z from 'zod'
import type { Audit } from '../audit.ts'
import type { AdminRoutes } from '../routes.ts'

const MAX_TEXT = 1_000_000
/** Settings that a reload cannot change. */
const FIXED = new Set(['store', 'folder', 'control', 'workers'])
const MAX_NAMED = 8

export interface Change {
  readonly name: string
  readonly what: 'added' | 'removed' | 'changed' | 'restart'
  readonly note: string
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)
const isGroup = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Paths at which two values differ. */
function differences(before: unknown, after: unknown, path = ''): string[] {
  if (same(before, after)) return []
  if (!isGroup(before) || !isGroup(after)) return [path || 'options']
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  return names.flatMap((name) => differences(before[name], after[name], path ? `${path}.${name}` : name))
}

const named = (paths: readonly string[]) =>
  paths.length > MAX_NAMED
    ? `${paths.slice(0, MAX_NAMED).join(', ')} and ${paths.length - MAX_NAMED} more`
    : paths.join(', ')

function changesBetween(before: ConfigurationView, after: ConfigurationView): Change[] {
  const changes: Change[] = []
  for (const path of new Set(differences(before.values, after.values).map((one) => one.split('.', 1)[0] ?? '')))
    if (path !== 'path')
      changes.push({
        name: path,
        what: FIXED.has(path) ? 'restart' : 'changed',
        note: FIXED.has(path) ? 'a reload with it is refused' : 'a setting of the server',
      })
  for (const one of after.plugins) {
    const old = before.plugins.find(({ name }) => name === one.name)
    const kind = one.place === 'channel' ? 'channel' : 'plugin'
    if (!old) changes.push({ name: one.name, what: 'added', note: `a ${kind} (${one.plugin}) is set up` })
    else if (old.plugin !== one.plugin || old.place !== one.place)
      changes.push({ name: one.name, what: 'changed', note: `${old.plugin} is replaced by ${one.plugin}` })
    else {
      const paths = [...differences(old.options, one.options), ...differences(old.settings, one.settings)]
      if (paths.length > 0) changes.push({ name: one.name, what: 'changed', note: named(paths) })
    }
  }
  for (const { name, place } of before.plugins)
    if (!after.plugins.some((one) => one.name === name))
      changes.push({ name, what: 'removed', note: `the ${place} finishes its work and ends` })
  return changes
}

export function addConfigurationCheck(routes: AdminRoutes, audit: Audit): void {
  routes.route({
    method: 'POST',
    path: '/api/v1/configuration/check',
    who: 'admin',
    summary: 'Check the text of a configuration, and say what a reload with it would do',
    body: z.strictObject({ text: z.string().min(1).max(MAX_TEXT) }),
    limit: { body: 2 * MAX_TEXT, perMinute: 20 },
    fresh: true,
    async run({ administration, body, by }) {
      const running = administration.configuration()
      await audit.add({ by, what: 'configuration.check' })
      const { problems, warnings, view } = await examineConfiguration(body.text, running.path)
      return {
        isValid: view !== undefined,
        problems,
        warnings,
        changes: view ? changesBetween(running, view) : [],
      }
    },
  })
}
