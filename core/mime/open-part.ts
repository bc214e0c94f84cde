/**
 * A part of a message while it is being read, and the properties from its header.
 */
import { type Envelope, envelopeOf } from './envelope.ts'
import type { Fields } from './header.ts'
import { readLong, readParameters } from './parameters.ts'
import type { EncodedBody, MimePart } from './parts.ts'

/** Maximum length of a boundary in octets (RFC 2046 allows 70; some programs exceed it). */
export const MAX_BOUNDARY = 250

export interface OpenPart {
  type: string
  subtype: string
  parameters: Readonly<Record<string, string>>
  encoding: string
  facts: Pick<MimePart, 'id' | 'description' | 'disposition' | 'languages' | 'location' | 'md5'>
  envelope: Envelope | undefined
  readonly header: number
  body: number
  end: number
  /** Line breaks in the content before the body. */
  linesBefore: number
  lines: number
  /** For a multipart whose closing boundary has not come. */
  boundary: Buffer | undefined
  readonly parts: OpenPart[]
  /** For an encoded message. */
  decoded?: MimePart
  /** Whether it is a message, whose header has an envelope. */
  readonly isMessage: boolean
  readonly isDigestPart: boolean
}

export function beginPart(header: number, isMessage: boolean, isDigestPart = false): OpenPart {
  const [type, subtype] = isDigestPart ? ['message', 'rfc822'] : ['text', 'plain']
  return {
    type: type as string,
    subtype: subtype as string,
    parameters: {},
    encoding: '7bit',
    facts: {},
    envelope: undefined,
    header,
    body: header,
    end: header,
    linesBefore: 0,
    lines: 0,
    boundary: undefined,
    parts: [],
    isMessage,
    isDigestPart,
  }
}

/** Type of a part that cannot be parsed further. */
export const OPAQUE = { type: 'application', subtype: 'octet-stream' }

/** The body of a multipart as a part of its own. */
export function bodyOf({ body, end, lines, encoding }: OpenPart): OpenPart {
  return { ...beginPart(body, false), parameters: { charset: 'us-ascii' }, encoding, end, lines }
}

export function boundaryOf({ parameters }: Pick<OpenPart, 'parameters'>): Buffer | undefined {
  // RFC 2046: a boundary does not end with white space.
  const boundary = Buffer.from((parameters.boundary ?? readLong(parameters, 'boundary') ?? '').trimEnd())
  return boundary.length > 0 && boundary.length <= MAX_BOUNDARY ? boundary : undefined
}

export const isMessageType = ({ type, subtype }: Pick<OpenPart, 'type' | 'subtype'>) =>
  type === 'message' && (subtype === 'rfc822' || subtype === 'global')

const TOKEN = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+$/

export function describePart(part: OpenPart, fields: Fields): void {
  const [typeText = '', parameters] = readParameters(fields.get('content-type') ?? '')
  const [type = '', subtype = ''] = typeText
    .toLowerCase()
    .split('/')
    .map((text) => text.trim())
  if (TOKEN.test(type) && TOKEN.test(subtype)) Object.assign(part, { type, subtype, parameters })
  else if (!part.isDigestPart) part.parameters = { charset: 'us-ascii' }
  if (part.type === 'text' && !part.parameters.charset) part.parameters = { ...part.parameters, charset: 'us-ascii' }
  const [encoding = ''] = readParameters(fields.get('content-transfer-encoding') ?? '')
  part.encoding = TOKEN.test(encoding) ? encoding.toLowerCase() : '7bit'
  part.facts = factsOf(fields)
  if (part.isMessage) part.envelope = envelopeOf(fields)
}

function factsOf(fields: Fields): OpenPart['facts'] {
  const [kind = '', parameters] = readParameters(fields.get('content-disposition') ?? '')
  const languages = fields
    .get('content-language')
    ?.split(',')
    .map((one) => one.trim())
    .filter((one) => TOKEN.test(one))
  const texts = {
    id: fields.get('content-id'),
    description: fields.get('content-description'),
    location: fields.get('content-location'),
    md5: fields.get('content-md5'),
  }
  return {
    ...Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== undefined && value !== '')),
    ...(TOKEN.test(kind) ? { disposition: { type: kind.toLowerCase(), parameters } } : {}),
    ...(languages && languages.length > 0 ? { languages } : {}),
  }
}

/** The part as callers see it. */
export function finishedPart(part: OpenPart, within: EncodedBody | undefined): MimePart {
  const { type, subtype, parameters, encoding, facts, header, body, end, lines, parts, decoded, envelope } = part
  const inner = decoded ? [decoded] : parts.map((one) => finishedPart(one, within))
  return {
    type,
    subtype,
    parameters,
    encoding,
    ...facts,
    header,
    body,
    end,
    ...(within ? { within } : {}),
    ...(type === 'text' || isMessageType(part) ? { lines } : {}),
    ...(inner.length > 0 ? { parts: inner } : {}),
    ...(envelope ? { envelope } : {}),
  }
}
