/**
 * Output of the `iems` command: lines for people, or one JSON value per line for programs.
 *
 * Invariants: remote text is escaped (text.ts) before it is styled here.
 */
import { styleText } from 'node:util'
import { reasonOf } from '../api/errors.ts'
import { escapeText, jsonLine } from '../runtime/text.ts'

/** Options of every command. */
export interface Common {
  readonly config?: string
  readonly json?: boolean
}

export const out = (text: string) => process.stdout.write(`${text}\n`)
export const bold = (text: string) => styleText('bold', text)
export const dim = (text: string) => styleText('dim', text)

/** Pads each column to its widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  '),
    )
    .join('\n')
}

export function ago(ms: number): string {
  const minutes = Math.round(Math.abs(ms) / 60_000)
  if (minutes < 1) return `${Math.round(Math.abs(ms) / 1000)} s`
  return minutes < 120
    ? `${minutes} min`
    : minutes < 2880
      ? `${Math.round(minutes / 60)} h`
      : `${Math.round(minutes / 1440)} days`
}

export const time = (ms: number) => new Date(ms).toISOString().replace('T', ' ').replace('Z', '')

export function print(options: Common, value: unknown, text: string) {
  out(options.json ? jsonLine(value) : text)
}

/** Prints the error and its remedy; the exit code is 1. */
export function fail(error: unknown) {
  const { cure } = error as { cure?: string }
  process.stderr.write(`iems: ${escapeText(reasonOf(error))}\n${cure === undefined ? '' : `${dim(cure)}\n`}`)
  process.exitCode = 1
}
