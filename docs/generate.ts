/**
 * Writes docs/hooks.md, docs/config.md and docs/errors.md from the code itself; with --check only says whether they
 * are stale. What must stay true: nothing in these pages is written by hand.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import * as z from 'zod'
import { ERRORS } from '../core/api/errors.ts'
import { EVENTS } from '../core/api/events.ts'
import { KERNEL_HOOKS } from '../core/api/hooks.ts'
import type { PluginFactory } from '../core/api/plugin.ts'
import { configSchema, type StoreProvider } from '../core/runtime/config-schema.ts'
import { channelSettings } from '../core/runtime/settings.ts'

const root = resolve(import.meta.dirname, '..')
const WRITTEN = '<!-- Written by `npm run docs` from the code; do not edit. -->\n'

// --- hooks ------------------------------------------------------------------------------------

const NOTES: Readonly<Record<keyof typeof KERNEL_HOOKS, readonly [when: string, fault: string]>> = {
  connect: ['a client has connected', '421 4.3.0'],
  helo: ['before the first MAIL after each HELO or EHLO', '451 4.3.0'],
  auth: ['the client presents credentials; no answer means "not mine"', '454 4.7.0'],
  authorize: ['a client asks to act as another user than it authenticated as', '454'],
  reidentify: ['an identity may have changed, and at MAIL', 'the session continues; MAIL gets 451'],
  mail: ['MAIL FROM', '451 4.3.0'],
  rcpt: ['each RCPT TO that has a route this sender may use', '451 4.3.0'],
  check: ['the content is staged and not yet accepted', '451 4.3.0'],
  modify: ['all checks have passed', '451 4.3.0'],
  expand: ['each recipient, until no plugin expands it (16 levels, no address twice)', '451 4.3.0'],
  route: ['each final recipient', '451 4.3.0'],
  queued: ['after the message has been accepted', 'logged'],
  dispatch: ['a delivery is due', 'postponed for 5 minutes'],
  settled: ['after the outcomes of an attempt have been written', 'logged'],
  bounce: ['a report is about to be written', 'the default report is sent'],
  event: ['every event', 'ignored'],
}

function signatures(): ReadonlyMap<string, string> {
  const source = readFileSync(join(root, 'core/api/hooks.ts'), 'utf8')
  const table = /export interface HookTable[^{]*\{\n([\s\S]*?)\n\}/.exec(source)?.[1] ?? ''
  return new Map(
    [...table.matchAll(/^ {2}(\w+): (\([\s\S]*?\) => .*)$/gm)].map(([, name = '', type = '']) => [
      name,
      type.replace(/\s+/g, ' '),
    ]),
  )
}

function hooksPage(): string {
  const types = signatures()
  const rows = Object.entries(KERNEL_HOOKS).map(([hook, kind]) => {
    const [when, fault] = NOTES[hook as keyof typeof NOTES]
    return `| \`${hook}\` | ${when} | ${kind} | ${fault} |`
  })
  return [
    '# Hooks',
    WRITTEN,
    'The hooks in the order in which a message runs through them. A handler gets `(subject, context)`. A *bail* hook ends with the first answer, a *series* hook calls all handlers in turn, a *parallel* hook calls them concurrently, and a *waterfall* hook passes each handler the answer of the previous one. A fault is a throw, a rejection or a timeout.',
    '',
    '| Hook | When | Runs | On a fault |',
    '|---|---|---|---|',
    ...rows,
    '',
    '## Signatures',
    '',
    '```ts',
    ...[...types].map(([hook, type]) => `${hook}: ${type}`),
    '```',
    '',
    '`core/api/hooks.ts` defines and documents the types of subjects and answers; your editor shows them.',
    '',
    '## Events',
    '',
    'The events of the log and the `event` hook:',
    '',
    '| Event | Level |',
    '|---|---|',
    ...Object.entries(EVENTS).map(([name, level]) => `| \`${name}\` | ${level} |`),
    '',
  ].join('\n')
}

// --- config -------------------------------------------------------------------------------------

interface JsonSchema {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly anyOf?: readonly JsonSchema[]
  readonly items?: JsonSchema
}

function typeText(schema: JsonSchema): string {
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' or ')
  if (schema.anyOf) return [...new Set(schema.anyOf.map(typeText))].join(' or ')
  if (schema.type === 'array') return `list of ${typeText(schema.items ?? {})}`
  return schema.type ?? 'value'
}

function rows(schema: JsonSchema, path: string): string[] {
  const shape = schema.properties ? schema : schema.anyOf?.find((one) => one.properties)
  return Object.entries(shape?.properties ?? {}).flatMap(([name, option]) => {
    const full = path === '' ? name : `${path}.${name}`
    const inner = rows(option, full)
    const required = shape?.required?.includes(name) && option.default === undefined
    const standard =
      option.default === undefined ? (required ? '*required*' : '–') : `\`${JSON.stringify(option.default)}\``
    const cells = [`\`${full}\``, typeText(option), inner.length > 0 ? '' : standard, option.description ?? '']
    const own =
      inner.length > 0 && option.description === undefined
        ? []
        : [`| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`]
    return [...own, ...inner]
  })
}

function optionTable(schema: z.ZodType): string {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  return ['| Option | Type | Default | Meaning |', '|---|---|---|---|', ...rows(json, '')].join('\n')
}

/** The plugins that package.json exports, by the name under which configurations import them. */
function publicPlugins(): [name: string, entry: { readonly source: string }][] {
  const { exports: exported } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return Object.entries<{ readonly source: string }>(exported).flatMap(([name, entry]) =>
    name.startsWith('./plugins/') && !name.endsWith('/worker') ? [[name.slice('./plugins/'.length), entry]] : [],
  )
}

async function configPage(): Promise<string> {
  const sections: string[] = []
  for (const [folder, { source }] of publicPlugins()) {
    const file = source.slice(2)
    const all = (await import(join(root, file))) as Record<string, unknown>
    const name = folder.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
    const exported = all[name] ?? Object.values(all).find((value) => typeof value === 'function')
    if (!exported) continue
    // A factory called with nothing still carries its schema; the options are checked later.
    const made = (exported as PluginFactory<z.ZodType> | ((input: never) => StoreProvider))(undefined as never)
    const options = 'definition' in made ? made.definition.config : made.schema
    sections.push(
      `## ${folder}\n\nSee [its README](../${file.replace('index.ts', 'README.md')}).\n\n${optionTable(options as z.ZodType)}\n`,
    )
  }
  return [
    '# Configuration',
    WRITTEN,
    "`iems.config.ts`, checked by your editor, by `iems check` and at start. Durations are written `'10 min'`, sizes `'50 MB'`.",
    '',
    '## The server',
    '',
    optionTable(configSchema.omit({ channels: true, plugins: true })),
    '',
    '## Every plugin and channel',
    '',
    "The second argument of a plugin's factory. Plugins have the first four; channels have all.",
    '',
    optionTable(channelSettings),
    '',
    ...sections,
  ].join('\n')
}

// --- errors ---------------------------------------------------------------------------------------

function errorsPage(): string {
  const lines = Object.entries(ERRORS).map(
    ([code, [message, cure]]) => `| \`${code}\` | ${message.replaceAll('\n', ' ')} | ${cure} |`,
  )
  return ['# Errors', WRITTEN, '| Code | Message | What to do |', '|---|---|---|', ...lines, ''].join('\n')
}

const pages = { 'docs/hooks.md': hooksPage(), 'docs/config.md': await configPage(), 'docs/errors.md': errorsPage() }
let stale = 0
for (const [file, text] of Object.entries(pages)) {
  const path = join(root, file)
  const before = (() => {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      // Not written yet.
      return undefined
    }
  })()
  if (before === text) continue
  if (process.argv.includes('--check')) {
    console.error(`${file} is stale: run npm run docs`)
    stale++
  } else writeFileSync(path, text)
}
process.exitCode = stale === 0 ? 0 : 1
