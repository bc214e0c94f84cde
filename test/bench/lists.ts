/*
 * Mailing lists: a post to many members beside Debian's Mailman 3 core to the same sink, searches in an archive, and the
 * cost of lists on which nothing happens.
 */
import { readFileSync } from 'node:fs'
import type { Scope } from 'iems/testing'
import { connectLineClient } from '../../core/testing/index.ts'
import { createListsKernel, runCommand } from '../support/lists.ts'
import { startMailman, whyNoMailman } from '../support/mailman-core.ts'
import { freePort } from '../support/running-server.ts'
import { type Sink, startSink } from '../support/smtp-sink.ts'
import { configured } from './configured.ts'

export interface SeenPost {
  readonly seconds: number
  readonly peakMegabytes: number
}

const LIST = 'dev@lists.test'
const PATIENCE_MS = 300_000
const BODY = `${'A line of text, as people write them in mail.\r\n'.repeat(90)}`
const post = (id: number) =>
  `From: m0@d0.test\r\nTo: ${LIST}\r\nSubject: Hello\r\nMessage-ID: <${id}@d0.test>\r\nDate: Fri, 2 Jan 2026 10:00:00 +0000\r\n\r\n${BODY}`
const membersOf = (count: number) => Array.from({ length: count }, (_, at) => `m${at}@d${at % 50}.test`)
const peakOf = (pid: number) => Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

/** Seconds until so many recipients of the post have arrived. */
async function arrived(sink: Sink, count: number, from: number): Promise<number> {
  let [seen, recipients] = [0, 0]
  while (recipients < count) {
    for (; seen < sink.messages.length; seen++) {
      const { to, raw } = sink.messages[seen] as Sink['messages'][number]
      if (raw.includes('List-Post:')) recipients += to.length
    }
    if (performance.now() - from > PATIENCE_MS) throw new Error(`only ${recipients} of ${count} arrived`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return (performance.now() - from) / 1000
}

const configText = (smtp: number, sink: number, web?: number) => `import { defineConfig } from 'iems'
import { directory } from 'iems/plugins/directory'
import { http } from 'iems/plugins/http'
import { lists } from 'iems/plugins/lists'
import { mailstore } from 'iems/plugins/mailstore'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
export default defineConfig({
  hostname: 'iems.test',
  store: { path: 'data' },
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${smtp}' }),
    lists: lists(),
    ${
      web === undefined
        ? `relay: smtpOut({ nexthop: '127.0.0.1:${sink}', tls: 'off' }),`
        : `web: http({ listen: '127.0.0.1:${web}', limits: { requestsPerMinute: 100000 } }),\n    local: mailstore({}, { accepts: 'anyone' }),`
    }
  },
  ${web === undefined ? '' : 'plugins: [directory()],'}
})
`

async function startServer(scope: Scope, sink: number, web?: number) {
  const smtp = await freePort()
  const { start, iems } = await configured(scope, configText(smtp, sink, web))
  const pid = await start(smtp)
  return { smtp, pid, iems }
}

/** With a return path and a header for each member, or one transaction for all members of a next hop. */
export async function measurePost(scope: Scope, members: number, isPersonal: boolean): Promise<SeenPost> {
  const sink = await startSink(scope)
  const { smtp, pid, iems } = await startServer(scope, sink.port)
  await iems(
    '',
    'list',
    'add',
    LIST,
    '--dmarc',
    'none',
    '--welcome',
    '',
    '--archive',
    'none',
    '--verp-every',
    isPersonal ? '1' : '0',
  )
  await iems(membersOf(members).join('\n'), 'list', 'import', LIST)
  const started = performance.now()
  const client = await connectLineClient(scope, smtp)
  for (const line of ['', 'HELO c.test', 'MAIL FROM:<m0@d0.test>', `RCPT TO:<${LIST}>`, 'DATA', `${post(1)}.`]) {
    if (line !== '') client.send(`${line}\r\n`)
    const reply = (await client.line()) ?? ''
    if (!/^[23]/.test(reply)) throw new Error(reply)
  }
  return { seconds: await arrived(sink, members, started), peakMegabytes: peakOf(pid) }
}

/** Undefined where it is not installed. */
export async function measureMailman(
  scope: Scope,
  members: number,
  isPersonal: boolean,
): Promise<SeenPost | undefined> {
  if (whyNoMailman() !== undefined) return undefined
  const attributes = {
    send_welcome_message: false,
    dmarc_mitigate_action: 'no_mitigation',
    archive_policy: 'never',
    max_message_size: 0,
  }
  const given = membersOf(members).map((address) => ({ address }))
  const core = await startMailman(scope, { address: LIST, members: given, attributes, isPersonal })
  const started = performance.now()
  await core.post('m0@d0.test', LIST, post(1))
  return { seconds: await arrived(core.sink, members, started), peakMegabytes: peakOf(core.pid) }
}

export interface SeenArchive {
  readonly importedPerSecond: number
  /** Milliseconds of the whole request of the page, each of another word. */
  readonly searches: readonly number[]
}

const WORDS = Array.from({ length: 5000 }, (_, at) => `w${(at * 7919).toString(36)}`)

const rare = (number: number) => `rare${String(number).padStart(6, '0')}x`

/** An mbox of posts in threads of some ten, whose rare words are in some forty posts each. */
function mbox(posts: number): string {
  const parts: string[] = []
  for (let at = 0; at < posts; at++) {
    const root = at - (at % 10)
    const words = Array.from({ length: 60 }, (_, word) => WORDS[(at * 31 + word * word * 17) % WORDS.length]).join(' ')
    const references = at === root ? '' : `References: <a${root}@d.test>\n`
    const date = new Date(Date.UTC(2016, 0, 1) + at * 1_500_000).toUTCString()
    const [day = '', number = '', month, year, time] = date.replace(',', '').split(' ')
    parts.push(
      `From a@d.test ${day} ${month} ${number.padStart(2)} ${time} ${year}\nFrom: Ann ${at % 300} <a${at % 300}@d.test>\nSubject: ${at === root ? '' : 'Re: '}Topic ${root}\nDate: ${date}\nMessage-ID: <a${at}@d.test>\n${references}\n${words}\n${rare(at % Math.ceil(posts / 40))} end\n\n`,
    )
  }
  return parts.join('')
}

export async function measureArchive(scope: Scope, posts: number): Promise<SeenArchive> {
  const sink = await startSink(scope)
  const web = await freePort()
  const { iems } = await startServer(scope, sink.port, web)
  await iems('', 'list', 'add', LIST, '--archive', 'public', '--welcome', '')
  const before = performance.now()
  await iems(mbox(posts), 'list', 'import-archive', LIST)
  const importedPerSecond = posts / ((performance.now() - before) / 1000)
  const searches: number[] = []
  const page = `http://127.0.0.1:${web}/lists/${encodeURIComponent(LIST)}/search?q=`
  for (let at = 0; at < 22; at++) {
    const started = performance.now()
    const text = await (await fetch(`${page}${rare(at)}`)).text()
    const took = performance.now() - started
    if (!/\b\d+ posts</.test(text)) throw new Error(`${rare(at)} is not found`)
    // The first ones fill caches that a server has filled long since.
    if (at >= 2) searches.push(took)
  }
  return { importedPerSecond, searches }
}

/** Milliseconds of processor in an hour in which nothing is posted to so many lists with ten members each. */
export async function measureIdle(scope: Scope, lists: number): Promise<number> {
  const kernel = await createListsKernel(scope)
  const members = membersOf(10).join('\n')
  for (let at = 0; at < lists; at++) {
    await runCommand(kernel, 'list add', { address: `l${at}@lists.test`, welcome: '', archive: 'none' })
    await runCommand(kernel, 'list import', { list: `l${at}@lists.test` }, members)
  }
  await kernel.advance(3_600_000)
  const before = process.cpuUsage()
  for (let hour = 0; hour < 5; hour++) await kernel.advance(3_600_000)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / 5
}

export interface ListsReport {
  readonly quick: boolean
  say(text: string): void
  scoped<T>(work: (scope: Scope) => Promise<T>): Promise<T>
}

export async function reportLists({ quick, say, scoped }: ListsReport) {
  const members = quick ? 1000 : 10_000
  const report: Record<string, unknown> = { members }
  say(
    `\nlists: a post of 4 KiB to ${members} members in 50 domains, until a sink has all; beside Mailman 3 core to the same sink`,
  )
  for (const isPersonal of [true, false]) {
    const ours = await scoped((scope) => measurePost(scope, members, isPersonal))
    const theirs = await scoped((scope) => measureMailman(scope, members, isPersonal))
    const beside = theirs
      ? ` of ${theirs.seconds.toFixed(1)} s and ${theirs.peakMegabytes.toFixed(0)} MB (one process of its sixteen): ${(theirs.seconds / ours.seconds).toFixed(1)} times as fast (aim 10)`
      : ''
    say(
      `  ${isPersonal ? 'a path each' : 'together   '}  ${ours.seconds.toFixed(1)} s, ${ours.peakMegabytes.toFixed(0)} MB at most${beside}`,
    )
    report[isPersonal ? 'personal' : 'together'] = { ours, theirs }
  }
  const posts = quick ? 2000 : 20_000
  const archive = await scoped((scope) => measureArchive(scope, posts))
  const sorted = archive.searches.toSorted((a, b) => a - b)
  const [middle = 0, slowest = 0] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)]
  say(
    `  archive      ${posts} posts, ${archive.importedPerSecond.toFixed(0)} imported/s; a search ${middle.toFixed(0)} ms, ${slowest.toFixed(0)} ms at most (aim 50 ms)`,
  )
  const idle = await scoped((scope) => measureIdle(scope, 1000))
  say(`  idle         1,000 lists of ten members: ${idle.toFixed(0)} ms of processor an hour`)
  return { ...report, archive: { posts, ...archive }, idle }
}
