/**
 * Parses address lists (RFC 5322 section 3.4 with its obsolete forms) for IMAP's envelope.
 *
 * Invariants: linear time; any field yields some addresses, in order; names stay as written, including encoded words.
 */

/** RFC 9051 section 7.5.2. A group starts with an entry that has only a mailbox and ends with an empty one. */
export interface EnvelopeAddress {
  readonly name?: string
  /** The obsolete route, `@one,@two`. */
  readonly route?: string
  readonly mailbox?: string
  readonly host?: string
}

/** Maximum addresses of one field. */
const MOST = 10_000

export type Token =
  | { readonly kind: 'word'; readonly text: string; readonly spaced: boolean; readonly quoted: boolean }
  | { readonly kind: 'comment'; readonly text: string }
  | { readonly kind: 'mark'; readonly text: string }
  /** A quoted string, domain literal or comment without an end: the rest of the field. */
  | { readonly kind: 'unclosed' }

/** Words, quoted strings, domain literals, comments and punctuation, in linear time. */
export function* tokensOf(field: string): Generator<Token> {
  let at = 0
  let spaced = false
  while (at < field.length) {
    const char = field[at] as string
    if (/\s/.test(char)) {
      spaced = true
      at++
      continue
    }
    if (char === '(') {
      const end = commentEnd(field, at)
      yield { kind: 'comment', text: field.slice(at + 1, end).replace(/\\(.)/g, '$1') }
      if (end >= field.length) yield { kind: 'unclosed' }
      at = end + 1
    } else if (char === '"' || char === '[') {
      const end = closing(field, at, char === '"' ? '"' : ']')
      const inner = field.slice(at + 1, end)
      yield {
        kind: 'word',
        text: char === '"' ? inner.replace(/\\(.)/g, '$1') : `[${inner}]`,
        spaced,
        quoted: char === '"',
      }
      if (end >= field.length) yield { kind: 'unclosed' }
      at = end + 1
    } else if ('<>@,;:.'.includes(char)) {
      yield { kind: 'mark', text: char }
      at++
    } else {
      const start = at
      while (at < field.length && !/[\s("<>@,;:.[]/.test(field[at] as string)) at++
      yield { kind: 'word', text: field.slice(start, at), spaced, quoted: false }
    }
    spaced = false
  }
}

function closing(field: string, start: number, mark: string): number {
  let at = start + 1
  while (at < field.length && field[at] !== mark) at += field[at] === '\\' ? 2 : 1
  return Math.min(at, field.length)
}

function commentEnd(field: string, start: number): number {
  let depth = 0
  for (let at = start; at < field.length; at++) {
    if (field[at] === '\\') at++
    else if (field[at] === '(') depth++
    else if (field[at] === ')' && --depth === 0) return at
  }
  return field.length
}

/** The address being parsed. */
class Building {
  /** Words outside angle brackets, with the spaces and dots between them. */
  text = ''
  /** The part before @, and the part after it. */
  local = ''
  host: string | undefined
  comment = ''
  isAngle = false
  hasAngle = false
  isHost = false
  route = ''

  get isEmpty(): boolean {
    return this.text === '' && this.local === '' && this.host === undefined && !this.hasAngle
  }
}

export function readAddresses(field: string): readonly EnvelopeAddress[] {
  const found: EnvelopeAddress[] = []
  let isGroup = false
  let one = new Building()
  const finish = () => {
    if (!one.isEmpty) found.push(addressOf(one))
    one = new Building()
  }
  for (const token of tokensOf(field)) {
    if (found.length >= MOST) break
    if (token.kind === 'mark' && token.text === ':' && !one.isAngle) {
      // RFC 9051 section 7.5.2: a group starts with its name and ends with an empty entry.
      found.push({ mailbox: one.text.trim() })
      one = new Building()
      isGroup = true
    } else if (token.kind === 'mark' && (token.text === ',' || token.text === ';') && !one.isAngle) {
      finish()
      if (token.text === ';' && isGroup) {
        found.push({})
        isGroup = false
      }
    } else take(one, token)
  }
  finish()
  if (isGroup) found.push({})
  return found
}

function take(one: Building, token: Token): void {
  if (token.kind === 'unclosed') return
  if (token.kind === 'comment') {
    one.comment = token.text
    return
  }
  if (token.kind === 'mark') takeMark(one, token.text)
  else if (one.isHost) one.host += token.text
  else if (one.isAngle) one.local += token.text
  else one.text += `${token.spaced && one.text !== '' ? ' ' : ''}${token.text}`
}

function takeMark(one: Building, mark: string): void {
  if (mark === '<') {
    one.isAngle = true
    one.hasAngle = true
    one.isHost = false
    one.local = ''
    one.host = undefined
  } else if (mark === '>') {
    one.isAngle = false
    one.isHost = false
  } else if (mark === '@') {
    // Outside angle brackets, the preceding text is the local part.
    if (!one.isAngle && !one.hasAngle) {
      one.local = one.text
      one.text = ''
    }
    one.isHost = true
    one.host = ''
  } else if (mark === ':' || (mark === ',' && one.isAngle)) {
    // The obsolete route, or a part of it.
    if (one.host !== undefined) one.route += `${one.route === '' ? '' : ','}@${one.host}`
    one.isHost = false
    one.local = ''
    one.host = undefined
  } else if (one.isHost) one.host += mark
  else if (one.isAngle) one.local += mark
  else one.text += mark
}

function addressOf({ text, local, host, comment, hasAngle, route }: Building): EnvelopeAddress {
  const isBare = host === undefined && !hasAngle
  const name = hasAngle || host !== undefined ? text.trim() || comment.trim() : comment.trim()
  return {
    ...(name === '' ? {} : { name }),
    ...(route === '' ? {} : { route }),
    mailbox: isBare ? text.trim() : local.trim(),
    ...(host === undefined ? { host: '' } : { host }),
  }
}
