/**
 * Tables (RFC 4180): the first line names the columns; in a cell `|` separates several values, and `\|` is a literal
 * `|`.
 *
 * Invariants: a written table reads back as the same values; an overlong row ends the reading.
 */

import { Readable } from 'node:stream'
import { parse } from 'csv-parse'

const ROW_LENGTH = 16 * 1024 * 1024

export interface Row {
  /** Line in the file, from 1. */
  readonly line: number
  /** By column in order; a repeated column appears repeatedly. */
  readonly cells: readonly (readonly [column: string, values: readonly string[]])[]
}

export async function* readTable(input: AsyncIterable<Uint8Array>): AsyncGenerator<Row> {
  const parser = Readable.from(input).pipe(
    parse({
      bom: true,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: ROW_LENGTH,
      trim: false,
    }),
  )
  let columns: readonly string[] | undefined
  for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
    if (!columns) {
      columns = record.map((name) => name.trim())
      continue
    }
    const names = columns
    yield { line: info.lines, cells: record.map((cell, at) => [names[at] ?? '', valuesIn(cell)]) }
  }
}

/** An empty cell has no values. */
function valuesIn(cell: string): string[] {
  if (cell === '') return []
  return (cell.match(/(?:\\[\\|]|[^|])+|(?<=\|)(?=\||$)|^(?=\|)/g) ?? []).map((value) =>
    value.replace(/\\([\\|])/g, '$1'),
  )
}

const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

export const rowOf = (cells: readonly (readonly string[])[]) =>
  `${cells.map((values) => quoted(values.map((value) => value.replace(/[\\|]/g, '\\$&')).join('|'))).join(',')}\r\n`
