/**
 * Times, sizes and names in the person's language.
 */
import { locale, t } from '../../app/ui/language.ts'
import { type Address, type Email, type Mailbox, nameOf } from '../store/objects.ts'

const DAY_MS = 86_400_000
const KNOWN_ROLES = ['inbox', 'snoozed', 'drafts', 'sent', 'archive', 'junk', 'trash']

const dayOf = (date: Date): number => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime()

const STYLES = {
  clock: { hour: 'numeric', minute: '2-digit' },
  weekday: { weekday: 'short' },
  day: { day: 'numeric', month: 'short' },
  date: { year: 'numeric', month: 'short', day: 'numeric' },
  month: { month: 'long' },
  yearMonth: { month: 'long', year: 'numeric' },
  full: { dateStyle: 'full', timeStyle: 'short' },
  medium: { dateStyle: 'medium', timeStyle: 'short' },
  weekdayTime: { weekday: 'short', hour: 'numeric', minute: '2-digit' },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>

/** Makes a value at its first use. */
function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}

/** Creating a format costs more than drawing a row. The language stays until the page is loaded again. */
const formats = once(
  () => new Map(Object.entries(STYLES).map(([name, options]) => [name, new Intl.DateTimeFormat(locale(), options)])),
)
const format = (date: Date, style: keyof typeof STYLES): string => formats().get(style)?.format(date) ?? ''

export const clock = (date: Date): string => format(date, 'clock')

/** Today the clock, within a week the weekday, then the date. */
export function shortTime(iso: string, now = new Date()): string {
  const date = new Date(iso)
  const days = Math.round((dayOf(now) - dayOf(date)) / DAY_MS)
  if (days === 0) return clock(date)
  if (days > 0 && days < 7) return format(date, 'weekday')
  return date.getFullYear() === now.getFullYear() ? format(date, 'day') : format(date, 'date')
}

/** The group of a time in a list: today, yesterday, this week, then its month. */
export function dayGroup(iso: string, now = new Date()): string {
  const date = new Date(iso)
  const days = Math.round((dayOf(now) - dayOf(date)) / DAY_MS)
  if (days <= 0) return t('day.today')
  if (days === 1) return t('day.yesterday')
  if (days < 7) return t('day.week')
  return format(date, date.getFullYear() === now.getFullYear() ? 'month' : 'yearMonth')
}

/** With the time after a weekday or a date. */
export function messageTime(iso: string, now = new Date()): string {
  const date = new Date(iso)
  const short = shortTime(iso, now)
  return short === clock(date) ? short : `${short} ${clock(date)}`
}

/** A time to come: today the clock, within a week the weekday, then the date, each with the clock. */
export function soonTime(iso: string, now = new Date()): string {
  const date = new Date(iso)
  const days = Math.round((dayOf(date) - dayOf(now)) / DAY_MS)
  if (days === 0) return clock(date)
  if (days === 1) return t('day.tomorrow', { time: clock(date) })
  return days > 0 && days < 7 ? weekdayTime(date) : `${format(date, 'day')} ${clock(date)}`
}

export const fullTime = (iso: string): string => format(new Date(iso), 'full')
export const quoteTime = (iso: string): string => format(new Date(iso), 'medium')
export const weekdayTime = (date: Date): string => format(date, 'weekdayTime')

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte']
export function octets(count: number): string {
  const power = Math.min(UNITS.length - 1, count < 1000 ? 0 : Math.floor(Math.log10(count) / 3))
  const value = count / 1000 ** power
  if (power === 0) return `${count}\u00a0B`
  return new Intl.NumberFormat(locale(), {
    style: 'unit',
    unit: UNITS[power] as string,
    unitDisplay: 'short',
    maximumFractionDigits: value < 10 ? 1 : 0,
  }).format(value)
}

export const mailboxName = ({ role, name }: Mailbox): string =>
  role !== null && KNOWN_ROLES.includes(role) ? t(`role.${role}`) : name

/** A mailbox as rules name it: its own name behind those of the mailboxes that it is in. */
export function mailboxPath(mailbox: Mailbox, all: ReadonlyMap<string, Mailbox>): string {
  const names: string[] = []
  for (let at: Mailbox | undefined = mailbox; at && names.length < 20; at = all.get(at.parentId ?? ''))
    names.unshift(at.name)
  return names.join('/')
}

export const isOwn = (address: Address, own: readonly string[]): boolean => own.includes(address.email.toLowerCase())

/** `me` is the word for the person themselves, which languages decline. */
export const namesOf = (addresses: readonly Address[] | null, own: readonly string[], me = t('me')): string =>
  (addresses ?? []).map((one) => (isOwn(one, own) ? me : nameOf(one))).join(', ')

/** The participants of a conversation, each once, in the order of their first message. */
export function participants(emails: readonly Email[], own: readonly string[]): string {
  const drafts = emails.every(({ keywords, from }) => keywords.$draft || (from ?? []).every((one) => isOwn(one, own)))
  if (drafts && emails.length > 0) {
    const names = namesOf(
      emails.flatMap(({ to }) => to ?? []),
      own,
    )
    return names === '' ? t('row.draft') : t('row.to', { names: [...new Set(names.split(', '))].join(', ') })
  }
  const seen = new Map<string, string>()
  for (const { from } of emails)
    for (const one of from ?? []) seen.set(one.email.toLowerCase(), isOwn(one, own) ? t('me') : nameOf(one))
  const all = [...seen.values()]
  if (all.length === 0) return t('row.nobody')
  return all.length > 1 ? all.map((name) => name.split(/[ ,]/)[0] || name).join(', ') : (all[0] as string)
}
