/**
 * Members of a file, one after the other: addresses line by line, CSV with a header, or the JSON of Mailman's REST API.
 *
 * Invariants: memory is bounded by one line, or for JSON by MAX_JSON; a line that cannot be read is a fault with its
 * number, and the others count.
 */
import type { DeliveryOption, MemberOptions } from '../api.ts'

export type NewMember = { readonly line: number; readonly address: string; readonly options: MemberOptions }
export type Fault = { readonly line: number; readonly fault: string }

const MAX_LINE = 10_000
const MAX_JSON = 64 * 1024 * 1024

/** Words of Mailman 2 and 3, Sympa and LISTSERV for the delivery of a member. */
const DELIVERY: Readonly<Record<string, DeliveryOption>> = {
  post: 'post',
  regular: 'post',
  mail: 'post',
  digest: 'mime',
  digests: 'mime',
  mime: 'mime',
  mime_digests: 'mime',
  digestmime: 'mime',
  plain: 'plain',
  plaintext_digests: 'plain',
  summary_digests: 'plain',
  digestplain: 'plain',
  notice: 'none',
  txt: 'post',
  html: 'post',
  urlize: 'post',
  not_me: 'post',
  nodigest: 'post',
  summary: 'plain',
  none: 'none',
  nomail: 'none',
  by_user: 'none',
  by_moderator: 'none',
}

const NAMES: Readonly<Record<string, string>> = {
  address: 'address',
  email: 'address',
  mail: 'address',
  name: 'name',
  display_name: 'name',
  realname: 'name',
  gecos: 'name',
  delivery: 'delivery',
  delivery_mode: 'delivery',
  reception: 'delivery',
  delivery_status: 'status',
  moderation_action: 'moderation',
}

function memberOf(line: number, fields: Readonly<Record<string, unknown>>): NewMember | Fault {
  const known = new Map<string, string>()
  for (const [name, value] of Object.entries(fields)) {
    const meaning = NAMES[name.trim().toLowerCase()]
    if (meaning !== undefined && typeof value === 'string') known.set(meaning, value.trim())
  }
  const address = known.get('address') ?? ''
  if (address === '') return { line, fault: 'no address' }
  const mode = known.get('status')?.toLowerCase()
  const word = mode === 'by_user' || mode === 'by_moderator' ? mode : known.get('delivery')?.toLowerCase()
  const delivery = word === undefined || word === '' ? undefined : DELIVERY[word]
  if (word !== undefined && word !== '' && delivery === undefined)
    return { line, fault: `unknown delivery ${word.slice(0, 40)}` }
  const name = known.get('name') ?? ''
  return {
    line,
    address,
    options: {
      ...(name === '' ? {} : { name: name.slice(0, 200) }),
      ...(delivery === undefined ? {} : { delivery }),
      ...(known.get('moderation') === 'hold' ? { moderated: true } : {}),
    },
  }
}

/** Cells of one line of CSV (RFC 4180), without line breaks in cells. */
function cellsOf(line: string): string[] {
  const cells: string[] = []
  let cell = ''
  let isQuoted = false
  for (let at = 0; at < line.length; at++) {
    const char = line[at] as string
    if (char === '"' && isQuoted && line[at + 1] === '"') {
      cell += '"'
      at++
    } else if (char === '"') isQuoted = !isQuoted
    else if (char === ',' && !isQuoted) {
      cells.push(cell)
      cell = ''
    } else cell += char
  }
  return [...cells, cell]
}

async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of input) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_LINE && !/^\s*[[{]/.test(rest)) throw new Error(`A line has more than ${MAX_LINE} characters`)
    if (rest.length > MAX_JSON) throw new Error(`The file has more than ${MAX_JSON} characters`)
    yield* lines
  }
  yield rest
}

export async function* readMembers(input: AsyncIterable<Uint8Array>): AsyncGenerator<NewMember | Fault> {
  let header: string[] | undefined
  let json: string[] | undefined
  let paragraph: { readonly line: number; readonly fields: Record<string, string> } | undefined
  let octets = 0
  let number = 0
  for await (const raw of linesOf(input)) {
    number++
    const line = raw.replace(/\r$/, '')
    if (json) {
      octets += line.length
      if (octets > MAX_JSON) throw new Error(`The file has more than ${MAX_JSON} characters`)
      json.push(line)
      continue
    }
    const text = line.replace(/^\ufeff/, '').trim()
    const pair = header ? undefined : sympaPair(text, paragraph !== undefined)
    if (pair) {
      paragraph ??= { line: number, fields: {} }
      paragraph.fields[pair[0]] = pair[1]
      continue
    }
    if (paragraph && text === '') {
      yield memberOf(paragraph.line, paragraph.fields)
      paragraph = undefined
    }
    // Comments, and the header of LISTSERV's files.
    if (text === '' || text.startsWith('#') || text.startsWith('*')) continue
    if (!header && /^[[{]/.test(text)) json = [text]
    else if (header)
      yield memberOf(number, Object.fromEntries(header.map((name, at) => [name, cellsOf(text)[at] ?? ''])))
    else if (cellsOf(text).some((cell) => NAMES[cell.trim().toLowerCase()] === 'address')) header = cellsOf(text)
    else yield plainMember(number, text)
  }
  if (paragraph) yield memberOf(paragraph.line, paragraph.fields)
  if (json) yield* fromJson(json.join('\n'))
}

/** A line of a paragraph that Sympa dumps: `email a@example.org`, then `reception digest`, `gecos Ann`, … */
function sympaPair(text: string, isInside: boolean): readonly [string, string] | undefined {
  const [, name, value] = /^([a-z_]{1,40})[ \t]+(\S.*)$/.exec(text) ?? []
  return name !== undefined && value !== undefined && (isInside || name === 'email') ? [name, value] : undefined
}

/**
 * `a@example.org` or `Ann <a@example.org>`, as Mailman's list_members writes them; `a@example.org Ann`, as LISTSERV
 * does.
 */
function plainMember(line: number, text: string): NewMember {
  const [, first, rest] = /^([^\s<>"]{1,320}@[^\s<>"]{1,320})\s+([^\s<].*)$/.exec(text) ?? []
  if (first !== undefined && rest !== undefined)
    return { line, address: first, options: { name: rest.trim().slice(0, 200) } }
  const open = text.endsWith('>') ? text.lastIndexOf('<') : -1
  const name = open < 0 ? '' : text.slice(0, open).replaceAll('"', '').trim()
  const address = open < 0 ? text : text.slice(open + 1, -1)
  return { line, address, options: name === '' ? {} : { name: name.slice(0, 200) } }
}

/** An array, or `{ "entries": [...] }`. */
function* fromJson(text: string): Generator<NewMember | Fault> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    yield { line: 1, fault: 'the JSON cannot be read' }
    return
  }
  const entries = Array.isArray(parsed) ? parsed : ((parsed as { entries?: unknown }).entries ?? [])
  if (!Array.isArray(entries)) return yield { line: 1, fault: 'the JSON has no list of members' }
  for (const [index, entry] of entries.entries()) {
    if (typeof entry === 'string') yield plainMember(index + 1, entry)
    else yield memberOf(index + 1, (entry ?? {}) as Record<string, unknown>)
  }
}
