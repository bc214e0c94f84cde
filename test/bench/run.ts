/*
 * `npm run bench`: this server against Postfix and Haraka on this machine, in alternation, as ratios. Every number it
 * prints was seen in this run; a ratio is between neighbours in time, so what else the machine does falls on both.
 *
 *   npm run bench -- --quick                        fewer messages and one round
 *   npm run bench -- --only accept-kept,relay       accept-connections, accept-kept, relay, backlog, large, mail, mailsort, imap, jmap, directory, ldap, lists, notes, protection, content,
 *                                                   workers (one and two workers, in alternation),
 *                                                   nodes (one and two servers on PostgreSQL, in alternation)
 *   npm run bench -- --peer postfix                 against one of them only; `none`: this server alone
 *   npm run bench -- --rounds 5 --messages 3000     --json: one JSON value at the end, nothing else
 */
import { writeSync } from 'node:fs'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { whyNoPostfix } from '../support/postfix.ts'
import { whyNoSlapd } from '../support/slapd.ts'
import { CONTENT_PLUGINS, LETTERS, measureContent, measureLargeContent, type SeenContent } from './content.ts'
import { measureDirectory } from './directory.ts'
import { fsyncsPerSecond } from './disk.ts'
import { median, percent, spread } from './figures.ts'
import { installHaraka } from './haraka.ts'
import { reportImap } from './imap.ts'
import { reportJmap } from './jmap.ts'
import { LDAP_SERVERS, measureLdap } from './ldap.ts'
import { reportLists } from './lists.ts'
import type { MailServerName, SeenMail } from './mail.ts'
import { reportMail } from './mail-report.ts'
import { measureEngine, measureRules } from './mailsort.ts'
import {
  endAll,
  measureBacklog,
  measureLarge,
  measureRate,
  RATES,
  type RateName,
  type Seen,
  scoped,
} from './measure.ts'
import { reportNodes } from './nodes.ts'
import { measureNotes } from './notes.ts'
import { reportProtection } from './protection-report.ts'
import { SERVERS, type ServerName } from './servers.ts'
import { idleShare } from './usage.ts'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: {
      type: 'string',
      default:
        'accept-connections,accept-kept,relay,backlog,large,mail,mailsort,imap,jmap,directory,ldap,lists,notes,protection,content,workers,nodes',
    },
    peer: { type: 'string', default: 'postfix,haraka' },
    rounds: { type: 'string' },
    messages: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const rounds = Number(options.rounds ?? (options.quick ? 1 : 3))
const messages = Number(options.messages ?? (options.quick ? 1000 : 3000))
const only = options.only.split(',')
const peers = options.peer.split(',')

/** What this server should reach, as a multiple of a peer. */
const AIMS: Readonly<Record<RateName, Partial<Record<ServerName, number>>>> = {
  'accept-connections': { postfix: 3 },
  'accept-kept': { postfix: 6, 'haraka-discard': 2 },
  relay: { postfix: 5, haraka: 5 },
}

const report: Record<string, unknown> = {}

function say(text = ''): void {
  if (!options.json) console.log(text)
}

function contenders(rate: RateName): ServerName[] {
  const names: ServerName[] = ['iems']
  if (peers.includes('postfix')) names.push('postfix')
  if (peers.includes('haraka')) names.push('haraka')
  if (peers.includes('haraka') && !RATES[rate].isRelayed) names.push('haraka-discard')
  return names
}

async function compare(rate: RateName): Promise<void> {
  say(`\n${rate}: ${RATES[rate].text}`)
  const names = contenders(rate)
  const seen = new Map<ServerName, Seen[]>(names.map((name) => [name, []]))
  const idle: number[] = []
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      idle.push(await idleShare())
      seen.get(name)?.push(await measureRate(rate, name, messages))
    }
  }
  const ours = seen.get('iems') ?? []
  for (const [name, runs] of seen) {
    const ratios = ours.map(({ perSecond }, round) => perSecond / (runs[round]?.perSecond ?? Number.NaN))
    const aim = AIMS[rate][name]
    say(
      [
        `  ${name.padEnd(15)}${spread(
          runs.map(({ perSecond }) => perSecond),
          0,
        )} messages/s`,
        `${spread(
          runs.map(({ cpuMs }) => cpuMs),
          2,
        )} ms of processor each`,
        `machine ${percent(runs.map(({ busy }) => busy))} busy`,
        ...(name === 'iems' ? [] : [`iems/${name} ${spread(ratios, 2)}${aim ? ` (aim ${aim})` : ''}`]),
      ].join('   '),
    )
  }
  say(`  the machine was idle before the runs: ${percent(idle)}`)
  report[rate] = { runs: Object.fromEntries(seen), idle }
}

/** One worker and two, in alternation: the same server but for `workers`. */
async function workers(): Promise<void> {
  for (const rate of Object.keys(RATES) as RateName[]) {
    say(`\nworkers: ${RATES[rate].text}`)
    const [one, two]: [Seen[], Seen[]] = [[], []]
    const idle: number[] = []
    for (let round = 0; round < rounds; round++) {
      idle.push(await idleShare())
      one.push(await measureRate(rate, 'iems', messages))
      two.push(await measureRate(rate, 'iems-2-workers', messages))
    }
    const perSecond = (runs: readonly Seen[]) => runs.map((run) => run.perSecond)
    const show = (name: string, runs: readonly Seen[]) =>
      `  ${name.padEnd(12)}${spread(perSecond(runs), 0)} messages/s   ${spread(
        runs.map(({ cpuMs }) => cpuMs),
        2,
      )} ms of processor each   machine ${percent(runs.map(({ busy }) => busy))} busy`
    const ratios = two.map((run, round) => run.perSecond / (one[round]?.perSecond ?? Number.NaN))
    say(show('one worker', one))
    say(`${show('two workers', two)}   two/one ${spread(ratios, 2)}`)
    say(`  the machine was idle before the rounds: ${percent(idle)}`)
    report[`workers ${rate}`] = { one, two, idle }
  }
}

async function backlog(): Promise<void> {
  const waiting = options.quick ? 10_000 : 100_000
  say(`\nbacklog: with ${waiting} messages waiting for a next hop that does not answer, as a share of the empty queue`)
  const { empty, full, emptyBytes, fullBytes } = await measureBacklog(waiting, messages, Math.max(3, rounds))
  for (const way of ['intake', 'delivery'] as const) {
    const share = (100 * median(full[way])) / median(empty[way])
    say(
      `  ${way.padEnd(10)}${spread(full[way], 0)} of ${spread(empty[way], 0)} messages/s: ${share.toFixed(0)} % (aim 80 %)`,
    )
  }
  say(`  memory    ${megabytes(fullBytes)} MB at most, ${megabytes(emptyBytes)} MB with an empty queue (aim 250 MB)`)
  report.backlog = { waiting, empty, full, emptyBytes, fullBytes }
}

async function large(): Promise<void> {
  say('\nlarge: one message through the server to smtp-sink; how far memory rises above what it was before')
  const seen = await measureLarge([5, 25, 49])
  for (const one of seen) {
    say(`  ${String(one.megabytes).padStart(3)} MB in ${one.seconds.toFixed(2)} s: ${megabytes(one.roseBytes)} MB more`)
  }
  report.large = seen
}

const megabytes = (octets: number) => (octets / 1e6).toFixed(0)

async function directory() {
  say('\ndirectory: accounts in the store; each RCPT is for another one, a thousand in one write')
  const seen = []
  for (const accounts of [1000, options.quick ? 10_000 : 100_000]) {
    const one = await scoped((scope) => measureDirectory(scope, accounts))
    say(
      `  ${String(accounts).padEnd(8)}${one.imported.toFixed(0)} imported/s, ${one.recipients.toFixed(0)} recipients/s, ${one.megabytes} MB resident`,
    )
    seen.push({ accounts, ...one })
  }
  return seen
}

async function ldap() {
  say(
    '\nldap: twenty clients, each with one search under way; by address, by the beginning of a name, by a part of a text',
  )
  const seen = []
  for (const accounts of options.quick ? [1000] : [1000, 100_000])
    for (const server of LDAP_SERVERS.filter((name) => name !== 'slapd' || whyNoSlapd() === undefined)) {
      const one = await scoped((scope) => measureLdap(scope, server, accounts))
      const { equal, alone, begins, part, paged, cpu, megabytes } = one
      say(
        `  ${`${server}, ${accounts} accounts`.padEnd(24)}${equal.toFixed(0)}/s by address (${alone.toFixed(2)} ms alone), ${begins.toFixed(0)}/s by beginning, ${part.toFixed(0)} ms by part, ${paged.toFixed(0)} entries/s in pages, ${megabytes} MB resident; processor ${cpu.equal.toFixed(0)}, ${cpu.begins.toFixed(0)} and ${cpu.paged.toFixed(1)} µs`,
      )
      seen.push({ server, accounts, ...one })
    }
  return seen
}

async function mailsort() {
  const count = options.quick ? 1000 : 10_000
  say(
    `\nmailsort: ${count} messages with 50 rules each, beside Dovecot's Sieve behind Postfix by LMTP; and the engine alone`,
  )
  const seen: Record<MailServerName, SeenMail[]> = { iems: [], 'postfix+dovecot': [] }
  for (let round = 0; round < rounds; round++)
    for (const server of ['iems', 'postfix+dovecot'] as const)
      seen[server].push(await scoped((scope) => measureRules(scope, server, count)))
  const [own, theirs] = [seen.iems, seen['postfix+dovecot']].map((runs) => runs.map(({ perSecond }) => perSecond))
  const ratios = (own ?? []).map((rate, round) => rate / (theirs?.[round] ?? Number.NaN))
  const [ms, theirMs] = [seen.iems, seen['postfix+dovecot']].map((runs) => median(runs.map(({ cpuMs }) => cpuMs)))
  say(
    `  rules     ${spread(own ?? [], 0)} of ${spread(theirs ?? [], 0)} messages/s: ${spread(ratios, 2)} (aim 5); ${ms?.toFixed(2)}, ${theirMs?.toFixed(2)} ms of processor each`,
  )
  const engine: number[] = []
  for (let round = 0; round < rounds; round++) engine.push(await measureEngine(options.quick ? 10_000 : 50_000))
  say(`  engine    ${spread(engine, 0)} messages/s with ten rules over headers, in one thread (aim 20,000)`)
  return { seen, engine }
}

/** Each plugin against none, for mail that it leaves and mail that it changes, in alternation. */
async function content() {
  say('\ncontent: messages of 4 KiB with a file, taken in and relayed; the plugins leave them or change them')
  const aims: Readonly<Record<string, string>> = { untouched: 'aim 80 %', touched: 'aim 50 %' }
  const seen: Record<string, Record<string, SeenContent[]>> = {}
  for (const [kind, letter] of Object.entries(LETTERS)) {
    const runs: Record<string, SeenContent[]> = Object.fromEntries(CONTENT_PLUGINS.map((name) => [name, []]))
    for (let round = 0; round < rounds; round++)
      for (const name of CONTENT_PLUGINS)
        runs[name]?.push(await scoped((scope) => measureContent(scope, name, letter, messages)))
    const bare = (runs.none ?? []).map(({ perSecond }) => perSecond)
    for (const [name, all] of Object.entries(runs)) {
      const rates = all.map(({ perSecond }) => perSecond)
      const share = median(rates.map((rate, round) => rate / (bare[round] ?? Number.NaN)))
      const cpu = `${median(all.map((one) => one.cpu)).toFixed(0)} µs of processor each`
      const than = name === 'none' ? '' : `   ${(100 * share).toFixed(0)} % of the bare rate (${aims[kind]})`
      say(`  ${`${kind}, ${name}`.padEnd(24)}${spread(rates, 0)} messages/s   ${cpu}${than}`)
    }
    seen[kind] = runs
  }
  const large = await scoped((scope) => measureLargeContent(scope))
  say(`  100 MB changed by both: ${large.megabytes.toFixed(0)} MB more at the peak, ${large.seconds.toFixed(1)} s`)
  return { seen, large }
}

async function reportNotes() {
  say('\nnotes: messages of an NSF file converted whole, and a sparse one of 4 GB without its superblock')
  const seen = await measureNotes(messages)
  say(`  ${seen.perSecond.toFixed(0)} messages/s, ${seen.megabytesPerSecond.toFixed(1)} MB/s`)
  say(`  4 GB: ${seen.largeSeconds.toFixed(1)} s, ${seen.largeMegabytes.toFixed(0)} MB of memory`)
  return seen
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // Servers in process groups of their own would outlive us.
  process.once(signal, () => void endAll().finally(() => process.kill(process.pid, signal)))
}

const KNOWN = [
  ...Object.keys(RATES),
  'backlog',
  'large',
  'mail',
  'mailsort',
  'content',
  'imap',
  'jmap',
  'directory',
  'ldap',
  'lists',
  'notes',
  'protection',
  'workers',
  'nodes',
]
const unknown = only.find((name) => !KNOWN.includes(name))
if (unknown !== undefined) throw new Error(`--only ${unknown}: it must be one of ${KNOWN.join(', ')}`)
const missing = peers.includes('postfix') ? whyNoPostfix() : undefined
if (missing) throw new Error(`${missing}; smtp-source and smtp-sink come with it too`)
if (peers.includes('haraka')) installHaraka()
const fsyncs = await fsyncsPerSecond()
const machine = `${availableParallelism()} processors (${cpus()[0]?.model}), Node ${process.version}, load ${loadavg()[0]?.toFixed(1)}`
say(`${machine}; this disk: ${fsyncs.toFixed(0)} fsyncs/s one after the other`)
say(
  `20 clients (smtp-source, no pipelining), 4 KiB messages, fsync on; ${messages} messages a run, ${rounds} rounds; median (min–max)`,
)
for (const [name, { changed }] of Object.entries(SERVERS)) {
  if (
    name === 'iems' ||
    (name.startsWith('iems') && only.includes('workers')) ||
    peers.some((peer) => name.startsWith(peer))
  )
    say(`  ${name.padEnd(15)}${changed}`)
}
Object.assign(report, { machine, fsyncs, messages, rounds })

for (const rate of Object.keys(RATES) as RateName[]) if (only.includes(rate)) await compare(rate)
if (only.includes('workers')) await workers()
if (only.includes('nodes')) report.nodes = await reportNodes({ rounds, messages, say })
if (only.includes('backlog')) await backlog()
if (only.includes('large')) await large()
if (only.includes('mail')) report.mail = await reportMail({ rounds, quick: options.quick, say, scoped })
if (only.includes('mailsort')) report.mailsort = await mailsort()
if (only.includes('imap')) report.imap = await reportImap({ quick: options.quick, say, scoped })
if (only.includes('jmap')) report.jmap = await reportJmap({ quick: options.quick, say, scoped })
if (only.includes('directory')) report.directory = await directory()
if (only.includes('ldap')) report.ldap = await ldap()
if (only.includes('lists')) report.lists = await reportLists({ quick: options.quick, say, scoped })
if (only.includes('notes')) report.notes = await reportNotes()
if (only.includes('protection')) report.protection = await reportProtection({ rounds, messages, say, scoped })
if (only.includes('content')) report.content = await content()
if (options.json) writeSync(1, `${JSON.stringify(report)}\n`)
