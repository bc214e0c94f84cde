/**
 * Dates (RFC 5260): the tests date and currentdate.
 */
import { readDate } from 'iems/mime'
import type { Arguments, Extension } from '../language.ts'
import { checkMatch, MATCH_TAGS, matchAny } from '../match.ts'
import type { Run } from '../run.ts'
import { type Position, SieveError } from '../syntax.ts'
import { atIndex, checkIndex, INDEX_TAGS } from './headers.ts'

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const two = (number: number) => String(number).padStart(2, '0')

/** A time, and the zone to show it in, in minutes east of UTC. */
interface Moment {
  readonly at: number
  readonly zone: number
}

const zoneText = (zone: number, mark = '') =>
  `${zone < 0 ? '-' : '+'}${two(Math.floor(Math.abs(zone) / 60))}${mark}${two(Math.abs(zone) % 60)}`

/** RFC 5260 section 4.2; the date is in the zone, stored in the UTC fields. */
const PARTS: Readonly<Record<string, (date: Date, moment: Moment) => string>> = {
  year: (date) => String(date.getUTCFullYear()).padStart(4, '0'),
  month: (date) => two(date.getUTCMonth() + 1),
  day: (date) => two(date.getUTCDate()),
  date: (date) => date.toISOString().slice(0, 10),
  // The Modified Julian Day of 1970-01-01 is 40587.
  julian: (date) => String(Math.floor(date.getTime() / 86_400_000) + 40_587),
  hour: (date) => two(date.getUTCHours()),
  minute: (date) => two(date.getUTCMinutes()),
  second: (date) => two(date.getUTCSeconds()),
  time: (date) => date.toISOString().slice(11, 19),
  iso8601: (date, { zone }) => `${date.toISOString().slice(0, 19)}${zoneText(zone, ':')}`,
  std11: (date, { zone }) =>
    `${DAYS[date.getUTCDay()]}, ${two(date.getUTCDate())} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()} ${date.toISOString().slice(11, 19)} ${zoneText(zone)}`,
  zone: (_, { zone }) => zoneText(zone),
  weekday: (date) => String(date.getUTCDay()),
}

const ZONE = /^([+-])(\d{2})([0-5]\d)$/

/** Minutes east of UTC; undefined for an invalid zone. */
function readZone(text: string): number | undefined {
  const [, sign, hours = '', minutes = ''] = ZONE.exec(text) ?? []
  if (sign === undefined) return undefined
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
}

function checkDate(args: Arguments, at: Position, part: number): void {
  checkMatch(args, at, part + 1)
  for (const name of args.constants(part))
    if (!Object.hasOwn(PARTS, name.toLowerCase()))
      throw new SieveError(
        at,
        `unknown part of a date "${name.slice(0, 60)}"`,
        `there are ${Object.keys(PARTS).join(', ')}`,
      )
  for (const zone of args.constants('zone'))
    if (readZone(zone) === undefined) throw new SieveError(at, `"${zone.slice(0, 20)}" is not a zone`, 'write "+0100"')
}

function shown(
  args: Arguments,
  run: Run,
  { at, own }: { at: number; own: number | undefined },
  part: number,
): readonly string[] {
  const given = args.string('zone', run)
  const asked = given === undefined ? undefined : readZone(given)
  const zone = asked ?? (args.has('originalzone') ? own : undefined) ?? run.environment.zone ?? 0
  const show = PARTS[(args.string(part, run) ?? '').toLowerCase()]
  const date = new Date(at + zone * 60_000)
  return show && !Number.isNaN(date.getTime()) ? [show(date, { at, zone })] : []
}

/** Received fields have their date behind the last semicolon (RFC 5260 section 4). */
function momentOf(value: string): { at: number; own: number | undefined } | undefined {
  const text = value.slice(value.lastIndexOf(';') + 1)
  const date = readDate(text)
  if (!date) return undefined
  const zone = /([+-]\d{4})(?!.*[+-]\d{4})/.exec(text.slice(0, 200))?.[1]
  return { at: date.at, own: zone === undefined ? 0 : readZone(zone) }
}

const ZONE_TAGS = { zone: { group: 'zone', value: 'string' }, originalzone: { group: 'zone' } } as const

export const dates: Extension = {
  capabilities: ['date'],
  tests: {
    date: {
      capability: 'date',
      tags: { ...MATCH_TAGS, ...INDEX_TAGS, ...ZONE_TAGS },
      positional: ['string', 'string', 'strings'],
      check(args, at) {
        checkDate(args, at, 1)
        checkIndex(args, at)
      },
      run(args, run) {
        const values = run.message.raw(args.string(0, run) ?? '')
        // Without `:index` the first field counts (RFC 5260 section 4).
        const [value] = args.has('index') ? atIndex(args, values) : values
        const moment = value === undefined ? undefined : momentOf(value)
        return matchAny(args, run, moment ? shown(args, run, moment, 1) : [], 2)
      },
    },
    currentdate: {
      capability: 'date',
      tags: { ...MATCH_TAGS, zone: ZONE_TAGS.zone },
      positional: ['string', 'strings'],
      check: (args, at) => checkDate(args, at, 0),
      run: (args, run) => matchAny(args, run, shown(args, run, { at: run.environment.now, own: undefined }, 0), 1),
    },
  },
}
