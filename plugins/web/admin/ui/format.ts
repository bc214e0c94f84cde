/**
 * Numbers, sizes and times as people read them.
 */
import { locale, t } from '../../app/ui/language.ts'

export const count = (value: number): string => value.toLocaleString(locale())

export function size(octets: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let value = octets
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value.toLocaleString(locale(), { maximumFractionDigits: value < 10 && unit > 0 ? 1 : 0 })} ${units[unit]}`
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** `6 min`, `2 h 06 min`, `3 d`. */
export function span(ms: number): string {
  if (ms < MINUTE) return `${Math.max(0, Math.round(ms / 1000))} s`
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ${String(Math.floor((ms % HOUR) / MINUTE)).padStart(2, '0')} min`
  return t('{{number}} d', { number: Math.floor(ms / DAY) })
}

export const clock = (at: number): string =>
  new Date(at).toLocaleTimeString(locale(), { hour: '2-digit', minute: '2-digit' })
export const clockMs = (at: number): string =>
  `${new Date(at).toLocaleTimeString(locale())}.${String(at % 1000).padStart(3, '0')}`

/** The time today, the weekday within a week, else the date. */
export function moment(at: number): string {
  const date = new Date(at)
  const days = Math.abs(Date.now() - at) / DAY
  if (date.toDateString() === new Date().toDateString()) return clock(at)
  if (days < 6) return `${date.toLocaleDateString(locale(), { weekday: 'short' })} ${clock(at)}`
  return date.toLocaleDateString(locale(), { day: 'numeric', month: 'short', year: 'numeric' })
}

export const day = (at: number): string => new Date(at).toLocaleDateString(locale(), { day: 'numeric', month: 'short' })

export const full = (at: number): string => new Date(at).toLocaleString(locale())
/** The text for one or for many; both have `{{number}}`. */
export const plural = (number: number, one: string, many: string): string =>
  t(number === 1 ? one : many, { number: count(number) })
export const initials = (name: string): string =>
  name
    .split(/[\s.@]+/, 2)
    .map((word) => [...word][0] ?? '')
    .join('')
    .toUpperCase()
