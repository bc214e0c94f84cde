/**
 * Parses dates of header fields (RFC 5322 section 3.3, with the obsolete forms of section 4.3).
 *
 * Invariants: linear time; the server's time zone has no influence; a date that is not in the calendar is invalid; an
 * invalid time is midnight, an invalid zone UTC (RFC 5256 section 2.2).
 */
import { tokensOf } from './addresses.ts'

export interface MailDate {
  /** Ms since 1970. */
  readonly at: number
  /** Midnight UTC of the day as written, whatever the zone, in ms since 1970. */
  readonly day: number
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
/** Hours east of UTC. Military letters carry no information (RFC 5322 section 4.3). */
const ZONES: Readonly<Record<string, number>> = {
  ut: 0,
  utc: 0,
  gmt: 0,
  est: -5,
  edt: -4,
  cst: -6,
  cdt: -5,
  mst: -7,
  mdt: -6,
  pst: -8,
  pdt: -7,
}
/** Maximum characters of a date with its comments. */
const MAX_LENGTH = 1000

/** Undefined when the field is not a date. */
export function readDate(field: string | undefined): MailDate | undefined {
  const words = wordsOf((field ?? '').slice(0, MAX_LENGTH))
  if (DAYS.includes((words[0] ?? '').slice(0, 3).toLowerCase())) words.shift()
  const [dayText = '', monthText = '', yearText = '', ...rest] = /^[a-z]/i.test(words[0] ?? '')
    ? asctime(words)
    : words.flatMap((word, index) => (index === 0 ? word.split('-') : [word]))
  const month = MONTHS.indexOf(monthText.slice(0, 3).toLowerCase())
  const year = yearOf(yearText)
  if (!/^\d{1,2}$/.test(dayText) || month < 0 || year === undefined) return undefined
  const day = Date.UTC(year, month, Number(dayText))
  if (new Date(day).getUTCDate() !== Number(dayText)) return undefined
  // RFC 5256 section 2.2: an invalid time is midnight.
  return { day, at: day + (timeOf(rest) ?? 0) }
}

/** The words, without comments, commas, and white space around colons. */
function wordsOf(field: string): string[] {
  let text = ''
  for (const token of tokensOf(field)) {
    const space = text.endsWith(':') ? '' : ' '
    if (token.kind === 'comment' || (token.kind === 'mark' && token.text === ',')) text += space
    else if (token.kind === 'word') text += `${token.spaced ? space : ''}${token.text}`
    else if (token.kind === 'mark') text = `${text.trimEnd()}${token.text}`
  }
  return text.split(' ').filter((word) => word !== '')
}

/** `Nov 24 10:00:00 2026`, as C programs write it; the zone may precede or follow the year. */
function asctime([month = '', day = '', ...rest]: readonly string[]): string[] {
  const year = rest.findIndex((word) => /^\d{2,4}$/.test(word))
  return [day, month, rest[year] ?? '', ...rest.filter((_, index) => index !== year)]
}

/** RFC 5322 section 4.3: years of two and three digits. */
function yearOf(text: string): number | undefined {
  if (!/^\d{2,4}$/.test(text)) return undefined
  const year = Number(text)
  if (text.length === 2) return year < 50 ? 2000 + year : 1900 + year
  return text.length === 3 ? 1900 + year : year
}

/** Ms since midnight UTC of the named day; without a time, midnight. */
function timeOf([clock = '00:00', ...more]: readonly string[]): number | undefined {
  const [, hour = '', minute = '', second = '0', joined = ''] =
    /^(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2})(?:\.\d{1,9})?)?([+-]\d{4}|[A-Z]{1,5})?$/i.exec(clock) ?? []
  const [hours, minutes, seconds] = [Number(hour), Number(minute), Number(second)]
  if (hour === '' || hours > 23 || minutes > 59 || seconds > 60) return undefined
  // 12-hour time with AM or PM, which some programs write.
  const half = (more[0] ?? '').toLowerCase()
  const isHalf = (half === 'am' || half === 'pm') && hours > 0 && hours <= 12
  const ofDay = isHalf ? (hours % 12) + (half === 'pm' ? 12 : 0) : hours
  const zone = joined === '' ? (isHalf ? more[1] : more[0]) : joined
  return ((ofDay * 60 + minutes - offsetOf(zone ?? '')) * 60 + seconds) * 1000
}

/** Minutes east of UTC. */
function offsetOf(zone: string): number {
  const [, sign, hours = '', minutes = ''] = /^(?:GMT|UTC?)?([+-])(\d{2}):?(\d{2})$/i.exec(zone) ?? []
  if (sign === undefined) return (ZONES[zone.toLowerCase()] ?? 0) * 60
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
}
