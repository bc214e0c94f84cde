/**
 * The name of a file in a message, in the right ways (RFC 2231, RFC 2047) and in the wrong ones that programs write.
 *
 * Invariants: linear time; text that cannot be decoded is shown unchanged.
 */
import { readLong } from './parameters.ts'
import type { MimePart } from './parts.ts'
import { decodeName } from './words.ts'

/** A part's name as its sender wrote it; undefined when it has none. It may hold a path: see `baseName`. */
export function attachmentName({
  parameters,
  disposition,
}: Pick<MimePart, 'parameters' | 'disposition'>): string | undefined {
  const given = [disposition && readLong(disposition.parameters, 'filename'), readLong(parameters, 'name')]
  const names = given.flatMap((name) => (name === undefined || name === '' ? [] : decoded(name)))
  // Of two, one may have been damaged on its way.
  return names.find((name) => !name.includes('\ufffd')) ?? names[0]
}

function decoded(name: string): string {
  const bare = /^'[^']*'$/.test(name) ? name.slice(1, -1) : name
  return percentDecoded(withWindows(decodeName(bare))).trim()
}

/** Octets that are not UTF-8 have been read as Latin-1; most of them are Windows-1252. */
function withWindows(name: string): string {
  return /[\x80-\x9f]/.test(name) && !/[\u0100-\uffff]/.test(name)
    ? new TextDecoder('windows-1252').decode(Buffer.from(name, 'latin1'))
    : name
}

/** Some programs write UTF-8 as in a URL; a name that is not that keeps its percent signs. */
function percentDecoded(name: string): string {
  if (!/%[89a-f][0-9a-f]/i.test(name)) return name
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

const RESERVED = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i
/** Octets of a name in nearly all file systems. */
const MAX_NAME = 255

/** The last step of a path, without what no file system takes: safe to be written to. */
export function baseName(name: string): string {
  const last = name.split(/[/\\]/).findLast((step) => step.trim() !== '') ?? ''
  const clean = withoutEnds(last.toWellFormed().replace(/[\p{Cc}\p{Cf}<>:"|?*\u2028\u2029]/gu, '_'))
  const safe = clean === '' || RESERVED.test(clean) ? `_${clean}` : clean
  let out = ''
  for (const char of safe) {
    if (Buffer.byteLength(out + char) > MAX_NAME) break
    out += char
  }
  return out
}

/** Without dots and spaces at both ends. */
function withoutEnds(name: string): string {
  let [start, end] = [0, name.length]
  const isEnd = (char: string | undefined) => char === '.' || char === ' '
  while (start < end && isEnd(name[start])) start++
  while (end > start && isEnd(name[end - 1])) end--
  return name.slice(start, end)
}
