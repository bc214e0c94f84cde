/**
 * Finds, loads, checks and freezes `iems.config.ts`. The only file that imports cosmiconfig.
 *
 * Invariants: all problems are reported together, with their paths, before anything is opened; a secret is never
 * printed; `iems` and `iems/plugins/*` mean the running installation, wherever the file is.
 */
import { hostname } from 'node:os'
import { dirname, resolve } from 'node:path'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { cosmiconfig } from 'cosmiconfig'
import { IemsError, reasonOf } from '../api/errors.ts'
import type { PluginEntry } from '../api/plugin.ts'
import { importFresh } from './config-import.ts'
import { misplaced, portsTwice } from './config-listeners.ts'
import { type Config, type ConfiguredPlugin, configSchema, entry } from './config-schema.ts'
import { Secret } from './secret.ts'
import { type ChannelSettings, channelSettings, type PluginSettings, pluginSettings } from './settings.ts'

interface Problem {
  readonly path: string
  readonly text: string
}

function pathText(path: readonly unknown[]): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index ? '.' : ''}${String(part)}`))
    .join('')
}

/** `, got "opportunisitc"`: the configured value, unless it may be a secret or is too long. */
function gotText(input: unknown, path: readonly PropertyKey[]): string {
  const value = path.reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part], input)
  if (
    value === undefined ||
    typeof value === 'object' ||
    path.some((part) => /pass|secret|token|key/i.test(String(part)))
  )
    return ''
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 60 ? '' : `, got ${text}`
}

function problemsOf(
  issues: readonly StandardSchemaV1.Issue[],
  input: unknown,
  base: readonly PropertyKey[],
): Problem[] {
  return issues.map((issue) => {
    const path = (issue.path ?? []).map((part) => (typeof part === 'object' ? part.key : part))
    return { path: pathText([...base, ...path]), text: issue.message + gotText(input, path) }
  })
}

async function validate<S extends StandardSchemaV1>(
  schema: S,
  input: unknown,
  base: readonly PropertyKey[],
  problems: Problem[],
) {
  const result = await schema['~standard'].validate(input)
  if (!result.issues) return result.value as StandardSchemaV1.InferOutput<S>
  problems.push(...problemsOf(result.issues, input, base))
  return undefined
}

/** Collects missing secrets anywhere in the configuration. */
function missingSecrets(value: unknown, base: readonly PropertyKey[], problems: Problem[], depth = 0) {
  if (depth > 20 || value === null || typeof value !== 'object') return
  if (value instanceof Secret) {
    try {
      value.reveal()
    } catch (error) {
      problems.push({ path: pathText(base), text: reasonOf(error) })
    }
    return
  }
  const proto = Object.getPrototypeOf(value)
  if (proto !== Object.prototype && !Array.isArray(value)) return
  for (const [part, item] of Object.entries(value))
    missingSecrets(item, [...base, Array.isArray(value) ? Number(part) : part], problems, depth + 1)
}

async function stand<P>(
  one: PluginEntry,
  base: readonly PropertyKey[],
  kind: StandardSchemaV1<unknown, P>,
  problems: Problem[],
) {
  missingSecrets(one.input, base, problems)
  const schema = one.definition.config
  // A factory called without options gets the defaults, even if the schema requires an object.
  const given = one.input === undefined && (await schema['~standard'].validate(undefined)).issues ? {} : one.input
  const options = await validate(schema, given, base, problems)
  const { accepts } = one.definition
  const place = await validate(
    kind,
    kind === channelSettings && accepts ? { accepts, ...one.settings } : one.settings,
    [...base, '(settings)'],
    problems,
  )
  const { api = 1 } = one.definition
  if (api !== 1)
    problems.push({
      path: pathText(base),
      text: new IemsError('IEMS_PLUGIN_API', { plugin: one.definition.name, wanted: api, offered: 1 }).message,
    })
  return { options, place }
}

/** A `from` or `to` that names no channel would silently never match. */
function unknownChannels(
  standing: readonly ConfiguredPlugin<PluginSettings>[],
  channels: ReadonlySet<string>,
  problems: Problem[],
) {
  for (const { name, settings } of standing) {
    for (const side of ['from', 'to'] as const) {
      for (const channel of settings[side] ?? []) {
        if (!channels.has(channel))
          problems.push({
            path: `${name}.(settings).${side}`,
            text: new IemsError('IEMS_CHANNEL_UNKNOWN', { from: name, channel }).message,
          })
      }
    }
  }
}

function freeze<T>(value: T, depth = 0): T {
  if (depth > 20 || value === null || typeof value !== 'object') return value
  const proto = Object.getPrototypeOf(value)
  if (proto !== Object.prototype && !Array.isArray(value)) return value
  for (const item of Object.values(value)) freeze(item, depth + 1)
  return Object.freeze(value)
}

/** Checks a configuration and fills in defaults. Throws IEMS_CONFIG_INVALID with every problem. */
export async function checkConfig(input: unknown, path: string): Promise<Config> {
  const problems: Problem[] = []
  const checked = await validate(configSchema, input, [], problems)
  // Even if the outer structure is invalid, its parts are checked, so that all problems are reported together.
  const given = (input ?? {}) as { channels?: Record<string, PluginEntry>; plugins?: (PluginEntry | false)[] }
  const isEntry = (value: unknown): value is PluginEntry => entry.safeParse(value).success
  const channels: ConfiguredPlugin<ChannelSettings>[] = []
  for (const [channel, one] of Object.entries(given.channels ?? {})) {
    if (!isEntry(one)) continue
    const { options, place } = await stand(one, ['channels', channel], channelSettings, problems)
    if (place) channels.push({ name: channel, definition: one.definition, options, settings: place })
  }
  const plugins: ConfiguredPlugin<PluginSettings>[] = []
  for (const [index, one] of (Array.isArray(given.plugins) ? given.plugins : []).entries()) {
    if (!isEntry(one)) continue
    const { options, place } = await stand(one, ['plugins', index], pluginSettings, problems)
    if (place)
      plugins.push({ name: place.as ?? one.definition.name, definition: one.definition, options, settings: place })
  }
  if (checked && 'open' in checked.store) {
    missingSecrets(checked.store.input, ['store'], problems)
    await validate(checked.store.schema, checked.store.input, ['store'], problems)
  }
  missingSecrets((input as { blobs?: unknown } | undefined)?.blobs, ['blobs'], problems)
  const names = new Set<string>()
  for (const { name: plugin } of [...channels, ...plugins]) {
    if (names.has(plugin)) problems.push({ path: plugin, text: new IemsError('IEMS_PLUGIN_TWICE', { plugin }).message })
    names.add(plugin)
  }
  problems.push(...portsTwice(channels), ...misplaced(plugins))
  unknownChannels([...channels, ...plugins], new Set(channels.map((channel) => channel.name)), problems)
  if (problems.length > 0 || !checked) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
    throw new IemsError('IEMS_CONFIG_INVALID', {
      count,
      problems: problems.map(({ path: at, text }) => `  ${at || '(top)'}: ${text}`).join('\n'),
      list: problems,
    })
  }
  return freeze({ ...checked, hostname: checked.hostname ?? hostname(), path, channels, plugins })
}

// --- find and load ------------------------------------------------------------------------------

const PLACES = ['iems.config.ts', 'iems.config.mts', 'iems.config.js', 'iems.config.mjs']
/** Loads and checks the given file, or the first one found from `from` upwards. */
export async function loadConfig(file: string | undefined, from = process.cwd()): Promise<Config> {
  const loaders = Object.fromEntries(['.ts', '.mts', '.js', '.mjs'].map((extension) => [extension, importFresh]))
  const explorer = cosmiconfig('iems', { searchPlaces: PLACES, loaders, cache: false, searchStrategy: 'global' })
  let found: { config: unknown; filepath: string } | null
  try {
    found = file === undefined ? await explorer.search(from) : await explorer.load(resolve(from, file))
  } catch (cause) {
    if (cause instanceof IemsError) throw cause
    throw new IemsError('IEMS_CONFIG_UNREADABLE', { path: file ?? from, why: reasonOf(cause) }, cause)
  }
  if (!found) throw new IemsError('IEMS_CONFIG_NOT_FOUND', { looked: `${from} and above` })
  return checkConfig(found.config, found.filepath)
}

/** Resolves a path relative to the configuration file. */
export function pathIn(config: Pick<Config, 'path'>, path: string): string {
  return resolve(dirname(config.path), path)
}
