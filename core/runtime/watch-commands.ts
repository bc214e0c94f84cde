/**
 * Commands to find messages and watch the server: `message find`, `log`, `trace`.
 *
 * They call the administration service. The log and, again, the `iems` command escape remote text.
 */
import * as z from 'zod'
import { type Administration, type AdministrationService, SUPPORT } from '../api/administration.ts'
import { Cache } from '../api/cache.ts'
import { type Command, type CommandCall, type CommandOutput, defineCommand } from '../api/command.ts'
import { EVENTS, type Level } from '../api/events.ts'
import { inNetworks, network } from '../net/networks.ts'
import type { FoundMessage, MessageFilter } from '../queue/search.ts'
import type { LogLine, WatchedLine } from './log-feed.ts'
import { systemClock } from './system-clock.ts'
import { escapeLine } from './text.ts'
import { duration } from './units.ts'

const LEVELS = ['error', 'warn', 'info', 'debug'] as const
/** Longer values are cut in lines for people. */
const WIDTH = 300
/** Maximum sessions and messages that one trace follows. */
const MAX_FOLLOWED = 10_000

const isoOf = (ms: number) => new Date(ms).toISOString()

/** A time as people write it: `2026-03-01`, `2026-03-01T10:00Z`, or `2 h` for two hours ago. */
function timeOf(text: string): number {
  const at = Date.parse(text)
  // A number alone is not a date, although Date.parse accepts it.
  if (!Number.isNaN(at) && /^\d{4}-\d{2}/.test(text)) return at
  return systemClock.now() - duration().parse(text)
}
const time = (what: string) =>
  z
    .string()
    .transform((text, context) => {
      try {
        return timeOf(text)
      } catch {
        context.addIssue({ code: 'custom', message: `"${text}" is neither a date nor a time ago, such as 2 h` })
        return z.NEVER
      }
    })
    .optional()
    .describe(what)
const part = (what: string) => z.string().min(1).optional().describe(what)

const shownMessage = z.object({
  id: z.string(),
  state: z.enum(['waiting', 'finished', 'refused']),
  at: z.number().describe('Time of acceptance or refusal, ms since 1970'),
  from: z.string(),
  to: z.array(z.string()).readonly(),
  subject: z.string().optional(),
  messageId: z.string().optional(),
  size: z.number(),
  channel: z.string(),
  client: z.string(),
  user: z.string().optional(),
  replies: z.array(z.string()).readonly(),
})

function lineOfMessage(one: FoundMessage): CommandOutput<FoundMessage> {
  const { id, state, at, from, to, subject, client, user, replies } = one
  const [last = ''] = replies.slice(-1)
  const lines = [
    `${id}  ${isoOf(at)}  ${state}  <${from}> from [${client}]${user === undefined ? '' : ` as ${user}`}`,
    `  to ${to.map((address) => `<${address}>`).join(', ')}`,
    ...(subject === undefined ? [] : [`  subject: ${subject}`]),
    ...(last === '' ? [] : [`  ${last}`]),
  ]
  return { text: lines.map(escapeLine).join('\n'), value: one }
}

const messageFind = (of: (call: CommandCall) => Administration) =>
  defineCommand({
    summary: 'find messages that wait, are finished or were refused, newest first; every option must match',
    fields: z.strictObject({
      from: part('A part of the sender address'),
      to: part('A part of a recipient address'),
      subject: part('A part of the subject'),
      id: part('The id, or a part of the Message-ID field'),
      reply: part('A part of a reply that the sender got or a next hop gave'),
      client: part("A part of the client's address, host name or user"),
      state: z.enum(['waiting', 'finished', 'refused']).optional().describe('Only these'),
      since: time('Accepted or refused from then on: a date, or a time ago such as 2 h'),
      until: time('Accepted or refused until then'),
      limit: z.int().min(1).max(100_000).default(100).describe('The most messages that are listed'),
    }),
    row: shownMessage,
    roles: [SUPPORT],
    async *run(call) {
      const { limit, ...given } = call.values
      const filter = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
      let left = limit
      for await (const one of of(call).queue.search(filter as MessageFilter, call.signal)) {
        yield lineOfMessage(one)
        if (--left === 0) break
      }
    },
  })

// --- the log -------------------------------------------------------------------------------------

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return escapeLine(text.length > WIDTH ? `${text.slice(0, WIDTH)}…` : text)
}

function lineOfLog({ line }: WatchedLine): CommandOutput<LogLine> {
  const { at, level, event, text, fields } = line
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${name}=${shown(value)}`)
  const said = text === undefined ? event : `${event}: ${escapeLine(text)}`
  return { text: [isoOf(at), level.padEnd(5), said, ...rest].join('  '), value: line }
}

const LEFT_OUT: CommandOutput = { text: '… lines were left out: they came faster than they were read' }

interface LogFilter {
  readonly level: Level
  readonly event?: string | undefined
  readonly message?: string | undefined
  readonly session?: string | undefined
  readonly channel?: string | undefined
  readonly plugin?: string | undefined
  readonly text?: string | undefined
}

function matchesLog({ line, raw }: WatchedLine, filter: LogFilter): boolean {
  if (LEVELS.indexOf(line.level) > LEVELS.indexOf(filter.level)) return false
  if (filter.event !== undefined && !line.event.startsWith(filter.event)) return false
  for (const name of ['message', 'session', 'channel', 'plugin'] as const)
    if (filter[name] !== undefined && raw[name] !== filter[name]) return false
  if (filter.text === undefined) return true
  return JSON.stringify([line.text, line.fields]).toLowerCase().includes(filter.text.toLowerCase())
}

const logCommand = (of: (call: CommandCall) => Administration) =>
  defineCommand({
    summary: 'the last lines of the log, and with --follow those to come',
    fields: z.strictObject({
      follow: z.boolean().default(false).describe('Go on with the lines to come'),
      level: z.enum(LEVELS).default('info').describe('The least important lines; debug has effect for lines to come'),
      event: part(`The beginning of an event's name, such as message. or ${Object.keys(EVENTS).at(-1)}`),
      message: part('The id of a message'),
      session: part('The id of a session'),
      channel: part('The name of a channel'),
      plugin: part('The name of a plugin'),
      text: part('Text that the line has'),
      lines: z.int().min(0).max(1000).default(20).describe('The most earlier lines that are shown'),
    }),
    roles: [SUPPORT],
    async *run(call) {
      const { follow, lines, ...filter } = call.values
      const { log } = of(call)
      const earlier = (await log.recent()).filter((one) => matchesLog(one, filter))
      for (const one of lines === 0 ? [] : earlier.slice(-lines)) yield lineOfLog(one)
      if (!follow) return
      for await (const one of log.follow(call.signal)) {
        if (!one) yield LEFT_OUT
        else if (matchesLog(one, filter)) yield lineOfLog(one)
      }
    },
  })

// --- traces --------------------------------------------------------------------------------------

/** Follows a client or a sender: its sessions and its messages. */
class Tracer {
  readonly #sessions = new Cache<true>({ max: MAX_FOLLOWED })
  readonly #messages = new Cache<true>({ max: MAX_FOLLOWED })
  readonly #isClient: (address: string) => boolean
  readonly #who: string

  /** `who`: a client's address or network, a mail address, or a domain as `@example.org`. */
  constructor(who: string) {
    this.#who = who.toLowerCase()
    this.#isClient = network().safeParse(who).success ? inNetworks([who]) : () => false
  }

  follows({ raw }: WatchedLine): boolean {
    const { session, message, splitFrom } = raw
    const isKnown =
      this.#sessions.has(String(session)) ||
      this.#messages.has(String(message)) ||
      this.#messages.has(String(splitFrom))
    if (!isKnown && !this.#isMeant(raw)) return false
    if (typeof session === 'string') this.#sessions.set(session, true)
    if (typeof message === 'string') this.#messages.set(message, true)
    return true
  }

  #isMeant({ remote, from, user }: WatchedLine['raw']): boolean {
    if (typeof remote === 'string' && this.#isClient(remote)) return true
    return [from, user].some((one) => {
      if (typeof one !== 'string') return false
      const address = one.toLowerCase()
      return this.#who.startsWith('@') ? address.endsWith(this.#who) : address === this.#who
    })
  }
}

const traceCommand = (of: (call: CommandCall) => Administration) =>
  defineCommand({
    summary: "watch one sender's sessions live: logins, refusals, messages and what becomes of them",
    fields: z.strictObject({
      from: z
        .string()
        .min(1)
        .describe('A client (198.51.100.7, 198.51.100.0/24), a sender (ann@example.org) or a domain (@example.org)'),
    }),
    roles: [SUPPORT],
    async *run(call) {
      const tracer = new Tracer(call.values.from)
      yield { progress: `Waiting for ${call.values.from}; Ctrl-C ends` }
      for await (const one of of(call).log.follow(call.signal)) {
        if (!one) yield LEFT_OUT
        else if (tracer.follows(one)) yield lineOfLog(one)
      }
    },
  })

export function watchCommands(administration: AdministrationService): Readonly<Record<string, Command>> {
  const of = ({ by }: CommandCall) => administration.as(by ?? { user: 'unknown' })
  return { 'message find': messageFind(of), log: logCommand(of), trace: traceCommand(of) }
}
