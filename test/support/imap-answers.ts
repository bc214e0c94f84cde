/**
 * What an IMAP server answered, in a form in which the answers of two servers can be compared: a quoted string and a
 * literal of the same text are the same, items of a FETCH have no order, and what each server makes up by itself
 * (UIDVALIDITY, modseqs, times, texts for people) is only a word.
 */

/** NIL is null; an atom and a string are both text; what is in parentheses is a list. */
export type Value = string | null | readonly Value[]

const DELIMITERS = ' ()\r\n'

class Reader {
  readonly #text: string
  #at = 0
  constructor(text: string) {
    this.#text = text
  }

  get isOver(): boolean {
    return this.#at >= this.#text.length
  }

  rest(): string {
    return this.#text.slice(this.#at)
  }

  /** Values with a space between them, to the end or to a closing mark. */
  values(end = ''): Value[] {
    const values: Value[] = []
    for (;;) {
      while (this.#text[this.#at] === ' ') this.#at++
      if (this.isOver) return values
      if (end !== '' && this.#text[this.#at] === end) {
        this.#at++
        return values
      }
      values.push(this.#value(end))
    }
  }

  #value(end: string): Value {
    const char = this.#text[this.#at]
    if (char === '(') {
      this.#at++
      return this.values(')')
    }
    if (char === '"') return this.#quoted()
    const literal = /~?\{(\d+)\}\r\n/y
    literal.lastIndex = this.#at
    const [all, size] = literal.exec(this.#text) ?? []
    if (all !== undefined) {
      const start = this.#at + all.length
      this.#at = start + Number(size)
      return this.#text.slice(start, this.#at)
    }
    return this.#atom(end)
  }

  #quoted(): string {
    const quoted = /"((?:[^"\\]|\\.)*)"/sy
    quoted.lastIndex = this.#at
    const [all = '"', inner = ''] = quoted.exec(this.#text) ?? []
    this.#at += all.length
    return inner.replace(/\\(.)/gs, '$1')
  }

  /** `BODY[HEADER.FIELDS (A "b c")]<0>` is one. */
  #atom(end: string): Value {
    const start = this.#at
    let depth = 0
    for (; this.#at < this.#text.length; this.#at++) {
      const char = this.#text[this.#at] as string
      if (depth === 0 && (DELIMITERS.includes(char) || char === end)) break
      if (char === '[') depth++
      if (char === ']') depth--
    }
    // What is no value at all is taken as it is, so that reading ends.
    if (this.#at === start) this.#at++
    const text = this.#text.slice(start, this.#at)
    return text.toUpperCase() === 'NIL' ? null : text
  }
}

export const readValues = (text: string): readonly Value[] => new Reader(text).values()

const sorted = (values: readonly Value[]): Value[] =>
  [...values].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))

/** In any case; \Recent is no more (RFC 9051 appendix A). */
function flagsOf(value: Value | undefined): Value[] {
  if (!Array.isArray(value)) return []
  return sorted(value.map((flag) => String(flag).toLowerCase()).filter((flag) => flag !== '\\recent'))
}

/** Numbers of a set one by one, in their order. */
export function numbersOf(set: string): number[] {
  return set.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split(':').map(Number)
    const low = Math.min(first, last)
    return Array.from({ length: Math.min(10_000, Math.abs(last - first) + 1) }, (_, index) => low + index)
  })
}

const MADE_UP: Readonly<Record<string, string>> = {
  MODSEQ: 'some modseq',
  HIGHESTMODSEQ: 'some modseq',
  UIDVALIDITY: 'some validity',
  MAILBOXID: 'some id',
  SAVEDATE: 'some time',
}

/** Pairs of a name and its value, in order of name. */
function pairs(values: readonly Value[], of: (name: string, value: Value) => Value): Value[] {
  const all: Value[] = []
  for (let at = 0; at < values.length; at += 2) {
    // Names of header fields too are the same in any case.
    const name = String(values[at]).toUpperCase().replaceAll('"', '')
    all.push([name, of(name, values[at + 1] ?? null)])
  }
  return sorted(all)
}

function fetched(values: readonly Value[], command: string): Value[] {
  const items = pairs(values, (name, value): Value => {
    if (name === 'FLAGS') return flagsOf(value)
    if (name === 'INTERNALDATE')
      return / (?:200\d|201\d|202[0-5]) |-(?:200\d|201\d|202[0-5]) /.test(String(value))
        ? String(
            Date.parse(
              String(value)
                .replaceAll('-', ' ')
                .replace(/ (\d{4})$/, ' +$1'),
            ),
          )
        : 'now'
    // A section that is not there may be NIL or empty (RFC 9051 section 7.5.2: nstring).
    if (/^(?:BODY|BINARY)\[/.test(name)) return value ?? ''
    if (name === 'BODY' || name === 'BODYSTRUCTURE') return structure(value)
    return MADE_UP[name] ?? value
  })
  // A UID may be told unasked, and an item that is asked for twice may be told once.
  const asked = /\bUID\b/i.test(command) ? items : items.filter((item) => item?.[0] !== 'UID')
  return asked.filter((item, index) => JSON.stringify(item) !== JSON.stringify(asked[index - 1]))
}

const isList = (value: Value | undefined): value is readonly Value[] => Array.isArray(value)
const upper = (value: Value | undefined) => (typeof value === 'string' ? value.toUpperCase() : (value ?? null))

/** Types, encodings and names of parameters are the same in any case (RFC 2045); one language may be a string or a list. */
function structure(value: Value): Value {
  if (!isList(value)) return value
  const count = value.findIndex((one) => !isList(one))
  if (count > 0) {
    const [subtype, parameters, ...rest] = value.slice(count)
    return [...value.slice(0, count).map(structure), upper(subtype), named(parameters), ...extension(rest)]
  }
  const [type, subtype, parameters, id, description, encoding, octets, ...rest] = value
  const head: Value[] = [
    upper(type),
    upper(subtype),
    named(parameters),
    id ?? null,
    description ?? null,
    upper(encoding),
  ]
  const fields = isList(rest[0]) && isList(rest[1]) ? 3 : upper(type) === 'TEXT' ? 1 : 0
  const own = rest.slice(0, fields).map((one, index) => (fields === 3 && index === 1 ? structure(one) : one))
  const [md5, ...more] = rest.slice(fields)
  return [...head, octets ?? null, ...own, ...(rest.length > fields ? [md5 ?? null, ...extension(more)] : [])]
}

function named(parameters: Value | undefined): Value {
  return isList(parameters) ? parameters.map((one, index) => (index % 2 === 0 ? upper(one) : one)) : null
}

function extension([disposition, language, ...rest]: readonly Value[]): Value[] {
  if (disposition === undefined) return []
  const shown = isList(disposition) ? [upper(disposition[0]), named(disposition[1])] : disposition
  return [shown, typeof language === 'string' ? [language] : (language ?? null), ...rest]
}

/** A response code: its name and those of its arguments that both servers must give alike. */
function codeOf(text: string): Value[] | undefined {
  const inner = /^\[([^\]]*(?:\([^)]*\))?[^\]]*)\]/.exec(text)?.[1]
  if (inner === undefined) return undefined
  const [name, ...values] = readValues(inner)
  const word = String(name).toUpperCase()
  if (MADE_UP[word]) return [word]
  if (word === 'APPENDUID' || word === 'COPYUID')
    return [word, ...values.slice(1).map((set) => numbersOf(String(set)).join(' '))]
  if (word === 'PERMANENTFLAGS') return [word, flagsOf(values[0])]
  if (word === 'MODIFIED') return [word, numbersOf(String(values[0])).join(' ')]
  if (word === 'CAPABILITY' || word === 'BADCHARSET') return [word]
  return [word, ...values]
}

/** A tagged answer, without its tag: `OK`, and the code if there is one. */
export function tagged(line: string): Value[] {
  const [, status = '', rest = ''] = /^(\S+) ?(.*)$/s.exec(line) ?? []
  const code = codeOf(rest)
  // Why something is refused may be said by a code (RFC 5530), and some are made for the client to act on.
  const isTold = code && (status === 'OK' ? !UNASKED.includes(String(code[0])) : ACTED_ON.includes(String(code[0])))
  return isTold ? [status, code] : [status]
}

/** MAILBOXID is ours alone; CLIENTBUG is what Dovecot thinks of a STATUS of the selected mailbox. */
const UNASKED = ['MAILBOXID', 'HIGHESTMODSEQ', 'CLIENTBUG']
const ACTED_ON = ['TRYCREATE', 'BADCHARSET', 'UNKNOWN-CTE', 'TOOBIG', 'MODIFIED', 'BADURL']

/** An untagged answer; undefined for what says nothing that could be compared. */
export function untagged(line: string, command = ''): Value[] | undefined {
  const [, number, word = '', rest = ''] = /^\* (?:(\d+) )?(\S+) ?(.*)$/s.exec(line) ?? []
  const name = word.toUpperCase()
  if (number !== undefined) {
    if (name === 'RECENT') return undefined
    return name === 'FETCH'
      ? [number, name, fetched((readValues(rest)[0] ?? []) as readonly Value[], command)]
      : [number, name]
  }
  const values = readValues(rest)
  switch (name) {
    case 'OK':
    case 'NO':
    case 'BAD':
    case 'BYE': {
      const code = codeOf(rest)
      // RFC 9051 has UNSEEN no more; RFC 8474 is ours alone; HIGHESTMODSEQ may be told to everybody.
      if (code?.[0] === 'PERMANENTFLAGS' && !isOpening(command)) return undefined
      if (code && ['UNSEEN', 'MAILBOXID', 'HIGHESTMODSEQ'].includes(String(code[0]))) return undefined
      return code ? [name, code] : name === 'OK' ? undefined : [name]
    }
    case 'FLAGS':
      // Which keywords are in use may be told at any time (RFC 9051 section 7.3.5).
      return isOpening(command) ? [name, flagsOf(values[0])] : undefined
    case 'SEARCH': {
      // RFC 9051 section 6.4.4 says nothing of an order.
      const modseq = values.some(Array.isArray) ? ['with a modseq'] : []
      const found = values.filter((value) => !Array.isArray(value)).map(Number)
      return [name, found.sort((a, b) => a - b).join(' '), ...modseq]
    }
    case 'SORT':
      return [name, ...values.map((value) => (isList(value) ? 'with a modseq' : value))]
    case 'ESEARCH':
      return [name, ...esearch(values)]
    case 'VANISHED':
      return values.length > 1
        ? [name, values[0] as Value, numbersOf(String(values[1])).join(' ')]
        : [name, numbersOf(String(values[0])).join(' ')]
    case 'LIST':
    case 'LSUB': {
      const [attributes, separator, mailbox, ...more] = values
      return [name, attributesOf(command, attributes), separator ?? null, mailbox ?? null, ...more]
    }
    case 'MYRIGHTS':
      return [name, values[0] ?? null, rightsOf(values[1])]
    case 'LISTRIGHTS':
      return [name, ...values.slice(0, 3), ...sorted(values.slice(3))]
    case 'ACL': {
      const given = pairs(values.slice(1), (_, rights) => rightsOf(rights))
      return [name, values[0] ?? null, ...given]
    }
    case 'METADATA':
      return [name, values[0] ?? null, pairs((values[1] ?? []) as Value[], (_, value) => value)]
    case 'ID':
      return [name]
    case 'STATUS':
      return [name, values[0] ?? null, pairs((values[1] ?? []) as Value[], (item, value) => MADE_UP[item] ?? value)]
    case 'CAPABILITY':
      return undefined
    case 'ENABLED':
      return [name, ...sorted(values)]
    default:
      return [name, ...values]
  }
}

const isOpening = (command: string) => /^(?:SELECT|EXAMINE)\b/i.test(command)

const rightsOf = (rights: Value | undefined) => [...String(rights)].sort().join('')

/** What an extended LIST tells unasked is each server's own business (RFC 9051 section 6.3.9), and so is what LSUB tells. */
function attributesOf(command: string, value: Value | undefined): Value[] {
  const attributes = Array.isArray(value) ? value : []
  const isExtended = /^LSUB|^LIST (?:\(|.* \(|.*RETURN)/i.test(command)
  return sorted(
    attributes.filter((attribute) => {
      if (/^\\Has(?:No)?Children$/i.test(attribute)) return !isExtended || /CHILDREN/.test(command)
      if (/^\\(?:Archive|Drafts|Junk|Sent|Trash)$/i.test(attribute)) return !isExtended || /SPECIAL-USE/.test(command)
      return true
    }),
  )
}

function esearch(values: readonly Value[]): Value[] {
  const isUid = values.includes('UID')
  const rest = values.filter((value) => !Array.isArray(value) || value[0] !== 'TAG').filter((value) => value !== 'UID')
  return [
    isUid ? 'UID' : '',
    ...pairs(rest, (name, value) => MADE_UP[name] ?? (name === 'ALL' ? numbersOf(String(value)).join(' ') : value)),
  ]
}

/** All of an answer: what came before in an order of its own, and the tagged line last. */
export function comparable(lines: readonly string[], command = ''): readonly string[] {
  const before = lines.slice(0, -1).flatMap((line) => {
    const one = line.startsWith('*') ? untagged(line, command) : ['+']
    return one ? [one] : []
  })
  const told = before.filter(([number, word]) => word !== 'EXPUNGE' || number === undefined)
  // EXPUNGE changes what the numbers behind it mean: its order is its meaning.
  const expunged = before.filter((one) => !told.includes(one))
  return [...sorted(told), ...expunged, tagged(lines.at(-1) ?? '')].map((value) => JSON.stringify(value))
}
