/**
 * Formats log lines for a terminal.
 *
 * Invariants: one event is one line, apart from the stack of a fault; every value is escaped.
 */
import { styleText } from 'node:util'
import type { Level } from '../api/events.ts'
import { escapeLine } from './text.ts'

const STYLES = { error: 'red', warn: 'yellow', info: 'green', debug: 'gray' } as const
/** Events that the start screen already shows; at level debug they are logged too. */
export const ON_SCREEN: ReadonlySet<unknown> = new Set(['port.opened', 'server.started'])
/** Longer values are cut; the JSON log holds them in full. */
const WIDTH = 200

/** The reason of an error with its causes: `a: b`. */
function reasonIn(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('error' in value)) return undefined
  const { error, cause } = value as { error: string; cause?: unknown }
  const why = reasonIn(cause)
  return why === undefined ? error : `${error}: ${why}`
}

function shown(value: unknown): string {
  const text = reasonIn(value) ?? (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
  const line = escapeLine(text)
  return line.length > WIDTH ? `${line.slice(0, WIDTH)}…` : line
}

function stackIn(value: unknown): string {
  const stack = (value as { stack?: unknown } | null)?.stack
  return typeof stack === 'string' ? `${stack}\n` : ''
}

export function textLine(level: Level, { event, ...fields }: Record<string, unknown>, text?: string): string {
  const time = new Date().toTimeString().slice(0, 8)
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => `${name}=${shown(value)}`)
  const said = text === undefined ? String(event) : escapeLine(text)
  const dim = (part: string) => styleText('dim', part, { validateStream: false })
  const head = `${dim(time)} ${styleText(STYLES[level], level.padEnd(5), { validateStream: false })} ${said}`
  return `${head}${rest.length > 0 ? `  ${dim(rest.join('  '))}` : ''}\n${Object.values(fields).map(stackIn).join('')}`
}
