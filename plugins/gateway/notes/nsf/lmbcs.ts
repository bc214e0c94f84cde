/**
 * LMBCS, the character set of Notes: octets with group prefixes. Groups and code pages: ICU, ucnv_lmb.cpp. Octets that
 * cannot be decoded become U+FFFD; a NUL is a line break.
 */
import { codePage } from 'iems/mime'

/** Code pages by group: one octet each. */
const SINGLE: Readonly<Record<number, string>> = {
  1: 'cp850',
  2: 'cp851',
  3: 'windows-1255',
  4: 'windows-1256',
  5: 'windows-1251',
  6: 'cp852',
  8: 'windows-1254',
  11: 'windows-874',
}
/** Two octets each. */
const DOUBLE: Readonly<Record<number, string>> = { 16: 'cp932', 17: 'cp949', 18: 'cp950', 19: 'cp936' }
const UNICODE = 0x14
const CONTROL = 0x0f
/** The group of octets above 7F without a prefix. */
const DEFAULT = 1
const PLAIN = new Set([0x09, 0x0a, 0x0d, 0x19])

export function decodeLmbcs(octets: Uint8Array): string {
  let isPlain = true
  for (const octet of octets)
    if (octet < 0x20 || octet > 0x7e) {
      isPlain = false
      break
    }
  if (isPlain) return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1')
  const out: string[] = []
  for (let at = 0; at < octets.length; ) {
    const octet = octets[at] ?? 0
    const run = at
    while (at < octets.length && isAscii(octets[at])) at++
    if (at > run) {
      out.push(Buffer.from(octets.subarray(run, at)).toString('latin1'))
      continue
    }
    if (octet === 0) {
      out.push('\n')
      at++
    } else at = character(octets, at, out)
  }
  return out.join('')
}

const isAscii = (octet = 0) => (octet >= 0x20 && octet < 0x7f) || PLAIN.has(octet)

/** Decodes one character, or a run of characters of the default group; returns where the next one begins. */
function character(octets: Uint8Array, at: number, out: string[]): number {
  const group = octets[at] ?? 0
  if (group > 0x7e) {
    let end = at
    while ((octets[end] ?? 0) > 0x7e) end++
    out.push(charset(SINGLE[DEFAULT] ?? '', octets.subarray(at, end)))
    return end
  }
  const [first = 0, second = 0] = octets.subarray(at + 1, at + 3)
  if (group === UNICODE) {
    out.push(String.fromCharCode(first === 0xf6 ? second : first * 256 + second))
    return at + 3
  }
  if (group === CONTROL) {
    out.push(String.fromCharCode(Math.max(0, first - 0x20)))
    return at + 2
  }
  const double = DOUBLE[group]
  if (double !== undefined) {
    const isSingle = first === group
    out.push(charset(double, octets.subarray(isSingle ? at + 2 : at + 1, at + 3)))
    return at + 3
  }
  const single = SINGLE[group]
  out.push(single === undefined ? '\uFFFD' : charset(single, octets.subarray(at + 1, at + 2)))
  return at + (single === undefined ? 1 : 2)
}

function charset(name: string, octets: Uint8Array): string {
  return codePage(name)?.decode(octets) ?? '\uFFFD'.repeat(octets.length)
}
