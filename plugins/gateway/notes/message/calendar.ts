/**
 * Appointments, notices and tasks of Notes as iCalendar (RFC 5545), with the method of a notice (RFC 5546).
 * Items: HCL's "Calendaring and Scheduling Schema".
 */
import { first, type NotesDocument } from '../archive/model.ts'
import { type AddressBook, mailboxOf } from '../names.ts'

const MAX_ATTENDEES = 2000
const MAX_INSTANCES = 2000

/** iCalendar methods of notices, by letter. A notice with another letter, or without one, is published. */
const METHODS: Readonly<Record<string, string>> = {
  I: 'REQUEST',
  U: 'REQUEST',
  N: 'REQUEST',
  E: 'REQUEST',
  C: 'CANCEL',
  A: 'REPLY',
  P: 'REPLY',
  R: 'REPLY',
  D: 'REPLY',
  T: 'COUNTER',
}
const ANSWERS: Readonly<Record<string, string>> = { A: 'ACCEPTED', P: 'TENTATIVE', R: 'DECLINED', D: 'DELEGATED' }

export interface CalendarEntry {
  readonly method: string
  readonly text: string
  /** Kept in the calendar, as against a notice in the mail. */
  readonly isEntry: boolean
}

export const isCalendar = (document: NotesDocument) =>
  /^(?:appointment|notice|task|_calendar entry)$/i.test(first(document, 'Form')) ||
  (first(document, 'AppointmentType') !== '' && document.times('StartDateTime').length > 0)

/** Undefined for a document without a date, which is no entry of any calendar. */
export async function calendarOf(
  document: NotesDocument,
  { book, domain, description }: { readonly book: AddressBook; readonly domain: string; readonly description: string },
): Promise<CalendarEntry | undefined> {
  const form = first(document, 'Form').toLowerCase()
  const isTask = form === 'task' || first(document, '$TaskType') !== ''
  const start = document.times('StartDateTime')
  const end = document.times('EndDateTime')
  const due = document.times('DueDateTime')
  if (start.length === 0 && due.length === 0 && !isTask) return undefined
  const notice = first(document, 'NoticeType').toUpperCase()
  const method = METHODS[notice] ?? 'PUBLISH'
  const isAllDay = ['1', '2'].includes(first(document, 'AppointmentType'))
  const property = (name: string, item: string) => {
    const text = first(document, item)
    return text === '' ? [] : [`${name}:${escaped(text)}`]
  }
  const moment = (name: string, time: { readonly at: number; readonly isDay?: boolean } | undefined) =>
    time ? [time.isDay || isAllDay ? `${name};VALUE=DATE:${day(time.at)}` : `${name}:${utc(time.at)}`] : []
  const lines = [
    `BEGIN:${isTask ? 'VTODO' : 'VEVENT'}`,
    `UID:${escaped(first(document, 'ApptUNID') || document.unid)}`,
    `DTSTAMP:${utc(document.modified ?? document.created ?? 0)}`,
    ...(document.created === undefined ? [] : [`CREATED:${utc(document.created)}`]),
    ...moment('DTSTART', start[0]),
    ...(isTask ? moment('DUE', due[0] ?? end[0]) : moment('DTEND', end[0])),
    ...instancesOf(document, isAllDay),
    ...property('SUMMARY', 'Subject'),
    ...property('LOCATION', first(document, 'Location') === '' ? 'Room' : 'Location'),
    ...(description.trim() === '' ? [] : [`DESCRIPTION:${escaped(description)}`]),
    ...property('CATEGORIES', 'Categories'),
    ...(first(document, 'OrgConfidential') === '1' ? ['CLASS:PRIVATE'] : []),
    ...(first(document, 'BookFreeTime') === '1' ? ['TRANSP:TRANSPARENT'] : []),
    ...(method === 'CANCEL'
      ? ['STATUS:CANCELLED']
      : isTask && first(document, 'DueState') === '9'
        ? ['STATUS:COMPLETED']
        : []),
    `SEQUENCE:${Math.max(0, Math.trunc(Number(first(document, 'SequenceNum')) || 0))}`,
    ...(await peopleOf(document, { book, domain, answer: ANSWERS[notice] })),
    ...alarmOf(document),
    `END:${isTask ? 'VTODO' : 'VEVENT'}`,
  ]
  const whole = [
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    'PRODID:-//IEMS//Notes//EN',
    `METHOD:${method}`,
    ...lines,
    'END:VCALENDAR',
  ]
  return { method, text: whole.map(folded).join(''), isEntry: form !== 'notice' && notice === '' }
}

/** Instances of a repeated entry, each as Notes lists it; their rule is not kept. */
function instancesOf(document: NotesDocument, isAllDay: boolean): string[] {
  const dates = document.times('RepeatInstanceDates')
  const all = dates.length > 0 ? dates : document.times('StartDateTime')
  const more = all.slice(1, MAX_INSTANCES)
  if (more.length === 0) return []
  return isAllDay
    ? [`RDATE;VALUE=DATE:${more.map(({ at }) => day(at)).join(',')}`]
    : [`RDATE:${more.map(({ at }) => utc(at)).join(',')}`]
}

const ROLES = [
  ['RequiredAttendees', 'REQ-PARTICIPANT'],
  ['OptionalAttendees', 'OPT-PARTICIPANT'],
  ['FYIAttendees', 'NON-PARTICIPANT'],
] as const

async function peopleOf(
  document: NotesDocument,
  options: { readonly book: AddressBook; readonly domain: string; readonly answer: string | undefined },
): Promise<string[]> {
  const person = async (property: string, name: string) => {
    const mailbox = await mailboxOf(name, options.book, options.domain)
    const shown = mailbox?.name ? `;CN="${mailbox.name.replace(/["\r\n]/g, "'")}"` : ''
    return mailbox ? [`${property}${shown}:mailto:${mailbox.address.replace(/[\r\n]/g, '')}`] : []
  }
  const found = await person('ORGANIZER', first(document, 'Chair') || first(document, 'From'))
  if (options.answer !== undefined)
    return [...found, ...(await person(`ATTENDEE;PARTSTAT=${options.answer}`, first(document, 'From')))]
  for (const [item, role] of ROLES)
    for (const name of document.texts(item).slice(0, MAX_ATTENDEES))
      found.push(...(await person(`ATTENDEE;ROLE=${role};RSVP=TRUE`, name)))
  return found
}

/** `$AlarmOffset`: minutes, before the entry when negative. */
function alarmOf(document: NotesDocument): string[] {
  const minutes = Number(first(document, '$AlarmOffset'))
  if (first(document, '$Alarm') !== '1' || !Number.isInteger(minutes) || Math.abs(minutes) > 100_000) return []
  const trigger = `TRIGGER:${minutes > 0 ? '' : '-'}PT${Math.abs(minutes)}M`
  return ['BEGIN:VALARM', 'ACTION:DISPLAY', 'DESCRIPTION:Alarm', trigger, 'END:VALARM']
}

const utc = (at: number) => new Date(at).toISOString().replace(/[-:]|\.\d+/g, '')
const day = (at: number) => new Date(at).toISOString().slice(0, 10).replaceAll('-', '')

/** RFC 5545 section 3.3.11. */
export const escaped = (text: string) =>
  text
    .replace(/[\\;,]/g, '\\$&')
    .replace(/\r\n|\r|\n/g, '\\n')
    .replace(/(?!\t)\p{Cc}/gu, '')

/** RFC 5545 section 3.1: lines of at most 75 octets. */
export function folded(line: string): string {
  const pieces: string[] = []
  let piece = ''
  let octets = 0
  for (const char of line.toWellFormed()) {
    const size = Buffer.byteLength(char)
    if (octets + size > 74) {
      pieces.push(piece)
      piece = ''
      octets = 1
    }
    piece += char
    octets += size
  }
  return `${[...pieces, piece].join('\r\n ')}\r\n`
}
