/**
 * The `iems` command. Starts a server, or speaks to a running one through its control socket.
 *
 * What must stay true: it prints for people, escaped (text.ts), and, with --json, one JSON value a line for programs;
 * every error says what to do; nothing of the server's logic is here.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { styleText } from 'node:util'
import { Command, InvalidArgumentError, Option } from 'commander'
import { IemsError, reasonOf } from '../api/errors.ts'
import type { Level } from '../api/events.ts'
import type { Finding } from '../api/hooks.ts'
import type { Submitted } from '../api/plugin.ts'
import { format } from '../api/reply.ts'
import { askServer, type CommandShape, type ControlRequest, openControl, type Status } from '../control/control.ts'
import type { DeliveryTrace, MessageTrace, Step } from '../message/trace.ts'
import type { QueueEntry } from '../queue/admin.ts'
import { type Config, loadConfig, pathIn } from '../runtime/config.ts'
import { createKernel, type Kernel } from '../runtime/kernel.ts'
import { createListeners } from '../runtime/listeners.ts'
import { createLog } from '../runtime/log.ts'
import { controlPath, folderWarnings, startServer, systemClock } from '../runtime/server.ts'
import { counted, escapeLine, escapeText, escapeValue, formatSize, jsonLine } from '../runtime/text.ts'
import { startWatchdog } from '../runtime/watchdog/watchdog.ts'
import { type Verified, verifyRecords } from '../store/level/verify.ts'
import { memoryStore } from '../store/memory.ts'
import { addPluginCommands } from './plugin-commands.ts'

const out = (text: string) => process.stdout.write(`${text}\n`)
const bold = (text: string) => styleText('bold', text)
const dim = (text: string) => styleText('dim', text)

// --- printing --------------------------------------------------------------------------------

/** Columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  '),
    )
    .join('\n')
}

function ago(ms: number): string {
  const minutes = Math.round(Math.abs(ms) / 60_000)
  if (minutes < 1) return `${Math.round(Math.abs(ms) / 1000)} s`
  return minutes < 120
    ? `${minutes} min`
    : minutes < 2880
      ? `${Math.round(minutes / 60)} h`
      : `${Math.round(minutes / 1440)} days`
}

const time = (ms: number) => new Date(ms).toISOString().replace('T', ' ').replace('Z', '')

function showEntry(entry: QueueEntry): string {
  const now = Date.now()
  const { due = now } = entry
  const when =
    entry.held !== undefined
      ? `held: ${entry.held}`
      : entry.active
        ? 'being delivered'
        : due <= now
          ? 'due now'
          : `next try in ${ago(due - now)}`
  const head = `${bold(entry.id)}  ${entry.priority}  ${formatSize(entry.size)}  ${ago(now - entry.since)} old  from <${entry.from}>`
  const way = `  ${entry.channel} → ${entry.nexthop}  ${when}, ${counted(entry.attempt, 'attempt')} made`
  return [
    head,
    way,
    ...entry.recipients.map(({ address, last }) => `    <${address}>${last === undefined ? '' : dim(`  ${last}`)}`),
  ].join('\n')
}

function showStep({ at, hook, plugin, recipient, fault, verdict, change, ms }: Step): string {
  const about = recipient === undefined ? '' : ` <${recipient}>`
  const said = fault ? `fault: ${fault}` : (verdict ?? 'no opinion')
  return `  ${time(at)}  ${hook} ${plugin}${about}: ${said}${change ? `, ${change}` : ''} ${dim(`${ms} ms`)}`
}

/** What plugins did; those that did nothing share one line unless all are wanted. */
function showSteps(steps: readonly Step[], all: boolean): string[] {
  const isQuiet = ({ fault, verdict, change }: Step) => !fault && !verdict && !change
  const quiet = all ? [] : steps.filter(isQuiet)
  const counts = Object.entries(Object.groupBy(quiet, ({ hook }) => hook))
  const folded = counts.map(([hook, list]) => `${hook} ${list?.length ?? 0}`).join(', ')
  return [
    ...(all ? steps : steps.filter((step) => !isQuiet(step))).map(showStep),
    ...(quiet.length > 0 ? [dim(`  without an opinion: ${folded} (--all shows them)`)] : []),
  ]
}

const showFinding = ({ plugin, name, value }: Finding) => `  found by ${plugin}: ${name} = ${value}`

function showDelivery({ channel, nexthop, attempts, findings = [], waiting }: DeliveryTrace, all: boolean): string[] {
  const lines = [`${bold(`${channel} → ${nexthop}`)}`]
  for (const { at, ms, fates, steps = [] } of attempts) {
    lines.push(...showSteps(steps, all))
    for (const { address, status, reply, remote } of fates)
      lines.push(
        `  ${time(at)}  ${status} <${address}> in ${ms} ms: ${remote === undefined ? '' : `${remote}: `}${reply}`,
      )
  }
  lines.push(...findings.map(showFinding))
  if (waiting) {
    const when =
      waiting.held !== undefined
        ? `held: ${waiting.held}`
        : waiting.due === undefined
          ? 'waits'
          : `waits until ${time(waiting.due)}`
    for (const { address } of waiting.recipients) lines.push(`  ${when} <${address}>`)
  }
  return lines
}

function showBiography(life: MessageTrace, all: boolean): string {
  const { session } = life
  const actor = session.identity?.actor ? ` (by ${session.identity.actor.user})` : ''
  const who = session.identity ? ` as ${session.identity.user}${actor}` : ''
  const tls = session.tls ? ` with ${session.tls.version}` : ''
  const lines = [
    `${bold(life.id)}  ${life.refused ? 'refused' : life.finished ? 'finished' : 'in the queue'}`,
    `from <${life.from}>  ${formatSize(life.size)}  ${life.priority}`,
    ...life.recipients.map(
      ({ address, original }) => `to <${address}>${address === original ? '' : ` (for <${original}>)`}`,
    ),
    `came in by ${session.channel} (${session.protocol}) from ${session.helo ?? 'unknown'} [${session.remote.address}]${who}${tls}`,
    '',
    ...showSteps(life.steps, all),
    ...life.findings.map(showFinding),
    `  ${time(life.at)}  ${life.refused ?? 'accepted'}`,
    '',
    ...life.deliveries.flatMap((delivery) => showDelivery(delivery, all)),
  ]
  return lines.join('\n')
}

function showVerified({ files, octets: read, damaged }: Verified): string {
  const lines = [
    ...damaged.map(({ file, what }) => `${file}: ${what}`),
    `${counted(files, 'file')} with ${formatSize(read)} read, ${damaged.length} damaged`,
  ]
  if (damaged.length > 0)
    lines.push(
      'Stop the server and restore the folder `records` whole from a backup, together with `blobs`; a single file of it fits no other time. Then run iems mailbox check --deep --repair.',
    )
  return lines.join('\n')
}

function showOrder(order: Readonly<Record<string, readonly { plugin: string; stage: string }[]>>): string {
  return Object.entries(order)
    .map(
      ([hook, taps]) =>
        `${bold(hook.padEnd(10))} ${taps.length === 0 ? dim('–') : taps.map(({ plugin, stage }) => (stage === 'normal' ? plugin : `${plugin} (${stage})`)).join(' ▸ ')}`,
    )
    .join('\n')
}

// --- start -----------------------------------------------------------------------------------

interface StartOptions {
  readonly config?: string
  readonly memory?: boolean
  readonly logLevel?: Level
  readonly quiet?: boolean
}

/** Where mail can be tried at once, for someone who has just started his first server. */
function welcome({ doors, config }: Kernel): string {
  const first = doors.find(({ label }) => label.startsWith('SMTP'))
  const lines = [
    `${bold('iems')} ${escapeLine(config.hostname)} with ${escapeLine(config.path)}`,
    ...doors.map(({ label, plugin, address, port }) => {
      const place = port === 0 ? address : `${address.includes(':') ? `[${address}]` : address}:${port}`
      return `  ${escapeLine(label).padEnd(14)} ${escapeLine(place)}  ${dim(escapeLine(plugin))}`
    }),
    ...(first
      ? [
          '',
          'Send a first message with',
          bold(`  printf 'Subject: first\\n\\nHello\\n' | npx iems send --from me@example.org you@example.org`),
          'and see what became of it with',
          bold('  npx iems queue'),
        ]
      : []),
    '',
  ]
  return lines.join('\n')
}

async function start(options: StartOptions) {
  // Mail, passwords and keys: nothing that the server makes is for other users of the machine.
  process.umask(0o077)
  const config = await loadConfig(options.config)
  const log = createLog({ ...config.log, ...(options.logLevel ? { level: options.logLevel } : {}) })
  const server = await startServer({ config, log, ...(options.memory ? { memory: true } : {}) })
  let closeControl: () => void
  try {
    closeControl = await openControl(server, controlPath(config))
  } catch (error) {
    await server.stop()
    throw error
  }
  const stopWatching = startWatchdog({
    timeout: config.watchdog,
    failed: (cause) => server.kernel.emit('kernel.fault', { cause }),
  })
  if (!options.quiet) process.stderr.write(`${welcome(server.kernel)}\n`)
  // A reload that fails has told so in the log, and the old configuration goes on.
  process.on('SIGHUP', () => void server.reload().catch(() => {}))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void server.stop().catch(fail))
  await server.stopped
  closeControl()
  stopWatching()
}

/** Sets the whole configuration up without opening a door, and takes it down again. */
async function rehearse<T>(config: Config, look: (kernel: Kernel) => T): Promise<T> {
  const store = memoryStore()
  const log = createLog({ level: 'error', privacy: false, to: { write() {} } })
  try {
    const kernel = await createKernel({ config, store, ports: createListeners(() => {}), clock: systemClock, log })
    const seen = look(kernel)
    await kernel.close(AbortSignal.timeout(5000))
    return seen
  } finally {
    await store.close()
  }
}

// --- the rest --------------------------------------------------------------------------------

interface Common {
  readonly config?: string
  readonly json?: boolean
}

/** What the server answers, unescaped: the caller escapes it on printing. */
async function askRaw<T>(
  { config }: Common,
  asked: ControlRequest,
  each?: (item: unknown) => unknown,
  file?: AsyncIterable<Uint8Array>,
): Promise<T> {
  return askServer<T>(controlPath(await loadConfig(config)), asked, each, file)
}

/** For people, every answer is escaped before it is styled; programs get it as it is. */
async function ask<T>(options: Common, asked: ControlRequest, each?: (item: unknown) => unknown): Promise<T> {
  const shown = options.json ? <V>(value: V) => value : escapeValue
  return shown(await askRaw<T>(options, asked, each && ((item) => each(shown(item)))))
}

/** The commands of plugins: those of the running server, or of what the configuration says. */
async function pluginCommands(options: Common): Promise<readonly CommandShape[]> {
  const shapes: CommandShape[] = []
  try {
    await ask(options, { v: 1, method: 'commands' }, (shape) => shapes.push(shape as CommandShape))
    return shapes
  } catch (error) {
    if (!(error instanceof IemsError) || error.code !== 'IEMS_CONTROL_ABSENT') throw error
    return rehearse(await loadConfig(options.config), ({ commands }) =>
      [...commands].map(([words, { run: _, ...shape }]) => ({ words, ...shape })),
    )
  }
}

function print(options: Common, value: unknown, text: string) {
  out(options.json ? jsonLine(value) : text)
}

interface FilterOptions extends Common {
  readonly channel?: string
  readonly nexthop?: string
  readonly from?: string
  readonly to?: string
  readonly held?: boolean
  readonly all?: boolean
  readonly reason?: string
  readonly limit?: number
}

function filterOf(ids: readonly string[], { channel, nexthop, from, to, held, all }: FilterOptions) {
  const rest = { channel, nexthop, from, recipient: to, held }
  if (ids.length > 0) return ids.map((message) => ({ ...rest, message }))
  return [all ? { ...rest, message: '*' } : rest]
}

async function changeQueue(verb: string, options: FilterOptions, requests: readonly ControlRequest[]) {
  let count = 0
  for (const asked of requests) count += await ask<number>(options, asked)
  print(options, { count }, `${counted(count, 'delivery')} ${verb}`)
}

async function list(options: FilterOptions) {
  let count = 0
  for (const filter of filterOf([], options)) {
    await ask(options, { v: 1, method: 'queue.list', params: { filter, limit: options.limit ?? 1000 } }, (item) => {
      count++
      print(options, item, showEntry(item as QueueEntry))
    })
  }
  if (!options.json)
    out(count === 0 ? 'The queue is empty' : `${count} ${count === 1 ? 'delivery waits' : 'deliveries wait'}`)
}

async function readInput(): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** The addresses of To, Cc and Bcc, for `send -t`. */
async function addressesIn(content: Buffer): Promise<string[]> {
  const { simpleParser } = await import('mailparser')
  const { to, cc, bcc } = await simpleParser(content, {
    skipHtmlToText: true,
    skipTextLinks: true,
    skipTextToHtml: true,
    skipImageLinks: true,
  })
  return [to, cc, bcc]
    .flat()
    .flatMap(
      (list) =>
        list?.value.flatMap(({ address, group }) =>
          address ? [address] : (group ?? []).map((one) => one.address ?? ''),
        ) ?? [],
    )
}

interface SendOptions extends Common {
  readonly from?: string
  readonly readRecipients?: boolean
}

async function send(to: readonly string[], options: SendOptions) {
  const content = await readInput()
  const recipients = [...to, ...(options.readRecipients ? await addressesIn(content) : [])].filter(
    (address) => address !== '',
  )
  if (recipients.length === 0) throw new IemsError('IEMS_CONTROL_REFUSED', { why: 'No recipient was given' })
  const from =
    options.from ??
    `${process.env.USER ?? process.env.LOGNAME ?? 'root'}@${(await loadConfig(options.config)).hostname}`
  const sent = await ask<Submitted>(options, {
    v: 1,
    method: 'send',
    params: { from: from.replace(/^<|>$/g, ''), to: recipients, content: content.toString('base64'), submission: true },
  })
  print(
    options,
    sent,
    [format(sent.reply), ...sent.refused.map(({ address, reply }) => `<${address}>: ${format(reply)}`)].join('\n'),
  )
  // EX_TEMPFAIL and EX_UNAVAILABLE of sysexits.h, as sendmail says it.
  if (sent.reply.code >= 400) process.exitCode = sent.reply.code < 500 ? 75 : 69
}

function showBackend({ plugin, service, server, failures, lastFailure }: Status['backends'][number]): string[] {
  const state = failures === 0 ? 'in use' : `down, ${counted(failures, 'failure')} in a row`
  return ['', service, server, plugin, `${state}${failures > 0 && lastFailure ? `: ${lastFailure}` : ''}`]
}

function showStatus({ pid, since, config, hostname, doors, backends, lanes, memory }: Status): string {
  const waiting = lanes.length === 0 ? 'The queue is empty' : `${counted(lanes.length, 'next hop')} with mail waiting`
  return [
    `${hostname}: running for ${ago(Date.now() - since)}, process ${pid}, ${formatSize(memory)} of memory`,
    config,
    table(doors.map(({ label, plugin, address, port }) => ['', label, `${address}:${port}`, plugin])),
    ...(backends.length > 0 ? [table(backends.map(showBackend))] : []),
    waiting,
  ].join('\n')
}

/** The configuration as it is written, then what a running server has found wrong with what it keeps. */
async function checkAll(options: Common) {
  const config = await loadConfig(options.config)
  const warnings = [...folderWarnings(config), ...(await rehearse(config, (kernel) => kernel.warnings))]
  let isRunning = true
  try {
    await ask(options, { v: 1, method: 'check' }, (text) => warnings.push(String(text)))
  } catch (error) {
    if (!(error instanceof IemsError) || error.code !== 'IEMS_CONTROL_ABSENT') throw error
    isRunning = false
  }
  const verdict = warnings.length === 0 ? 'is in order' : 'is valid, with warnings'
  const lines = [`${config.path} ${verdict}`, ...warnings.map((text) => `warning: ${text}`)]
  if (!isRunning) lines.push('No server answers: directory entries and other records were not looked at')
  print(options, { ok: true, path: config.path, warnings, records: isRunning }, lines.join('\n'))
}

// --- the command's shape -----------------------------------------------------------------------

const count = (text: string) => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a whole number from 1')
  return value
}

/** Options that choose deliveries. */
function choosing(command: Command): Command {
  return command
    .option('--channel <name>', 'only those of this channel')
    .option('--nexthop <name>', 'only those for this next hop; .example.org is every one below it')
    .option('--from <address>', 'only those of this sender')
    .option('--to <address>', 'only those to this recipient')
}

function common(command: Command): Command {
  return command
    .option('-c, --config <file>', 'the configuration; default: the first iems.config.* from here upwards')
    .option('--json', 'one JSON value a line')
}

function version(): string {
  // In a checkout this file is in core/, in a package in dist/core/.
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version
    } catch {
      // The other place, then.
    }
  }
  return 'unknown'
}

function program(): Command {
  const iems = new Command('iems').description('All-in-one messaging server').version(version())

  common(iems.command('start').description('start the server'))
    .option('--memory', 'keep nothing: for trying things out')
    .option('--quiet', 'do not say what listens where')
    .addOption(
      new Option('--log-level <level>', 'the least important lines that are written').choices([
        'error',
        'warn',
        'info',
        'debug',
      ]),
    )
    .action(start)

  common(
    iems
      .command('check')
      .description('check the configuration completely, and what the running server keeps; nothing is opened'),
  ).action(checkAll)

  common(iems.command('hooks').description('the order in which plugins run, for each hook')).action(
    async (options: Common) => {
      const order = await rehearse(await loadConfig(options.config), ({ hooks }) =>
        Object.fromEntries(
          [...hooks.order].map(([hook, taps]) => [hook, taps.map(({ plugin, stage }) => ({ plugin, stage }))]),
        ),
      )
      print(options, order, showOrder(order))
    },
  )

  common(
    iems
      .command('status')
      .description('what runs, listens and waits; exit code 1 when a server that a plugin depends on is down'),
  ).action(async (options: Common) => {
    const status = await ask<Status>(options, { v: 1, method: 'status' })
    print(options, status, showStatus(status))
    if (status.backends.some(({ failures }) => failures > 0)) process.exitCode = 1
  })

  common(
    iems.command('reload').description('change over to the configuration as it is now; a wrong one changes nothing'),
  ).action(async (options: Common) => {
    await ask(options, { v: 1, method: 'reload' })
    print(options, { ok: true }, 'The new configuration is in force')
  })

  common(iems.command('stop').description('finish what is under way, then end'))
    .option('--now', 'do not wait')
    .action(async (options: Common & { now?: boolean }) => {
      await ask(options, { v: 1, method: 'stop', params: { now: options.now ?? false } })
      print(options, { ok: true }, 'The server is stopping')
    })

  common(iems.command('send').description('hand in a message from standard input, as sendmail does'))
    .argument('[recipients...]')
    .option('-f, --from <address>', 'the sender; default: the user and the host name')
    .option('-t, --read-recipients', 'also to everybody in To, Cc and Bcc')
    .action(send)

  const message = iems.command('message').description('a single message')
  common(
    message
      .command('show')
      .description("a message's biography: each hook's verdict, each attempt with the remote's reply"),
  )
    .argument('<id>')
    .option('--all', 'also the plugins that had no opinion')
    .action(async (id: string, options: Common & { all?: boolean }) => {
      const life = await ask<MessageTrace>(options, {
        v: 1,
        method: 'message.show',
        params: { id: id.split('.')[0] ?? id },
      })
      print(options, life, showBiography(life, options.all ?? false))
    })

  const store = iems.command('store').description('the data folder')
  common(
    store.command('check').description('read every record of the store and compare its checksums; the server may run'),
  ).action(async (options: Common) => {
    const config = await loadConfig(options.config)
    if (!('path' in config.store)) throw new IemsError('IEMS_CONTROL_REFUSED', { why: 'The store is not a folder' })
    const result = await verifyRecords(pathIn(config, config.store.path))
    print(options, result, showVerified(result))
    if (result.damaged.length > 0) process.exitCode = 1
  })

  const queue = iems.command('queue').description('what waits and why; without a further word, the list')
  choosing(common(queue.command('list', { isDefault: true }).description('what waits and why')))
    .option('--held', 'only what is held')
    .option('--limit <count>', 'at most so many', count)
    .action(list)
  common(queue.command('show').description('one waiting message, with all its deliveries'))
    .argument('<id>')
    .action(async (id: string, options: Common) => {
      await ask(options, { v: 1, method: 'queue.list', params: { filter: { message: id }, limit: 10_000 } }, (item) =>
        print(options, item, showEntry(item as QueueEntry)),
      )
    })
  const verbs = {
    hold: 'held',
    release: 'released',
    retry: 'due now',
    remove: 'removed',
    bounce: 'returned to their senders',
  } as const
  const about = {
    hold: 'keep deliveries from being tried',
    release: 'let held deliveries go',
    retry: 'try now',
    remove: 'end deliveries without a word to the sender',
    bounce: 'return to the sender',
  } as const
  for (const verb of ['hold', 'release', 'retry', 'remove', 'bounce'] as const) {
    const command = choosing(common(queue.command(verb).description(about[verb])))
      .argument('[ids...]', 'messages, or single deliveries as the list names them')
      .option('--all', 'everything in the queue that matches')
    if (verb === 'hold' || verb === 'bounce')
      command.option('--reason <text>', 'what lists and reports say', 'by the administrator')
    command.action((ids: string[], options: FilterOptions) => {
      const { reason = '' } = options
      const requests = filterOf(ids, options).map(
        (filter): ControlRequest =>
          verb === 'hold' || verb === 'bounce'
            ? { v: 1, method: `queue.${verb}`, params: { filter, reason } }
            : { v: 1, method: `queue.${verb}`, params: { filter } },
      )
      return changeQueue(verbs[verb], options, requests)
    })
  }
  choosing(common(queue.command('reroute').description('send by another way')))
    .argument('[ids...]')
    .option('--all', 'everything in the queue that matches')
    .requiredOption('--via <channel>', 'the channel to deliver them')
    .requiredOption('--new-nexthop <name>', 'the next hop there')
    .action((ids: string[], options: FilterOptions & { via: string; newNexthop: string }) =>
      changeQueue(
        'rerouted',
        options,
        filterOf(ids, options).map((filter) => ({
          v: 1,
          method: 'queue.reroute',
          params: { filter, channel: options.via, nexthop: options.newNexthop },
        })),
      ),
    )
  common(queue.command('flush').description('try everything for a next hop now, as ETRN does'))
    .argument('<nexthop>', 'a next hop; .example.org is every one below it')
    .option('--channel <name>', 'only by this channel')
    .action((nexthop: string, options: FilterOptions) => {
      const params = options.channel === undefined ? { nexthop } : { nexthop, channel: options.channel }
      return changeQueue('due now', options, [{ v: 1, method: 'queue.flush', params }])
    })
  return iems
}

function fail(error: unknown) {
  const { cure } = error as { cure?: string }
  process.stderr.write(`iems: ${escapeText(reasonOf(error))}\n${cure === undefined ? '' : `${dim(cure)}\n`}`)
  process.exitCode = 1
}

/** Whether what is asked for may be a plugin's, or is a list of everything. */
function mayBeOfPlugin(iems: Command, [, , word = '--help']: readonly string[]): boolean {
  if (word.startsWith('-')) return word === '--help' || word === '-h'
  return word === 'help' || !iems.commands.some((command) => command.name() === word)
}

/** The configuration that is named, read before commander may, since the commands depend on it. */
function namedConfig(words: readonly string[]): Common {
  const at = words.findIndex((word) => word === '-c' || word === '--config')
  const config = at < 0 ? words.find((word) => word.startsWith('--config='))?.slice(9) : words[at + 1]
  return config === undefined ? {} : { config }
}

// A reader that is gone, as `head` is after its lines, ends neither a command nor the server.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') fail(error)
})
process.stderr.on('error', () => {})
try {
  const iems = program()
  if (mayBeOfPlugin(iems, process.argv)) {
    try {
      addPluginCommands(iems, await pluginCommands(namedConfig(process.argv)), askRaw)
    } catch (error) {
      // The help must come even without a configuration; a command of a plugin cannot.
      if (!(process.argv[2] ?? '-').startsWith('-')) throw error
    }
  }
  await iems.parseAsync()
} catch (error) {
  fail(error)
}
if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
