/**
 * `iems.config.ts`: found, loaded, checked completely, frozen. The only file that knows cosmiconfig.
 *
 * What must stay true: every problem is reported at once with its path, and before anything is opened; a secret is
 * never printed; `iems` and `iems/plugins/*` mean the running installation wherever the file lies. What an option of a
 * plugin means is the plugin's business.
 */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, resolve } from 'node:path'
import { inspect } from 'node:util'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { cosmiconfig } from 'cosmiconfig'
import * as z from 'zod'
import { IemsError, reasonOf } from '../api/errors.ts'
import type { PluginDefinition, PluginEntry } from '../api/plugin.ts'
import { dnsOptions } from '../net/dns-options.ts'
import type { Store } from '../store/store.ts'
import { importFresh } from './config-import.ts'
import { misplaced, portsTwice } from './config-listeners.ts'
import { type ChannelSettings, channelSettings, type PluginSettings, placement } from './settings.ts'
import { duration, size } from './units.ts'

// --- secrets ------------------------------------------------------------------------------

/** A value that prints as `[secret]`; call `reveal()` at the one place that needs it. */
export class Secret {
  readonly #value: string | undefined
  readonly #name: string
  constructor(name: string, value: string | undefined) {
    this.#name = name
    this.#value = value
  }
  /** Throws IEMS_SECRET_MISSING. */
  reveal(): string {
    if (this.#value === undefined) throw new IemsError('IEMS_SECRET_MISSING', { name: this.#name })
    return this.#value
  }
  toString(): string {
    return '[secret]'
  }
  toJSON(): string {
    return '[secret]'
  }
  [inspect.custom](): string {
    return '[secret]'
  }
}

function readSecret(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  } catch {
    // Missing or unreadable is one of the problems that `checkConfig` reports with its path.
    return undefined
  }
}

/** Secrets for the configuration, read once when it is loaded. */
export const secret = {
  env: (name: string) => new Secret(`environment variable ${name}`, process.env[name]),
  file: (path: string) => new Secret(path, readSecret(path)),
  /** For tests; in a configuration it would be no secret. */
  value: (text: string) => new Secret('given', text),
}

/** The schema of an option that is a secret. */
export const secretValue = () =>
  z.instanceof(Secret, { error: "must be a secret: secret.env('NAME') or secret.file('/path')" })

// --- the schema -----------------------------------------------------------------------------

/** A store of another kind, such as `postgresStore()`. */
export interface StoreProvider {
  readonly describe: string
  open(): Promise<Store>
}

const entry = z.custom<PluginEntry>(
  (value) => typeof value === 'object' && value !== null && 'definition' in value && 'input' in value,
  { error: 'must be a plugin: call its factory, as in smtpIn({ … })' },
)
const name = z.string().regex(/^[a-z][a-z0-9-]*$/, 'must be lower-case letters, digits and hyphens')
const reportText = z.strictObject({ subject: z.string().min(1).optional(), text: z.string().min(1).optional() })

export const configSchema = z.strictObject({
  hostname: z
    .string()
    .regex(/^[\w.-]+$/)
    .optional()
    .describe(
      'The name this server gives itself: in banners, HELO, Received and reports. Default: the name of the machine.',
    ),
  store: z
    .union([
      z.strictObject({
        path: z
          .string()
          .min(1)
          .default('data')
          .describe('Folder for the queue and all records, relative to the configuration file.'),
        minFree: size()
          .prefault('100 MB')
          .describe('Free space below which new mail is answered with "try again later".'),
        reserve: size()
          .prefault('32 MB')
          .describe(
            'Size of a file in the data folder that the server deletes when the disk is full, so that logins, reading and deleting go on; at most a quarter of the file system. The server makes it again when there is room. 0 B for none.',
          ),
      }),
      z.custom<StoreProvider>((value) => typeof (value as StoreProvider)?.open === 'function'),
    ])
    .prefault({})
    .describe('Where everything is kept: a LevelDB folder, or another store.'),
  folder: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Folder for the files of plugins, such as the full-text index, and for the control socket. Default: store.path, or 'data' with another store.",
    ),
  channels: z.record(name, entry).describe('Ways in and out, by name: plugins that listen or deliver.'),
  plugins: z
    .array(z.union([entry, z.literal(false)]))
    .default([])
    .describe('Everything else, in the order in which it runs; false entries are passed over.'),
  limits: z
    .strictObject({
      messageSize: size().prefault('50 MB').describe('Most octets of one message.'),
      headerSize: size().prefault('256 KiB').describe('Most octets of its header.'),
      recipients: z
        .number()
        .int()
        .min(1)
        .default(1000)
        .describe('Most recipients of one message, expansions included.'),
      hops: z
        .number()
        .int()
        .min(5)
        .default(50)
        .describe('Received fields from which on a message is taken to be in a loop.'),
      parse: size().prefault('20 MB').describe('Octets up to which plugins get a message parsed.'),
      recheckInterval: duration()
        .prefault('5 min')
        .describe(
          'How often open sessions are asked whether their identity still holds, where no change was announced: an LDAP server or another kernel may have changed it.',
        ),
      logins: z
        .strictObject({
          free: z.int().min(1).default(5).describe('Failed logins from an address, or about a name, without a wait.'),
          delay: duration().prefault('1 s').describe('The wait after the next one; each is twice the one before.'),
          longest: duration()
            .prefault('30 s')
            .describe('The longest wait; who would wait longer is told to try later.'),
          forget: duration().prefault('1 h').describe('How long after the last failure all of them are forgotten.'),
          remembered: z
            .int()
            .positive()
            .default(20_000)
            .describe('Addresses, and as many names, whose failures are remembered.'),
        })
        .prefault({})
        .describe(
          'Against the guessing of passwords, for all protocols together. A wrong name or password is answered later and later; the right one waits only where the client itself failed before. An IPv6 address counts as its /64.',
        ),
    })
    .prefault({}),
  reports: z
    .strictObject({
      postmaster: z
        .string()
        .includes('@')
        .optional()
        .describe(
          'The mailbox of those who run this server. It gets mail for <postmaster>, and for postmaster@ and abuse@ of every domain here that has no mailbox of that name, and failure reports that cannot be delivered themselves. Default: none; such mail is refused, such reports are dropped.',
        ),
      returnSize: size()
        .prefault('1 MB')
        .describe('Octets up to which a report gives the whole message back when its sender asked for that.'),
      failure: reportText
        .optional()
        .describe('Words of failure reports; {subject}, {recipients}, {hostname}, {age} and {until} are filled in.'),
      delay: reportText.optional().describe('Words of delay warnings.'),
      success: reportText.optional().describe('Words of success reports.'),
    })
    .prefault({}),
  dns: dnsOptions
    .prefault({})
    .describe('How names are resolved, for everything in the server: one resolver with one cache.'),
  history: z
    .strictObject({
      keep: duration()
        .prefault('7 days')
        .describe("How long `iems message show` knows finished messages; '0 s' for not at all."),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z
        .enum(['error', 'warn', 'info', 'debug'])
        .default('info')
        .describe('The least important lines that are written.'),
      privacy: z
        .boolean()
        .default(false)
        .describe('Whether local parts of addresses are left out of lines at level info and above.'),
    })
    .prefault({}),
  control: z
    .strictObject({
      path: z
        .string()
        .optional()
        .describe('Socket for the `iems` command. Default: control.sock in the data folder, a named pipe on Windows.'),
    })
    .prefault({}),
  watchdog: duration()
    .prefault('30 s')
    .describe(
      "Time without a turn of the event loop after which the process writes where it hangs to the log and ends, so that the service manager restarts it; '0 s' for never.",
    ),
  drain: duration().prefault('30 s').describe('How long a stop or reload waits for what is under way.'),
})

export type ConfigInput = z.input<typeof configSchema>
type Checked = z.output<typeof configSchema>

export interface ConfiguredPlugin<P> {
  readonly name: string
  // any: plugins have options of every kind
  readonly definition: PluginDefinition<any>
  readonly options: unknown
  readonly placement: P
}

/** A configuration that has been checked, with every default filled in. */
export interface Config extends Omit<Checked, 'hostname' | 'channels' | 'plugins'> {
  readonly hostname: string
  readonly path: string
  readonly channels: readonly ConfiguredPlugin<ChannelSettings>[]
  readonly plugins: readonly ConfiguredPlugin<PluginSettings>[]
}

/** Types the configuration; does nothing else. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config
}

// --- check ------------------------------------------------------------------------------------

interface Problem {
  readonly path: string
  readonly text: string
}

function pathText(path: readonly unknown[]): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index ? '.' : ''}${String(part)}`))
    .join('')
}

/** `, got "opportunisitc"`: what stands there, unless it may be a secret or is too long to help. */
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

/** Secrets that are not there, wherever they stand. */
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
  // A factory called without options means all defaults, also where the schema is an object.
  const given = one.input === undefined && (await schema['~standard'].validate(undefined)).issues ? {} : one.input
  const options = await validate(schema, given, base, problems)
  const { accepts } = one.definition
  const place = await validate(
    kind,
    kind === channelSettings && accepts ? { accepts, ...one.placement } : one.placement,
    [...base, '(placement)'],
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

/** `from` and `to` that name no channel would silently never match. */
function unknownChannels(
  standing: readonly ConfiguredPlugin<PluginSettings>[],
  channels: ReadonlySet<string>,
  problems: Problem[],
) {
  for (const { name, placement } of standing) {
    for (const side of ['from', 'to'] as const) {
      for (const channel of placement[side] ?? []) {
        if (!channels.has(channel))
          problems.push({
            path: `${name}.(placement).${side}`,
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

/** Everything that is wrong with a configuration, or the configuration complete. Throws IEMS_CONFIG_INVALID. */
export async function checkConfig(input: unknown, path: string): Promise<Config> {
  const problems: Problem[] = []
  const checked = await validate(configSchema, input, [], problems)
  // With the frame broken the parts that can be seen are still looked at, so that all problems come at once.
  const given = (input ?? {}) as { channels?: Record<string, PluginEntry>; plugins?: (PluginEntry | false)[] }
  const isEntry = (value: unknown): value is PluginEntry => entry.safeParse(value).success
  const channels: ConfiguredPlugin<ChannelSettings>[] = []
  for (const [channel, one] of Object.entries(given.channels ?? {})) {
    if (!isEntry(one)) continue
    const { options, place } = await stand(one, ['channels', channel], channelSettings, problems)
    if (place) channels.push({ name: channel, definition: one.definition, options, placement: place })
  }
  const plugins: ConfiguredPlugin<PluginSettings>[] = []
  for (const [index, one] of (Array.isArray(given.plugins) ? given.plugins : []).entries()) {
    if (!isEntry(one)) continue
    const { options, place } = await stand(one, ['plugins', index], placement, problems)
    if (place)
      plugins.push({ name: place.as ?? one.definition.name, definition: one.definition, options, placement: place })
  }
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
/** Loads and checks the file given, or the first one found from `from` upwards. */
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

/** A path of the configuration, relative to its file. */
export function pathIn(config: Pick<Config, 'path'>, path: string): string {
  return resolve(dirname(config.path), path)
}
