/**
 * Files as parts of a message, and parts as files, with the same facts in both directions.
 *
 * Invariant: a fact that MIME has a place for is never lost between the two.
 */
import {
  attachmentName,
  dateText,
  type FileFacts,
  gather,
  type MimePart,
  type NewPart,
  readDate,
  writeAppleDouble,
} from 'iems/mime'
import { HEAD, mediaTypeOf } from './kinds.ts'

/** RFC 2183 section 2.4. */
const written = (date: Date) => dateText({ at: date.getTime() })

/** Four octets in hex, the usual form of these parameters. */
const hexOf = (code: string) => Buffer.from(code, 'latin1').toString('hex').toUpperCase()
const isLatin = (code: string) => /^[\x20-\xff]{4}$/.test(code)

export interface FileContent {
  /** Octets, if they are known. */
  readonly size?: number
  /** Called more than once. */
  open(): AsyncIterable<Uint8Array>
}

export function inMemory(octets: Buffer): FileContent {
  return {
    size: octets.length,
    async *open() {
      yield octets
    },
  }
}

/** A file as a part. One with a resource fork is a multipart/appledouble (RFC 1740). */
export async function partOf(file: FileFacts, content: FileContent, forks: 'keep' | 'drop' = 'keep'): Promise<NewPart> {
  const { name, created, modified, mode, mac, id } = file
  const given = file.type !== undefined && !/^(?:multipart|message)\//.test(file.type) ? file.type : undefined
  const type = given ?? (await mediaTypeOf(await gather(content.open(), HEAD))) ?? 'application/octet-stream'
  const hasCodes = mac && isLatin(mac.type) && isLatin(mac.creator)
  const named = name === '' ? {} : { name }
  const data: NewPart = {
    type,
    ...named,
    disposition: 'attachment',
    parameters: {
      ...(mode === undefined ? {} : { 'x-unix-mode': `0${mode.toString(8)}` }),
      ...(hasCodes ? { 'x-mac-type': hexOf(mac.type), 'x-mac-creator': hexOf(mac.creator) } : {}),
    },
    dispositionParameters: {
      ...(created ? { 'creation-date': written(created) } : {}),
      ...(modified ? { 'modification-date': written(modified) } : {}),
      ...(content.size === undefined ? {} : { size: String(content.size) }),
    },
    ...(id === undefined ? {} : { id }),
    content: () => content.open(),
  }
  if (!mac?.resource || forks === 'drop') return data
  const header: NewPart = { type: 'application/applefile', ...named, content: writeAppleDouble(file) }
  return { type: 'multipart/appledouble', ...named, content: [header, data] }
}

function dateOf(text: string | undefined): Date | undefined {
  const date = readDate(text)
  return date && new Date(date.at)
}

const codeOf = (hex: string | undefined) =>
  hex !== undefined && /^[0-9a-f]{8}$/i.test(hex) ? Buffer.from(hex, 'hex').toString('latin1') : undefined

/** Facts about a file, from the header of its part. */
export function factsOf(part: MimePart): FileFacts {
  const { parameters, disposition, id } = part
  const created = dateOf(disposition?.parameters['creation-date'])
  const modified = dateOf(disposition?.parameters['modification-date'])
  const mode = parameters['x-unix-mode']
  const [type, creator] = [codeOf(parameters['x-mac-type']), codeOf(parameters['x-mac-creator'])]
  return {
    name: attachmentName(part) ?? '',
    type: `${part.type}/${part.subtype}`,
    ...(created ? { created } : {}),
    ...(modified ? { modified } : {}),
    ...(mode !== undefined && /^[0-7]{1,7}$/.test(mode) ? { mode: Number.parseInt(mode, 8) & 0o7777 } : {}),
    ...(type !== undefined || creator !== undefined
      ? { mac: { type: type ?? '????', creator: creator ?? '????', flags: 0 } }
      : {}),
    ...(id === undefined ? {} : { id: id.replace(/^<|>$/g, '') }),
  }
}
