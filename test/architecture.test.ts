/** Which file may import which: the walls of the house, read from the import lines. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { circlesOf, type FunctionShape, shapesOf } from './support/structure.ts'

const root = resolve(import.meta.dirname, '..')

interface Import {
  readonly from: string
  readonly to: string
  /** Nothing of it is there at run time. */
  readonly typeOnly: boolean
}

function importsOf(file: string): Import[] {
  const source = readFileSync(join(root, file), 'utf8')
  const pattern = /^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm
  const dynamic = /import\('([^']+)'\)/g
  return [
    ...[...source.matchAll(pattern)].map(([, type, to = '']) => ({ to, typeOnly: type !== undefined })),
    ...[...source.matchAll(dynamic)].map(([, to = '']) => ({ to, typeOnly: false })),
  ].map(({ to, typeOnly }) => ({
    from: file,
    typeOnly,
    to: to.startsWith('.') ? relative(root, resolve(root, dirname(file), to)) : to,
  }))
}

/** What runs in a browser: pages (`ui/`) and the pure TypeScript below them (`store/`). */
const isBrowserFile = (file: string) => /^plugins\/web\/[a-z]+\/(ui|store)\//.test(file)
const files = globSync(['core/**/*.ts', 'plugins/**/*.ts'], { cwd: root })
const imports = files.filter((file) => !isBrowserFile(file)).flatMap(importsOf)
const browserImports = globSync('plugins/web/*/{ui,store}/**/*.{ts,tsx}', { cwd: root }).flatMap(importsOf)
const told = ({ from, to }: Import) => `${from} imports ${to}`
/** The folder of the plugin that a file belongs to; package.json names them all. */
const rooms = Object.values<{ source?: string; types?: string }>(
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports,
)
  .filter(({ types }) => types !== undefined)
  .map(({ source = '' }) => dirname(source).slice(2))
  .sort((a, b) => b.length - a.length)
const roomOf = (file: string) => rooms.find((room) => file.startsWith(`${room}/`)) ?? dirname(file)
const packageOf = (specifier: string) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
const isOutside = ({ to }: Import) => !to.startsWith('core/') && !to.startsWith('plugins/') && !to.startsWith('node:')

test('pages need no secure context: they may come without TLS from another machine', () => {
  const missing = /\bcrypto\.(?:randomUUID|subtle)\b/
  const found = globSync('plugins/web/*/{ui,store}/**/*.{ts,tsx}', { cwd: root }).filter((file) =>
    missing.test(readFileSync(join(root, file), 'utf8').replaceAll(/\/\*.*?\*\//gs, '')),
  )
  assert.deepEqual(found, [])
})

test('core never imports plugins, config or tests', () => {
  assert.deepEqual(
    imports
      .filter(
        ({ from, to }) =>
          from.startsWith('core/') && !to.startsWith('core/') && /^(plugins|config|test|docs)\//.test(to),
      )
      .map(told),
    [],
  )
})

test('plugins import only their own files, iems, other plugins’ api.ts and packages', () => {
  const wrong = imports.filter(({ from, to }) => {
    if (!from.startsWith('plugins/')) return false
    const own = roomOf(from)
    if (to.startsWith('core/')) return true
    return to.startsWith('plugins/') && !to.startsWith(`${own}/`) && !to.endsWith('/api.ts')
  })
  assert.deepEqual(wrong.map(told), [])
})

test('browser files import only packages, their own files and the shared kit, and no server file imports them', () => {
  const kit = 'plugins/web/app/ui/'
  const wrong = browserImports.filter(({ from, to }) => {
    if (!to.startsWith('plugins/'))
      return /^(node:|core\/|iems)/.test(to) || (from.includes('/store/') && !to.startsWith('plugins/'))
    const own = from.split('/').slice(0, 3).join('/')
    if (from.includes('/store/')) return !to.startsWith(`${own}/store/`)
    return !to.startsWith(kit) && !(isBrowserFile(to) && to.startsWith(`${own}/`))
  })
  assert.deepEqual(wrong.map(told), [])
  assert.deepEqual(imports.filter(({ to }) => isBrowserFile(to)).map(told), [])
})

test('each package that only browsers use, but for React and React Aria, is imported in one file', () => {
  const places = new Map<string, Set<string>>()
  for (const one of browserImports) {
    const name = packageOf(one.to)
    if (isOutside(one) && !one.typeOnly && !one.to.endsWith('.css') && !name.startsWith('react'))
      places.set(name, (places.get(name) ?? new Set()).add(one.from))
  }
  assert.deepEqual(
    [...places].filter(([, from]) => from.size > 1).map(([name]) => name),
    [],
  )
})

test('each package that core uses has the places the plan gives it', () => {
  const places: Readonly<Record<string, readonly string[]>> = {
    tapable: ['core/api/hooks.ts'],
    yauzl: ['core/mime/zip.ts'],
    'iconv-lite': ['core/mime/charset.ts'],
    level: ['core/store/level/database.ts', 'core/store/level/dump.ts'],
    aws4fetch: ['core/store/s3.ts'],
    cosmiconfig: ['core/runtime/config.ts'],
    pino: ['core/runtime/log.ts'],
    mailparser: ['core/message/parse.ts', 'core/message/message.ts', 'core/api/hooks.ts', 'core/cli/send.ts'],
    commander: [
      'backup',
      'doctor',
      'check',
      'help',
      'init/init',
      'main',
      'manual',
      'options',
      'plugin-commands',
      'program',
      'queue',
      'responder/responder',
      'send',
      'server',
      'start',
      'store',
      'watch',
    ].map((file) => `core/cli/${file}.ts`),
    zod: [
      'core/runtime/config-schema.ts',
      'core/runtime/blob-options.ts',
      'core/cli/responder/link.ts',
      'core/runtime/secret.ts',
      'core/runtime/kernel-commands.ts',
      'core/runtime/watch-commands.ts',
      'core/runtime/backup-command.ts',
      'core/runtime/settings.ts',
      'core/runtime/units.ts',
      'core/runtime/report-options.ts',
      'core/net/networks.ts',
      'core/control/protocol.ts',
      'core/control/server.ts',
      'core/testing/channels.ts',
      'core/listener/addresses.ts',
      'core/listener/certificates.ts',
      'core/listener/options.ts',
      'core/net/dns-options.ts',
    ],
    'dns-packet': ['core/net/dns-message.ts'],
    sax: ['core/mime/xml.ts'],
    '@standard-schema/spec': ['core/api/plugin.ts', 'core/api/command.ts', 'core/runtime/config.ts'],
  }
  const wrong = imports.filter(
    (one) => one.from.startsWith('core/') && isOutside(one) && !places[packageOf(one.to)]?.includes(one.from),
  )
  assert.deepEqual(wrong.map(told), [])
})

test('nothing of the kernel uses what it lends to listeners', () => {
  const lent = (file: string) =>
    file.startsWith('core/listener/') ||
    file === 'core/net/backends.ts' ||
    // Reports and trace fields are written as plugins write mail.
    (file.startsWith('core/mime/') && file !== 'core/mime/header-end.ts' && !file.startsWith('core/mime/compose/'))
  const wrong = imports.filter(
    ({ from, to }) =>
      from.startsWith('core/') &&
      lent(to) &&
      !lent(from) &&
      !from.startsWith('core/mime/') &&
      from !== 'core/index.ts' &&
      // A subject is read as people write it.
      !(from === 'core/inbound/summary.ts' && to === 'core/mime/words.ts'),
  )
  assert.deepEqual(wrong.map(told), [])
})

test('of the kernel only logins, sessions and the order of `auth` taps know SASL, and SASL knows only reply codes', () => {
  const known = [
    'core/auth/authenticator.ts',
    'core/inbound/session.ts',
    'core/api/plugin.ts',
    'core/api/session.ts',
    'core/runtime/order.ts',
    'core/runtime/wiring.ts',
    'core/index.ts',
  ]
  const isSasl = (file: string) => file.startsWith('core/auth/sasl/')
  const wrong = imports.filter(
    ({ from, to, typeOnly }) =>
      (isSasl(to) && !isSasl(from) && !known.includes(from)) ||
      (isSasl(from) && !isSasl(to) && to.startsWith('core/') && !typeOnly && to !== 'core/api/reply.ts'),
  )
  assert.deepEqual(wrong.map(told), [])
})

test('of the kernel only the listeners, the control socket and the networks know node:net, and nothing knows other protocols', () => {
  const net = ['core/runtime/listeners.ts', 'core/control/client.ts', 'core/control/server.ts', 'core/net/networks.ts']
  const resolver: Readonly<Record<string, readonly string[]>> = {
    'node:dns/promises': ['core/net/dns.ts'],
    'node:dgram': ['core/net/dns-transport.ts'],
  }
  const wrong = imports.filter(({ from, to, typeOnly }) => {
    // Listeners' tools and the test kit are not part of the kernel.
    if (!from.startsWith('core/') || /^core\/(listener|testing|cli\/responder)\//.test(from) || typeOnly) return false
    if (resolver[to]?.includes(from)) return false
    if (to === 'node:net' && from.startsWith('core/net/')) return false
    return /^node:(tls|dns|http|https|http2|dgram)/.test(to) || (to === 'node:net' && !net.includes(from))
  })
  assert.deepEqual(wrong.map(told), [])
})

test('only the resolver asks the DNS', () => {
  const wrong = imports.filter(
    ({ from, to, typeOnly }) => /^node:(dns|dgram)/.test(to) && !typeOnly && !from.startsWith('core/net/'),
  )
  assert.deepEqual(wrong.map(told), [])
})

test('each package that plugins use is imported in one file', () => {
  const places = new Map<string, Set<string>>()
  for (const one of imports) {
    if (!one.from.startsWith('plugins/') || !isOutside(one) || one.typeOnly) continue
    // nodemailer is two libraries: one composes MIME, the other speaks SMTP.
    const name = packageOf(one.to) === 'nodemailer' ? one.to : packageOf(one.to)
    if (name === 'iems' || name === 'zod') continue
    places.set(name, (places.get(name) ?? new Set()).add(one.from))
  }
  assert.deepEqual(
    [...places].filter(([, from]) => from.size > 1).map(([name, from]) => `${name}: ${[...from].join(', ')}`),
    [],
  )
})

test('no imports run in a circle', () => {
  const next = new Map<string, string[]>()
  for (const { from, to, typeOnly } of imports)
    if (!typeOnly && /^(core|plugins)\//.test(to)) next.set(from, [...(next.get(from) ?? []), to])
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): string | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file].join(' → ')
    if (done.has(file)) return undefined
    for (const to of next.get(file) ?? []) {
      const circle = visit(to, [...path, file])
      if (circle) return circle
    }
    done.add(file)
    return undefined
  }
  assert.equal(
    files.map((file) => visit(file, [])).find((circle) => circle !== undefined),
    undefined,
  )
})

test('no imports run in a circle, those of types and of browser pages included', () => {
  assert.deepEqual(circlesOf(shapesOf(['core/**/*.ts', 'plugins/**/*.{ts,tsx}'])), [])
})

/**
 * What each room of core/ may import at run time: a room whole, or one file of it. Type imports are free as long as they
 * close no circle. From top to bottom the rooms stand on those above them.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  api: [],
  store: ['api'],
  backup: ['api', 'store'],
  net: ['api', 'runtime/units.ts'],
  mime: ['api', 'listener/pace.ts', 'runtime/text.ts'],
  message: ['api', 'mime/header-end.ts', 'delivery/report-text.ts'],
  queue: ['api', 'store', 'message', 'mime/header-end.ts', 'delivery/report-text.ts', 'runtime/signals.ts'],
  auth: ['api', 'store', 'runtime/signals.ts'],
  listener: ['api', 'net', 'runtime/listeners.ts', 'runtime/units.ts'],
  inbound: ['api', 'auth', 'message', 'queue', 'mime/header-end.ts', 'mime/words.ts', 'mime/compose'],
  delivery: ['api', 'message', 'queue', 'mime/header-end.ts', 'mime/compose', 'runtime/answers.ts'],
  runtime: ['api', 'net', 'store', 'backup', 'queue', 'auth', 'inbound', 'delivery'],
  control: ['api', 'runtime', 'queue/records.ts'],
  cli: [
    'api',
    'store',
    'backup',
    'net/dns.ts',
    'net/reverse.ts',
    'net/self-signed.ts',
    'runtime',
    'control',
    'delivery/report-text.ts',
    'mime/compose',
  ],
  testing: ['api', 'store', 'inbound', 'queue', 'runtime'],
}

test('the arrows between the rooms of core are those of the table', () => {
  const roomOfCore = (file: string) => file.split('/')[1] ?? ''
  const wrong = imports.filter(({ from, to, typeOnly }) => {
    const [own, other] = [roomOfCore(from), roomOfCore(to)]
    if (typeOnly || !from.startsWith('core/') || !to.startsWith('core/') || own === other) return false
    // 'iems' itself shows some of every room.
    if (from === 'core/index.ts') return false
    return !ROOMS[own]?.some(
      (allowed) => allowed === other || to === `core/${allowed}` || to.startsWith(`core/${allowed}/`),
    )
  })
  assert.deepEqual(wrong.map(told), [])
  const rooms = new Set(files.filter((file) => /^core\/[^/]+\//.test(file)).map(roomOfCore))
  assert.deepEqual([...rooms].sort(), Object.keys(ROOMS).sort())
})

/** Lines of a file, lines of a function, named functions inside one. */
const MAX = { file: 350, function: 80, inner: 6 }
/** A component of a page is markup for the most part; few may be longer than a function. */
const MAX_COMPONENT = 160

test('files and functions are short, factories hold few functions, and modules hold no state', () => {
  const shapes = shapesOf(['core/**/*.ts', 'plugins/**/*.{ts,tsx}'])
  const functionsWith = (isTooLarge: (one: FunctionShape) => boolean) =>
    shapes.flatMap(({ file, functions }) => functions.filter(isTooLarge).map(({ name }) => `${file} ${name}`))
  assert.deepEqual(
    shapes.filter(({ lines }) => lines > MAX.file).map(({ file }) => file),
    [],
    `a file has at most ${MAX.file} lines`,
  )
  assert.deepEqual(
    shapes.flatMap(({ file, functions }) =>
      functions
        .filter(({ lines }) => lines > (file.endsWith('.tsx') ? MAX_COMPONENT : MAX.function))
        .map(({ name }) => `${file} ${name}`),
    ),
    [],
    `a function has at most ${MAX.function} lines, a component ${MAX_COMPONENT}`,
  )
  assert.deepEqual(
    functionsWith(({ inner }) => inner > MAX.inner),
    [],
    `a function holds at most ${MAX.inner} others`,
  )
  assert.deepEqual(
    shapes.flatMap(({ file, mutable }) => mutable.map((name) => `${file} ${name}`)),
    [],
    'a module holds no mutable state',
  )
})

test('the kernel keeps to its manners: no console, no process.exit, no default exports, no time but where it belongs', () => {
  const clocks = ['core/runtime/system-clock.ts', 'core/cli/', 'core/testing/', 'core/store/']
  const wrong: string[] = []
  for (const file of files) {
    const source = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    if (/\bconsole\./.test(source)) wrong.push(`${file}: console`)
    if (/\bprocess\.exit\(/.test(source)) wrong.push(`${file}: process.exit`)
    if (/^export default/m.test(source)) wrong.push(`${file}: default export`)
    if (file.startsWith('core/') && /\bDate\.now\(\)/.test(source) && !clocks.some((place) => file.startsWith(place)))
      wrong.push(`${file}: Date.now()`)
  }
  assert.deepEqual(wrong, [])
})

test('what is remembered in memory is a bounded cache of core/api/cache.ts', () => {
  const evicts = /\.delete\((?:oldest|[\w.#]+\.keys\(\)\.next)|\[\.\.\.[\w.#]+\.keys\(\)\]\.slice/
  assert.deepEqual(
    files.filter((file) => evicts.test(readFileSync(join(root, file), 'utf8'))),
    [],
  )
})

test('records are written by the one codec of core/store/record.ts', () => {
  const codes = /JSON\.parse\(Buffer\.from\(|value: Buffer\.from\(JSON\.stringify\(/
  assert.deepEqual(
    files.filter((file) => file !== 'core/store/record.ts' && codes.test(readFileSync(join(root, file), 'utf8'))),
    [],
  )
})

test('files are named for what they hold', () => {
  assert.deepEqual(
    files.filter((file) => /(^|\/)(utils?|helpers?|manager|common|types|misc)\.ts$/.test(file) || /[A-Z_]/.test(file)),
    [],
  )
})

test('dates, encoded words and base64 lines of mail are written by core/mime alone', () => {
  const writes = /toUTCString\(\)\.replace\('GMT'|=\?utf-8\?B\?\$|\.match\(\/\.\{1,76\}\/g\)/
  assert.deepEqual(
    files.filter((file) => !file.startsWith('core/mime/') && writes.test(readFileSync(join(root, file), 'utf8'))),
    [],
  )
})
