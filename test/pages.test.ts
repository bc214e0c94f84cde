/**
 * The pages agree with the code: their configurations are valid, the commands and options that they name exist, and
 * they name every command.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Command } from 'commander'
import * as iems from 'iems'
import { createTestKernel } from 'iems/testing'
import { addPluginCommands } from '../core/cli/plugin-commands.ts'
import { program } from '../core/cli/program.ts'

const root = resolve(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const readmes = globSync('plugins/**/README.md', { cwd: root })
const pages = ['README.md', ...globSync('docs/*.md', { cwd: root }), ...readmes].filter(
  (page) => !/docs\/(?:config|errors|hooks)\.md/.test(page),
)

// --- configurations -----------------------------------------------------------------------------

type Factory = (input?: unknown, settings?: iems.Settings) => iems.PluginEntry

/** The plugins that package.json exports, by the name under which configurations import them. */
const { exports: exported } = JSON.parse(read('package.json')) as { exports: Record<string, { source: string }> }
const factories = new Map<string, Factory>()
for (const [name, { source }] of Object.entries(exported)) {
  const [, words] = /^\.\/plugins\/([^/]+)$/.exec(name) ?? []
  const member = words?.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
  const make = member && (await import(join(root, source)))[member]
  if (make) factories.set(member, make)
}

/** Other names in examples. */
const OTHERS = {
  secret: iems.secret,
  defineConfig: iems.defineConfig,
  mailServer: () => undefined,
  postgresStore: () => undefined,
  tls: { cert: '/c.pem', key: '/k.pem' },
}

/** Evaluates an example and returns the plugins in it. */
function entriesOf(code: string): iems.PluginEntry[] {
  const made: iems.PluginEntry[] = []
  const noted = [...factories].map(([name, make]) => {
    const note: Factory = (...given) => {
      const entry = make(...given)
      made.push(entry)
      return entry
    }
    return [name, note] as const
  })
  const text = code
    .replaceAll(/^import [^;]*? from '.*'$/gm, '')
    .replaceAll(/^export default /gm, '')
    .replaceAll(/\{ … \}/g, '{}')
    .replaceAll(/,? …(?=,? \})|^ *…$/gm, '')
    .replaceAll(' as const', '')
    .trim()
  const isMember = /^(?:\/\/.*\n)?\w+: /.test(text)
  const body = isMember ? `({${text}\n})` : `{ ${text} }`
  const given = { ...Object.fromEntries(noted), ...OTHERS }
  try {
    new Function(...Object.keys(given), body)(...Object.values(given))
  } catch (cause) {
    throw new Error(`not an example: ${body}`, { cause })
  }
  return made
}

test('configurations in the pages are valid', async () => {
  let checked = 0
  const faults: string[] = []
  for (const page of pages)
    for (const [, code = ''] of read(page).matchAll(/^```ts\n([\s\S]*?)^```/gm)) {
      if (/\bsetup\b|definePlugin|createTestKernel|\bawait\b|=> \{/.test(code)) continue
      if (![...factories.keys()].some((name) => code.includes(`${name}(`))) continue
      for (const { definition, input } of entriesOf(code)) {
        checked++
        const schema = definition.config as StandardSchemaV1
        const { issues = [] } = await schema['~standard'].validate(input ?? {})
        const isCut = code.includes('…')
        for (const { message, path = [] } of issues)
          if (!/secret/i.test(message) && !(isCut && !/unrecognized/i.test(message)))
            faults.push(`${page}: ${definition.name}: ${path.map(String).join('.')}: ${message}`)
      }
    }
  assert.ok(checked > 60, `only ${checked} examples were found`)
  assert.deepEqual(faults, [])
})

// --- commands -----------------------------------------------------------------------------------

/** Every plugin that has commands. */
const CHANNELS = {
  local: ['mailstore'],
  odmr: ['odmr', { fetch: [{ server: 'provider.test:366', user: 'us', password: iems.secret.env('PATH') }] }],
  bsmtp: ['bsmtp', { name: 'hub' }],
  web: ['http', { listen: '127.0.0.1:0' }],
  ccmail: ['ccmail', { domain: 'cc.test' }],
  lists: ['lists'],
} as const
const PLUGINS = [
  ['directory'],
  ['mailsort'],
  ['quota'],
  [
    'attachments',
    { links: { url: 'https://mail.a.test' }, rules: [{ name: 'large', minSize: '20 MB', action: 'link' }] },
  ],
  ['tlsReports', { from: 'tls@a.test' }],
  ['domain', { domains: ['a.test'] }],
  ['antivirus'],
  ['antivirus', {}, { as: 'antivirus-out' }],
  ['dkim'],
  ['senderAuth'],
  ['antispam'],
  [
    'move',
    {
      server: { host: 'old.test', master: { user: 'm', password: iems.secret.env('PATH') } },
      proxy: { delivery: { channel: 'bsmtp', nexthop: 'old.test' } },
    },
  ],
  ['notes'],
  ['disclaimer', { rules: [{ name: 'footer', text: 'Sent' }] }],
  ['acme', { certificates: [{ names: ['mail.a.test'] }], agreeToTerms: true }],
  ['alerts', { webhook: { url: 'https://hook.test' } }],
  ['shadow', { config: 'candidate.ts' }],
  ['milter', { filters: [{ name: 'dkim', servers: ['127.0.0.1:8891'] }] }],
] as const
/** Each has accounts of its own, so it excludes the directory. */
const ALONE = [
  ['ldapClient', { servers: ['ldaps://ldap.test'], base: 'dc=a,dc=test', domains: ['a.test'] }],
  ['accounts', { domains: ['a.test'], accounts: [] }],
] as const

const make = ([name, ...given]: readonly [name: string, input?: unknown, settings?: iems.Settings]) =>
  factories.get(name)?.(...given) as iems.PluginEntry
/** Of examples, no commands of this package. */
const OTHER_COMMANDS = /^iems is running|`iems greeting /

/** Words of a command in a page, with alternatives such as `held|decide`, and the rest of its line. */
const MENTION = /(?:^|`)iems ((?:[a-z][a-z|-]*(?: |$|(?=`)))+)([^`\n]*)/gm

const alternatives = (words: readonly string[]): string[][] =>
  words.reduce<string[][]>((all, word) => all.flatMap((one) => word.split('|').map((each) => [...one, each])), [[]])

test('commands in the pages exist, with the options behind them, and the pages name every command', async (t) => {
  const channels = Object.fromEntries(Object.entries(CHANNELS).map(([name, given]) => [name, make(given)]))
  const kernels = [{ channels, plugins: PLUGINS.map(make) }, ...ALONE.map((given) => ({ plugins: [make(given)] }))]
  const byWords = new Map<string, iems.CommandInfo>()
  for (const given of kernels) {
    const { kernel } = await createTestKernel(t, given)
    for (const info of kernel.administration.as({ user: 'root', roles: ['admin'] }).commands())
      byWords.set(info.words, info)
  }
  const all = program()
  addPluginCommands(all, [...byWords.values()], async () => undefined)
  const faults: string[] = []
  let mentions = 0
  for (const page of pages)
    for (const [mention, line = '', rest = ''] of read(page).matchAll(MENTION))
      for (const words of alternatives(line.trim().split(' '))) {
        if (OTHER_COMMANDS.test(mention)) continue
        let command: Command = all
        mentions++
        for (const word of words) {
          const next = command.commands.find((one) => one.name() === word)
          if (!next) {
            if (command === all || (command.commands.length > 0 && command.registeredArguments.length === 0))
              faults.push(`${page}: ${mention.trim()}: no ${word}`)
            break
          }
          command = next
        }
        for (const [option] of rest.split('#')[0]?.matchAll(/(?<= |\[|\|)--[a-z-]+/g) ?? [])
          if (!['--help', ...command.options.map(({ long }) => long)].includes(option))
            faults.push(`${page}: ${mention.trim()}: no ${option}`)
      }
  assert.deepEqual(faults, [])
  assert.ok(mentions > 150, `only ${mentions} commands were found`)
  // A README often writes the first of several in full: `list held`, `decide`.
  const lines = pages.flatMap((page) =>
    read(page)
      .split('\n')
      .map((line) => new Set(line.match(/[a-z][a-z-]*/g))),
  )
  const isNamed = (words: readonly string[]) => lines.some((line) => words.every((word) => line.has(word)))
  assert.deepEqual(
    [...byWords.keys()].filter((words) => !isNamed(words.replace(/-out\b/, '').split(' '))),
    [],
    'each command of a plugin stands in a page',
  )
})
