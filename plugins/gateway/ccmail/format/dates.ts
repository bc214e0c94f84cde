/**
 * Dates of cc:Mail, which are in the post office's order and zone: an administrator says which.
 */
export interface DateOptions {
  readonly order: 'mdy' | 'dmy' | 'ymd'
  /** IANA name, such as `Europe/Vienna`. */
  readonly zone: string
}

/** Two digits of a year from here on are of the last century. */
const CENTURY = 80

/** ms since 1970; undefined for what is no date. `6/12/01 14:05`, `12.06.2001 2.05 PM`. */
export function readCcDate(text: string, { order, zone }: DateOptions): number | undefined {
  const [date = '', time = '', half = ''] = text.trim().split(/[ \t]+/)
  const numbers = date.split(/[-/.]/).map(Number)
  const clock = /^(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?([ap])?m?$/i.exec(time)
  if (numbers.length !== 3 || numbers.some((number) => !Number.isInteger(number))) return undefined
  // A first number of four digits is a year, whatever the order is.
  const places = (numbers[0] ?? 0) > 31 ? 'ymd' : order
  const at = (letter: string) => numbers[places.indexOf(letter)] ?? 0
  const [year, month, day] = [fullYear(at('y')), at('m'), at('d')]
  if (year < 0 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31) return undefined
  const letter = (clock?.[4] ?? half[0] ?? '').toLowerCase()
  const hour = Number(clock?.[1] ?? 0)
  const hours = letter === 'p' && hour < 12 ? hour + 12 : letter === 'a' && hour === 12 ? 0 : hour
  const local = Date.UTC(year, month - 1, day, hours, Number(clock?.[2] ?? 0), Number(clock?.[3] ?? 0))
  return fromZone(local, zone)
}

const fullYear = (year: number) => (year >= 100 ? year : year >= CENTURY ? 1900 + year : 2000 + year)

/** The moment at which clocks of a zone show a time. */
function fromZone(local: number, zone: string): number {
  let at = local - offsetAt(local, zone)
  at = local - offsetAt(at, zone)
  return at
}

/** Milliseconds that clocks of a zone are ahead of UTC. */
export function offsetAt(at: number, zone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(at)
  const part = (type: string) => Number(parts.find((one) => one.type === type)?.value ?? 0)
  const shown = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'))
  return shown - Math.floor(at / 1000) * 1000
}

export function writeCcDate(at: number, { order, zone }: DateOptions): string {
  const date = new Date(at + offsetAt(at, zone))
  const values = {
    d: date.getUTCDate(),
    m: date.getUTCMonth() + 1,
    y: String(date.getUTCFullYear() % 100).padStart(2, '0'),
  }
  const day = [...order].map((letter) => values[letter as 'd' | 'm' | 'y']).join('/')
  return `${day} ${date.getUTCHours()}:${String(date.getUTCMinutes()).padStart(2, '0')}`
}
