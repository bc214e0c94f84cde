/**
 * Writes and reads the few forms of DER (X.690) that certificates need here. Pure.
 */

/** Tags of X.690. */
export const TAG = {
  boolean: 1,
  integer: 2,
  bits: 3,
  octets: 4,
  null: 5,
  oid: 6,
  utf8: 12,
  time: 24,
  sequence: 48,
  set: 49,
} as const
export const CONTEXT = 0x80
export const CONSTRUCTED = 0x20

export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const bytes = length.toString(16).replace(/^.(?:..)*$/, '0$&')
  const octets = length < 0x80 ? [length] : [0x80 | (bytes.length / 2), ...Buffer.from(bytes, 'hex')]
  return Buffer.concat([Buffer.from([tag, ...octets]), content])
}

export const sequence = (...parts: readonly Uint8Array[]) => der(TAG.sequence, ...parts)
export const bits = (content: Uint8Array, unused = 0) => der(TAG.bits, Buffer.from([unused]), content)

export function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  const octets = rest.flatMap((arc) => {
    const groups = [arc & 0x7f]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left & 0x7f) | 0x80)
    return groups
  })
  return der(TAG.oid, Buffer.from([first * 40 + second, ...octets]))
}

/** One value: its tag, its octets with and without the tag and length. Throws RangeError when it does not fit. */
export interface DerValue {
  readonly tag: number
  readonly whole: Buffer
  readonly content: Buffer
}

/** The values in these octets, one after the other. */
export function derValues(octets: Buffer): DerValue[] {
  const values: DerValue[] = []
  for (let at = 0; at < octets.length; ) {
    const first = octets.readUInt8(at + 1)
    const count = first < 0x80 ? 0 : first & 0x7f
    const length = count === 0 ? first : octets.readUIntBE(at + 2, count)
    const start = at + 2 + count
    if (start + length > octets.length) throw new RangeError('the DER is cut off')
    values.push({
      tag: octets.readUInt8(at),
      whole: octets.subarray(at, start + length),
      content: octets.subarray(start, start + length),
    })
    at = start + length
  }
  return values
}
