/**
 * A report as headings, figures and tables of text, which text and HTML show alike.
 */
import { escapeLine, formatSize } from 'iems'
import { dateOf } from '../daily.ts'
import { latencyAt } from '../flow.ts'
import type { AccountRow, FlowRow, Report } from './collect.ts'
import type { Words } from './words.ts'

export interface Cell {
  readonly text: string
  /** Sort key; absent for text. */
  readonly number?: number
}
export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Cell[])[]
}
export interface Sheet {
  readonly title: string
  readonly made: string
  readonly figures: readonly (readonly [name: string, value: string])[]
  readonly tables: readonly Table[]
}

const NONE: Cell = { text: '–', number: -1 }
const text = (value: string): Cell => ({ text: escapeLine(value) })
const count = (value: number): Cell => ({ text: `${value}`, number: value })
const size = (value: number): Cell => ({
  text: value < 0 ? `-${formatSize(-value)}` : formatSize(value),
  number: value,
})
const limit = (value: number | null): Cell => (value === null ? NONE : size(value))

type Column = readonly [title: keyof Words, cell: (row: AccountRow) => Cell]

function columns(words: Words) {
  return {
    account: ['account', ({ name }) => text(name)],
    size: ['size', ({ octets }) => size(octets)],
    messages: ['messages', ({ messages }) => count(messages)],
    limit: ['limit', (row) => limit(row.limit)],
    used: [
      'used',
      ({ share, limit }) => (limit === null && share === 0 ? NONE : { text: `${Math.floor(share)} %`, number: share }),
    ],
    growth: ['growth', ({ growth }) => (growth === undefined ? NONE : size(growth))],
    seen: ['seen', ({ seen }) => ({ text: seen === undefined ? words.never : dateOf(seen), number: seen ?? 0 })],
  } satisfies Record<string, Column>
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const

function formatTime(ms: number): string {
  const unit = UNITS.find(([, size]) => ms >= size)
  return unit ? `${ms / unit[1]} ${unit[0]}` : `${ms} ms`
}

const latency = (row: FlowRow, share: number): Cell => {
  const ms = latencyAt(row, share)
  if (ms === undefined) return NONE
  if (ms === Number.POSITIVE_INFINITY) return { text: '> 1 d', number: Number.MAX_SAFE_INTEGER }
  return { text: formatTime(ms), number: ms }
}

/** Deliveries to mailboxes and to other servers, and how long each took from its transaction on. */
function flowTable({ flow, at }: Report, words: Words): Table {
  const today = dateOf(at)
  const hours = (date: string) => (date === today ? Math.max(1, new Date(at).getUTCHours()) : 24)
  return {
    title: words.flow,
    columns: [words.date, words.delivered, words.perHour, words.deferred, words.failed, words.median, words.slowest],
    rows: flow.map((row) => [
      ...[text(row.date), count(row.delivered), count(Math.round(row.delivered / hours(row.date)))],
      ...[count(row.deferred), count(row.failed), latency(row, 0.5), latency(row, 0.95)],
    ]),
  }
}

export function sheetOf(report: Report, words: Words): Sheet {
  const all = columns(words)
  const table = (title: keyof Words, rows: readonly AccountRow[], shown: readonly Column[]): Table => ({
    title: words[title],
    columns: shown.map(([name]) => words[name]),
    rows: rows.map((row) => shown.map(([, cell]) => cell(row))),
  })
  const { total, stored, accounts } = report
  const saved = stored ? Math.max(0, total.octets - stored.octets) : 0
  const percent = total.octets === 0 ? 0 : Math.floor((saved / total.octets) * 100)
  return {
    title: `${words.title}: ${escapeLine(report.domain ?? words.all)}`,
    made: `${words.made} ${new Date(report.at).toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    figures: [
      [words.accounts, `${accounts}`],
      [words.messages, `${total.messages}`],
      [words.size, formatSize(total.octets)],
      ...(stored
        ? ([
            [words.stored, formatSize(stored.octets)],
            [words.saved, `${formatSize(saved)} (${percent} %)`],
          ] as const)
        : []),
    ],
    tables: [
      table('full', report.full, [all.account, all.size, all.messages, all.limit, all.used]),
      table('largest', report.largest, [all.account, all.size, all.messages, all.limit, all.used, all.growth]),
      {
        title: words.mailboxes,
        columns: [words.account, words.mailbox, words.size, words.messages],
        rows: report.mailboxes.map((row) => [text(row.account), text(row.name), size(row.octets), count(row.messages)]),
      },
      {
        title: words.attachments,
        columns: [words.file, words.type, words.size, words.account, words.mailbox],
        rows: report.attachments.map((row) => [
          ...[text(row.name), text(row.type), size(row.octets), text(row.account), text(row.mailbox)],
        ]),
      },
      table('growing', report.growing, [all.account, all.growth, all.size]),
      table('idle', report.idle, [all.account, all.seen, all.size]),
      ...(report.domain === undefined ? [flowTable(report, words)] : []),
    ],
  }
}
