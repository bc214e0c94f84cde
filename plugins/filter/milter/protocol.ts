/**
 * The milter protocol, version 6, as spoken by Sendmail 8.14 and later and Postfix: packets and their content. Pure.
 *
 * There is no RFC; libmilter's mfdef.h and Postfix's MILTER_README define it. A packet is its length (four octets,
 * big-endian), a letter, and data whose meaning depends on the letter. Text is latin1, one character per octet.
 * Invariants: a malformed response is a fault, never a guess.
 */

export const VERSION = 6

/** Actions that a filter may take. */
export const ACTION = {
  addHeader: 0x01,
  changeBody: 0x02,
  addRecipient: 0x04,
  removeRecipient: 0x08,
  changeHeader: 0x10,
  quarantine: 0x20,
  changeFrom: 0x40,
  addRecipientWithArguments: 0x80,
} as const

/** Steps that a filter does not want, or does not respond to. */
export const STEP = {
  noConnect: 0x01,
  noHelo: 0x02,
  noMail: 0x04,
  noRecipient: 0x08,
  noBody: 0x10,
  noHeaders: 0x20,
  noEndOfHeader: 0x40,
  noReplyHeader: 0x80,
  noUnknown: 0x100,
  noData: 0x200,
  skip: 0x400,
  noReplyConnect: 0x1000,
  noReplyHelo: 0x2000,
  noReplyMail: 0x4000,
  noReplyRecipient: 0x8000,
  noReplyData: 0x10000,
  noReplyUnknown: 0x20000,
  noReplyEndOfHeader: 0x40000,
  noReplyBody: 0x80000,
  leadingSpace: 0x100000,
} as const

const sum = (bits: Readonly<Record<string, number>>) => Object.values(bits).reduce((all, bit) => all | bit, 0)

/** All of them are supported. */
export const OFFERED = { actions: sum(ACTION), steps: sum(STEP) }

/** Octets of body per packet. */
export const CHUNK = 65_535

export function packet(letter: string, ...parts: readonly (string | Uint8Array)[]): Buffer {
  const body = parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part))
  const length = body.reduce((all, part) => all + part.byteLength, 1)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(length)
  head.write(letter, 4, 'latin1')
  return Buffer.concat([head, ...body])
}

/** NUL-terminated strings; NULs inside are removed. */
export const strings = (...texts: readonly string[]) => texts.map((text) => `${text.replaceAll('\0', '')}\0`).join('')

export function numbers(...values: readonly number[]): Buffer {
  const octets = Buffer.alloc(values.length * 4)
  for (const [at, value] of values.entries()) octets.writeUInt32BE(value >>> 0, at * 4)
  return octets
}

export interface Packet {
  readonly letter: string
  readonly body: Buffer
}

export class ProtocolFault extends Error {}

/** The strings of a response; each must be terminated. */
export function readStrings(body: Buffer, least: number): string[] {
  const texts = body.toString('latin1').split('\0')
  if (texts.pop() !== '' || texts.length < least) throw new ProtocolFault('an answer breaks off')
  return texts
}

/** A number followed by strings. */
export function readNumbered(body: Buffer, least: number): [number, ...string[]] {
  if (body.length < 4) throw new ProtocolFault('an answer breaks off')
  return [body.readUInt32BE(), ...readStrings(body.subarray(4), least)]
}

export interface Terms {
  readonly actions: number
  readonly steps: number
}

export function readTerms({ letter, body }: Packet): Terms {
  if (letter !== 'O' || body.length < 12) throw new ProtocolFault('it does not speak the milter protocol')
  const [version, actions, steps] = [body.readUInt32BE(0), body.readUInt32BE(4), body.readUInt32BE(8)]
  if (version < 2 || version > VERSION) throw new ProtocolFault(`it speaks version ${version} of the protocol`)
  if ((steps & ~OFFERED.steps) !== 0) throw new ProtocolFault('it wants more than was offered')
  return { actions, steps }
}
