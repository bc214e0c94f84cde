/**
 * One JSON line for each event, which plugins can also watch.
 *
 * Names are a closed list, so that logs, metrics and the `event` hook agree. Invariants: no secret, password or message
 * content is logged, and with `privacy` no full address at level info and above.
 */
import { type DestinationStream, pino } from 'pino'
import { EVENTS, type EventName, type KernelEventName, type Level } from '../api/events.ts'
import type { KernelEvent } from '../api/hooks.ts'
import { type KeptLine, LogFeed, type WatchedLine } from './log-feed.ts'
import { ON_SCREEN, textLine } from './log-text.ts'
import { createLineWriter, type LineWriter } from './log-writer.ts'
import { SECRET_NAME } from './secret-names.ts'
import { systemClock } from './system-clock.ts'
import { escapeText } from './text.ts'

/** A plugin's logger; it carries the plugin, and the hook and message where there is one. */
export interface Log {
  debug(text: string, fields?: Readonly<Record<string, unknown>>): void
  info(text: string, fields?: Readonly<Record<string, unknown>>): void
  warn(text: string, fields?: Readonly<Record<string, unknown>>): void
  error(text: string, fields?: Readonly<Record<string, unknown>>): void
}

export interface LogOptions {
  readonly level: Level
  /** Shortens addresses to `…@example.org`. */
  readonly privacy: boolean
  /** Default `auto`: text when standard output is a terminal, otherwise JSON. */
  readonly format?: 'auto' | 'json' | 'text'
  /** Destination; default: standard output. */
  readonly to?: DestinationStream
  /** Number of the worker that writes the lines. */
  readonly worker?: number
  /** Called when the first watcher of the lines comes, and when the last one goes. */
  readonly watched?: (isWatched: boolean) => void
}

export type Emit = (name: EventName, fields?: Readonly<Record<string, unknown>>) => void

/** A write costs more than a line, so lines are collected for this many ms. */
const LINGER_MS = 50
/** Fields that hold addresses, for `privacy`. */
const ADDRESSES = ['from', 'to', 'recipient', 'recipients', 'user']
/** Maximum stack lines in the log. */
const FRAMES = 8

/** Where an error was thrown; errors with an IEMS code need no stack. */
function stackOf({ stack = '', code }: Error & { readonly code?: unknown }): { readonly stack?: string } {
  if (String(code).startsWith('IEMS_')) return {}
  const frames = stack.split('\n').filter((line) => /^ {4}at /.test(line))
  return frames.length === 0 ? {} : { stack: frames.slice(0, FRAMES).join('\n') }
}

/** Error codes, reason and stack: for the log, never for a sender. */
function printable(value: unknown, depth = 0): unknown {
  if (value instanceof Error) {
    const code = (value as { code?: unknown }).code
    return {
      error: escapeText(value.message),
      ...(code === undefined ? {} : { code }),
      ...stackOf(value),
      ...(value.cause ? { cause: printable(value.cause, depth + 1) } : {}),
    }
  }
  if (typeof value === 'string') return escapeText(value)
  // Lines cross threads, which functions and symbols cannot.
  if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`
  if (value === null || typeof value !== 'object') return value
  if (depth > 4) return '…'
  if (value instanceof Uint8Array) return `${value.byteLength} octets`
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => printable(item, depth + 1))
  const shown: Record<string, unknown> = {}
  for (const [name, item] of Object.entries(value))
    if (name !== '__proto__') shown[name] = SECRET_NAME.test(name) ? '[secret]' : printable(item, depth + 1)
  return shown
}

function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked)
  return typeof value === 'string' ? value.replace(/^.*(?=@)/s, '…') : value
}

function withoutAddresses(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const clean = { ...fields }
  for (const name of ADDRESSES) if (name in clean) clean[name] = masked(clean[name])
  return clean
}

/** Lines of one millisecond share its text. */
function createTimestamp(): () => string {
  let last = { ms: 0, text: '' }
  return () => {
    const ms = systemClock.now()
    if (ms !== last.ms) last = { ms, text: `,"t":"${new Date(ms).toISOString()}"` }
    return last.text
  }
}

/** Creates the log: `event` for the closed list, `child` for plugins. */
export function createLog(options: LogOptions) {
  const to = options.to ?? createLineWriter(1)
  const { format = 'auto' } = options
  const isText = format === 'text' || (format === 'auto' && options.to === undefined && process.stdout.isTTY === true)
  let isWaiting = false
  /** Lines are written together; none waits longer than `LINGER_MS`. */
  function flushSoon() {
    if (isWaiting) return
    isWaiting = true
    setTimeout(() => {
      isWaiting = false
      flush()
    }, LINGER_MS)
  }
  function flush() {
    if (isText) (to as Partial<LineWriter>).flush?.()
    else root.flush()
  }
  const feed = new LogFeed((kept) => watchedLine(kept, options.privacy), options.watched)
  const root = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'text',
      timestamp: createTimestamp(),
      formatters: { level: (label) => ({ level: label }) },
    },
    to,
  )
  function line(level: Level, fields: Readonly<Record<string, unknown>>, text?: string) {
    const isWritten = root.isLevelEnabled(level)
    if (!isWritten && !feed.isWatched) return
    const { worker } = options
    const raw = printable(worker === undefined ? fields : { ...fields, worker }) as Record<string, unknown>
    const kept = { at: systemClock.now(), level, raw, text }
    feed.push(kept, isWritten)
    if (!isWritten) return
    if (isText && level === 'info' && options.level !== 'debug' && ON_SCREEN.has(raw.event)) return
    const clean = cleanFields(kept, options.privacy)
    if (isText) to.write(textLine(level, clean, text))
    else root[level](clean, text)
    flushSoon()
  }
  return {
    event({ name, at: _, level, ...fields }: KernelEvent) {
      line(level ?? EVENTS[name as KernelEventName] ?? 'info', { event: name, ...fields })
    },
    child(bound: Readonly<Record<string, unknown>>): Log {
      const say =
        (level: Level) =>
        (text: string, fields: Readonly<Record<string, unknown>> = {}) =>
          line(level, { event: 'plugin.said', ...bound, ...fields }, text)
      return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') }
    },
    feed,
    flush,
  }
}

/** The fields as the log holds them. */
const cleanFields = ({ level, raw }: KeptLine, privacy: boolean) =>
  privacy && level !== 'debug' ? withoutAddresses(raw) : raw

function watchedLine(kept: KeptLine, privacy: boolean): WatchedLine {
  const { at, level, raw, text } = kept
  const { event, ...fields } = cleanFields(kept, privacy)
  const said = text === undefined ? {} : { text: escapeText(text) }
  return { line: { at, level, event: String(event), ...said, fields }, raw }
}

export type LogWriter = ReturnType<typeof createLog>
