/**
 * A report as a single HTML file: no external links, charts as inline SVG, sortable and printable tables.
 *
 * Invariants: all text is escaped; the page is complete without script; each chart repeats the numbers of a table.
 */

import { createHash } from 'node:crypto'
import { escapeHtml, formatSize } from 'iems'
import type { Report } from './collect.ts'
import type { Cell, Sheet, Table } from './tables.ts'
import type { Words } from './words.ts'

const STYLE = `
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --line: #767676; --bar: #0b5cad; --soft: #f0f3f7 }
@media (prefers-color-scheme: dark) { :root { --ink: #eee; --paper: #16181b; --line: #8f8f8f; --bar: #6fb1f5; --soft: #23272d } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.2rem; margin-top: 2rem }
dl { display: flex; flex-wrap: wrap; gap: 1rem } dl div { background: var(--soft); padding: .5rem 1rem; border-radius: .4rem }
dt { font-size: .85rem } dd { margin: 0; font-size: 1.2rem; font-weight: 600 }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line) }
.number { text-align: right; font-variant-numeric: tabular-nums }
th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; cursor: pointer }
td { overflow-wrap: anywhere } svg { width: 100%; height: auto } svg rect, svg path { fill: var(--bar) } svg text { fill: var(--ink); font-size: 12px }
@media print { body { margin: 0; max-width: none } tr, svg { break-inside: avoid } }
`

const SCRIPT = `
for (const table of document.querySelectorAll('table')) {
  table.querySelectorAll('th').forEach((head, at) => {
    const button = document.createElement('button')
    button.type = 'button'
    button.append(...head.childNodes)
    head.append(button)
    button.addEventListener('click', () => {
      const isUp = head.getAttribute('aria-sort') === 'descending'
      for (const other of table.querySelectorAll('th')) other.removeAttribute('aria-sort')
      head.setAttribute('aria-sort', isUp ? 'ascending' : 'descending')
      const value = (row) => row.cells[at].dataset.number
      const compare = (a, b) => value(a) === undefined ? a.cells[at].textContent.localeCompare(b.cells[at].textContent) : value(a) - value(b)
      const rows = [...table.tBodies[0].rows].sort((a, b) => isUp ? compare(a, b) : compare(b, a))
      table.tBodies[0].append(...rows)
    })
  })
}
`
const hash = createHash('sha256').update(SCRIPT).digest('base64')
const POLICY = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'`

const isNumber = ({ number }: Cell) => number !== undefined
const cell = (one: Cell) =>
  isNumber(one)
    ? `<td class="number" data-number="${one.number}">${escapeHtml(one.text)}</td>`
    : `<td>${escapeHtml(one.text)}</td>`

function table({ title, columns, rows }: Table, none: string): string {
  if (rows.length === 0) return `<h2>${escapeHtml(title)}</h2>\n<p>${escapeHtml(none)}</p>`
  const head = columns.map(
    (name, at) =>
      `<th scope="col"${rows[0]?.[at] && isNumber(rows[0][at]) ? ' class="number"' : ''}>${escapeHtml(name)}</th>`,
  )
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`)
  return [
    `<h2>${escapeHtml(title)}</h2>`,
    `<table><caption hidden>${escapeHtml(title)}</caption>`,
    `<thead><tr>${head.join('')}</tr></thead>`,
    `<tbody>${body.join('\n')}</tbody></table>`,
  ].join('\n')
}

const WIDTH = 900
const ROW = 24
const LABEL = 260

/** The largest accounts as bars. */
function bars({ largest }: Report, words: Words): string {
  const shown = largest.slice(0, 10)
  const most = Math.max(1, ...shown.map(({ octets }) => octets))
  if (shown.length === 0) return ''
  const rows = shown.map(({ name, octets }, at) => {
    const width = Math.max(1, Math.round((octets / most) * (WIDTH - LABEL - 100)))
    const short = name.length > 36 ? `${name.slice(0, 35)}…` : name
    const y = at * ROW
    return `<text x="0" y="${y + 16}">${escapeHtml(short)}</text><rect x="${LABEL}" y="${y + 4}" width="${width}" height="16" rx="2"/><text x="${LABEL + width + 6}" y="${y + 16}">${formatSize(octets)}</text>`
  })
  return `<svg viewBox="0 0 ${WIDTH} ${shown.length * ROW}" role="img" aria-label="${escapeHtml(words.largest)}">${rows.join('')}</svg>`
}

const HEIGHT = 160

/** The size over time as an area. */
function history({ days }: Report, words: Words): string {
  if (days.length < 2) return ''
  const most = Math.max(1, ...days.map(({ octets }) => octets))
  const x = (at: number) => Math.round((at / (days.length - 1)) * WIDTH)
  const y = (octets: number) => HEIGHT - Math.round((octets / most) * (HEIGHT - 20))
  const line = days.map(({ octets }, at) => `L${x(at)} ${y(octets)}`).join('')
  const [first, last] = [days[0], days.at(-1)]
  const label = `${words.history}: ${first?.date} ${formatSize(first?.octets ?? 0)}, ${last?.date} ${formatSize(last?.octets ?? 0)}`
  return [
    `<h2>${escapeHtml(words.history)}</h2>`,
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT + 20}" role="img" aria-label="${escapeHtml(label)}">`,
    `<path fill-opacity=".35" d="M0 ${HEIGHT}${line}L${WIDTH} ${HEIGHT}Z"/>`,
    `<text x="0" y="${HEIGHT + 16}">${first?.date} ${formatSize(first?.octets ?? 0)}</text>`,
    `<text x="${WIDTH}" y="${HEIGHT + 16}" text-anchor="end">${last?.date} ${formatSize(last?.octets ?? 0)}</text>`,
    '</svg>',
  ].join('')
}

export function reportHtml(report: Report, sheet: Sheet, words: Words, language: string): string {
  const { title, made, figures, tables } = sheet
  const figureList = figures.map(
    ([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`,
  )
  return [
    `<!doctype html>\n<html lang="${language}">\n<head>\n<meta charset="utf-8">`,
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(title)}</title>\n<style>${STYLE}</style>\n</head>\n<body>\n<main>`,
    `<h1>${escapeHtml(title)}</h1>\n<p>${escapeHtml(made)}</p>`,
    `<dl>${figureList.join('')}</dl>`,
    history(report, words),
    bars(report, words),
    ...tables.map((one) => table(one, words.none)),
    `</main>\n<script>${SCRIPT}</script>\n</body>\n</html>\n`,
  ].join('\n')
}
