/**
 * The files of a `winmail.dat` (MS-OXTNEF), those that stand in a MAPI property alone included.
 *
 * What must stay true: every length is checked against what is there; what cannot be read is said, not passed over.
 */

const SIGNATURE = 0x223e9f78
export const isTnef = (octets: Buffer): boolean => octets.length >= 6 && octets.readUInt32LE(0) === SIGNATURE

export class BrokenTnef extends Error {}

/** An attachment as MAPI had it, and its properties; those of the message. */
const ATTACH_DATA = 0x6800f
const ATTACHMENT = 0x69005
const MESSAGE = 0x69003

/** Values of MAPI, by the low twelve bits of their type: octets of those that have a fixed size. */
const SIZES: Readonly<Record<number, number>> = {
  2: 4, // two octets, and two to fill up
  3: 4,
  4: 4,
  5: 8,
  6: 8,
  7: 8,
  10: 4,
  11: 4,
  20: 8,
  64: 8,
  72: 16,
}
const BINARY = 0x102
const OBJECT = 0xd
const STRINGS = new Set([0x1e, 0x1f, BINARY, OBJECT])
const MULTIPLE = 0x1000
/** Before what an object holds stands its kind. */
const INTERFACE = 16
/** Properties, and values of one. */
const MOST = 10_000

/** What may be a file, in order. Throws `BrokenTnef` after the last that could be read. */
export function* filesIn(octets: Buffer): Generator<Buffer> {
  let at = 6
  while (at + 9 <= octets.length) {
    const id = octets.readUInt32LE(at + 1)
    const start = at + 9
    const end = start + octets.readUInt32LE(at + 5)
    const data = octets.subarray(start, end)
    if (id === ATTACH_DATA) yield data
    if (id === ATTACHMENT || id === MESSAGE) yield* valuesIn(data)
    // Behind it a check sum.
    at = end + 2
  }
  if (at > octets.length + 2) throw new BrokenTnef('cut off')
}

function* valuesIn(data: Buffer): Generator<Buffer> {
  let at = 0
  function number(): number {
    if (at + 4 > data.length) throw new BrokenTnef('a property that is cut off')
    at += 4
    return data.readUInt32LE(at - 4)
  }
  function bytes(length: number): Buffer {
    if (at + length > data.length) throw new BrokenTnef('a property that is cut off')
    const value = data.subarray(at, at + length)
    at += length + ((4 - (length % 4)) % 4)
    return value
  }
  const count = number()
  if (count > MOST) throw new BrokenTnef(`more than ${MOST} properties`)
  for (let n = 0; n < count; n++) {
    const tag = number()
    const type = tag & 0xfff
    if (tag >>> 16 >= 0x8000) {
      bytes(INTERFACE)
      if (number() === 0) number()
      else bytes(number())
    }
    const isMultiple = (tag & MULTIPLE) !== 0
    const values = isMultiple || STRINGS.has(type) ? number() : 1
    if (values > MOST) throw new BrokenTnef(`more than ${MOST} values`)
    for (let value = 0; value < values; value++) {
      const size = STRINGS.has(type) ? number() : SIZES[type]
      if (size === undefined) throw new BrokenTnef(`a property of type ${type}`)
      const found = bytes(size)
      if (type === OBJECT) yield found.subarray(INTERFACE)
      else if (type === BINARY) yield found
    }
  }
}
