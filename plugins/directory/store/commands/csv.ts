/**
 * Tables (RFC 4180): the first line names the columns; in a cell `|` divides several values, `\|` is a `|` itself.
 *
 * What must stay true: a table that was written is read back as the same values, whatever is in them; a row that is too
 * long ends the reading, whatever its size.
 */

import { Readable } from 'node:stream'
import { parse } from 'csv-parse'

const ROW_LENGTH = 16 * 1024 * 1024

export interface Row {
  /** In the file, the first is 1. */
  readonly line: number
  /** By column in order; a column that stands twice comes twice. */
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
