/**
 * How text and dates of headers compare.
 */

/** i;unicode-casemap (RFC 5051) as SORT puts text in order. */
export const collate = (text: string) => (ASCII.test(text) ? text : text.normalize('NFKD')).toUpperCase()

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII starts there
const ASCII = /^[\x00-\x7f]*$/

/** The same where text is looked for, near enough: case and compatibility forms make no difference. */
export const fold = (text: string) => text.normalize('NFKC').toLowerCase()

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/** The day that a Date field names. */
export function sentDay(date: string | undefined): number | undefined {
  const [, day, month = '', year = ''] = /(\d{1,2}) +([A-Za-z]{3})[a-z]* +(\d{2,4})/.exec(date ?? '') ?? []
  const number = MONTHS.indexOf(month.toLowerCase())
  // RFC 5322 section 4.3: years of two and of three digits.
  const century = year.length === 4 ? 0 : year.length === 2 && Number(year) < 50 ? 2000 : 1900
  return number < 0 ? undefined : Date.UTC(century + Number(year), number, Number(day))
}

/** When it was sent, by its Date field, in ms since 1970. */
export function sentAt(date: string | undefined): number | undefined {
  const at = Date.parse((date ?? '').replace(/\([^()]*\)/g, ' ').trim())
  return Number.isNaN(at) ? undefined : at
}
