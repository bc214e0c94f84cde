/**
 * A report as plain text, with columns of equal width.
 */
import type { Sheet, Table } from './tables.ts'
import type { Words } from './words.ts'

function tableText({ title, columns, rows }: Table, none: string): string {
  const head = `${title}\n${'-'.repeat(title.length)}`
  if (rows.length === 0) return `${head}\n${none}`
  const lines = [columns.map((name) => ({ text: name })), ...rows]
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]?.text.length ?? 0)))
  const isNumber = columns.map((_, at) => rows[0]?.[at]?.number !== undefined)
  const write = (line: readonly { readonly text: string }[]) =>
    line
      .map(({ text }, at) => (isNumber[at] ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0)))
      .join('  ')
  return [head, ...lines.map((line) => write(line).trimEnd())].join('\n')
}

export function reportText({ title, made, figures, tables }: Sheet, words: Words): string {
  const width = Math.max(...figures.map(([name]) => name.length))
  return [
    `${title}\n${'='.repeat(title.length)}\n${made}`,
    figures.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n'),
    ...tables.map((table) => tableText(table, words.none)),
    '',
  ].join('\n\n')
}
