/**
 * Sizes as Sympa and LISTSERV write them.
 */

const FACTORS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/** `500K` or `5 M` in octets; undefined for anything else. */
export function parseSize(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,12})\s{0,3}([kmg]?)(?:i?b|o)?$/i.exec(text.trim()) ?? []
  const factor = FACTORS[unit.toLowerCase()]
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor
}
