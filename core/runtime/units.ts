/**
 * Durations and sizes as people write them: `'10 min'`, `'1 GB'`. Their schemas convert to milliseconds and octets.
 *
 * Sizes are powers of ten, and powers of two when written with an i (`MiB`).
 */
import * as z from 'zod'

const DURATIONS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
}
const SIZES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
}

function measure(units: Readonly<Record<string, number>>, example: string) {
  const pattern = new RegExp(`^(\\d+(?:\\.\\d+)?) ?(${Object.keys(units).join('|')})$`)
  return z
    .string()
    .regex(pattern, `must be a number and a unit such as '${example}' (${Object.keys(units).join(', ')})`)
    .transform((text) => {
      const [, amount, unit] = pattern.exec(text) ?? []
      return Math.round(Number(amount) * (units[unit ?? ''] ?? 0))
    })
}

/** `'90 s'`, `'10 min'`, `'4 h'`, `'5 days'`; converted to milliseconds. */
export const duration = () => measure(DURATIONS, '10 min')
/** `'64 KiB'`, `'50 MB'`; converted to octets. */
export const size = () => measure(SIZES, '50 MB')
