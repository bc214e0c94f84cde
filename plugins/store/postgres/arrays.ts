/**
 * Arrays as parameters, in PostgreSQL's binary format (array_recv): octets go as they are instead of in hex digits.
 * The format: the number of dimensions, whether an element is null, the type; the size and lower bound; the elements.
 */
const BYTEA = 17
const TEXT = 25
const HEADER = 20
const NULL = -1

function encode(type: number, items: readonly (Uint8Array | undefined)[]): Buffer {
  let size = HEADER
  for (const item of items) size += 4 + (item?.byteLength ?? 0)
  const bytes = Buffer.allocUnsafe(items.length === 0 ? 12 : size)
  bytes.writeInt32BE(items.length === 0 ? 0 : 1, 0)
  bytes.writeInt32BE(items.includes(undefined) ? 1 : 0, 4)
  bytes.writeInt32BE(type, 8)
  if (items.length === 0) return bytes
  bytes.writeInt32BE(items.length, 12)
  bytes.writeInt32BE(1, 16)
  let at = HEADER
  for (const item of items) {
    at = bytes.writeInt32BE(item?.byteLength ?? NULL, at)
    if (!item) continue
    bytes.set(item, at)
    at += item.byteLength
  }
  return bytes
}

export const byteaArray = (items: readonly (Uint8Array | undefined)[]): Buffer => encode(BYTEA, items)

export const textArray = (items: readonly string[]): Buffer =>
  encode(
    TEXT,
    items.map((item) => Buffer.from(item)),
  )

/** Whole numbers or truth values, in the text format. */
export const plainArray = (items: readonly (number | boolean | undefined)[]): string =>
  `{${items.map((item) => (item === undefined ? 'NULL' : String(item))).join(',')}}`
