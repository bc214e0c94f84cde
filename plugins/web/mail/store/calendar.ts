/**
 * Invitations (RFC 5545, RFC 5546): the first event of a text/calendar part, and the answer to it.
 *
 * Invariants: unreadable values are omitted, never guessed; the answer repeats the organizer's own UID, SEQUENCE and
 * RECURRENCE-ID and names only the person who answers.
 */
export interface Attendee {
  readonly email: string
  readonly name: string
  readonly answer: string
}

export interface Invitation {
  /** `REQUEST`, `CANCEL`, `REPLY`, …; empty for a plain event. */
  readonly method: string
  readonly uid: string
  readonly sequence: string
  readonly recurrenceId: string
  readonly summary: string
  readonly location: string
  readonly description: string
  /** Undefined where it cannot be read. */
  readonly start: CalendarTime | undefined
  readonly end: CalendarTime | undefined
  readonly isRepeated: boolean
  readonly organizer: Attendee | undefined
  readonly attendees: readonly Attendee[]
  /** Lines that the answer repeats. */
  readonly own: readonly string[]
}

export interface CalendarTime {
  readonly date: Date
  readonly isWholeDay: boolean
  /** Time zone as written, if other than UTC. */
  readonly zone: string
}

export type Answer = 'ACCEPTED' | 'TENTATIVE' | 'DECLINED'

const MAX_TEXT = 200_000
const MAX_LINES = 5000
const MAX_ATTENDEES = 200

interface Line {
  readonly name: string
  readonly parameters: ReadonlyMap<string, string>
  readonly value: string
  readonly whole: string
}

/** RFC 5545 section 3.1: unfolded, with quoted parameters. */
function lineOf(whole: string): Line | undefined {
  const parts: string[] = []
  let from = 0
  let isQuoted = false
  for (let at = 0; at < whole.length; at++) {
    const char = whole[at]
    if (char === '"') isQuoted = !isQuoted
    else if (!isQuoted && (char === ';' || char === ':')) {
      parts.push(whole.slice(from, at))
      from = at + 1
      if (char === ':') break
    }
  }
  const [name, ...given] = parts
  if (name === undefined) return undefined
  const parameters = new Map(
    given.map((one) => {
      const equals = one.indexOf('=')
      return [one.slice(0, equals).toUpperCase(), one.slice(equals + 1).replaceAll('"', '')] as const
    }),
  )
  return { name: name.toUpperCase(), parameters, value: whole.slice(from), whole }
}

const textOf = (line: Line | undefined): string =>
  (line?.value ?? '').replace(/\\([\\;,nN])/g, (_, char: string) => (/n/i.test(char) ? '\n' : char)).trim()

function attendeeOf({ value, parameters }: Line): Attendee {
  const email = value.replace(/^mailto:/i, '').trim()
  return { email, name: parameters.get('CN') ?? email, answer: (parameters.get('PARTSTAT') ?? '').toUpperCase() }
}

/** The difference of a zone to UTC at a moment, in ms; undefined for a zone that the browser does not know. */
function offsetOf(zone: string, at: number): number | undefined {
  try {
    const parts = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
    }).formatToParts(at)
    const of = (type: string) => Number(parts.find((part) => part.type === type)?.value)
    return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second')) - at
  } catch {
    return undefined
  }
}

function timeOf(line: Line | undefined): CalendarTime | undefined {
  const found = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?$/.exec(line?.value.trim() ?? '')
  if (!found || !line) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found.slice(1, 7).map(Number)
  if (found[4] === undefined) return { date: new Date(year, month - 1, day), isWholeDay: true, zone: '' }
  const wall = Date.UTC(year, month - 1, day, hour, minute, second)
  if (found[7] === 'Z') return { date: new Date(wall), isWholeDay: false, zone: '' }
  const zone = line.parameters.get('TZID') ?? ''
  const offset = zone === '' ? undefined : offsetOf(zone, wall)
  return offset === undefined
    ? { date: new Date(year, month - 1, day, hour, minute, second), isWholeDay: false, zone }
    : { date: new Date(wall - offset), isWholeDay: false, zone: '' }
}

/** Undefined when there is no event in the text. */
export function readInvitation(text: string): Invitation | undefined {
  const lines = text
    .slice(0, MAX_TEXT)
    .replace(/\r?\n[ \t]/g, '')
    .split(/\r?\n/, MAX_LINES)
    .flatMap((line) => lineOf(line) ?? [])
  const begin = lines.findIndex(({ name, value }) => name === 'BEGIN' && value.toUpperCase() === 'VEVENT')
  if (begin < 0) return undefined
  const length = lines.slice(begin).findIndex(({ name, value }) => name === 'END' && value.toUpperCase() === 'VEVENT')
  // Alarms inside of the event have names of their own.
  let depth = 0
  const event = lines.slice(begin + 1, length < 0 ? undefined : begin + length).filter(({ name }) => {
    if (name === 'BEGIN') depth++
    if (name === 'END') depth--
    return depth === 0 && name !== 'END'
  })
  const first = (name: string) => event.find((line) => line.name === name)
  const organizer = first('ORGANIZER')
  return {
    method: textOf(lines.find(({ name }) => name === 'METHOD')).toUpperCase(),
    uid: first('UID')?.value ?? '',
    sequence: first('SEQUENCE')?.value ?? '0',
    recurrenceId: first('RECURRENCE-ID')?.whole ?? '',
    summary: textOf(first('SUMMARY')),
    location: textOf(first('LOCATION')),
    description: textOf(first('DESCRIPTION')),
    start: timeOf(first('DTSTART')),
    end: timeOf(first('DTEND')),
    isRepeated: first('RRULE') !== undefined,
    organizer: organizer && attendeeOf(organizer),
    attendees: event
      .filter(({ name }) => name === 'ATTENDEE')
      .slice(0, MAX_ATTENDEES)
      .map(attendeeOf),
    own: ['UID', 'SEQUENCE', 'RECURRENCE-ID', 'DTSTART', 'DTEND', 'ORGANIZER'].flatMap(
      (name) => first(name)?.whole ?? [],
    ),
  }
}

/** 75 octets a line (RFC 5545 section 3.1); characters are not split. */
function folded(line: string): string {
  const encoder = new TextEncoder()
  let result = ''
  let octets = 0
  for (const char of line) {
    const size = encoder.encode(char).length
    if (octets + size > 73) {
      result += '\r\n '
      octets = 1
    }
    result += char
    octets += size
  }
  return result
}

/** The text/calendar part of an answer (RFC 5546 section 3.2.3). */
export function answerTo(
  invitation: Invitation,
  me: { readonly name: string; readonly email: string },
  answer: Answer,
  now = new Date(),
): string {
  const name = me.name.replaceAll(/["\r\n]/g, '')
  return [
    'BEGIN:VCALENDAR',
    'PRODID:-//IEMS//Web mail//EN',
    'VERSION:2.0',
    'METHOD:REPLY',
    'BEGIN:VEVENT',
    ...invitation.own,
    `DTSTAMP:${now.toISOString().replace(/[-:]|\.\d{3}/g, '')}`,
    `ATTENDEE;PARTSTAT=${answer}${name === '' ? '' : `;CN="${name}"`}:mailto:${me.email}`,
    `SUMMARY:${invitation.summary.replace(/[\\;,]/g, '\\$&').replaceAll('\n', '\\n')}`,
    'END:VEVENT',
    'END:VCALENDAR',
    '',
  ]
    .map(folded)
    .join('\r\n')
}
