/**
 * Names of cc:Mail (`Doe, John at PO`) and Internet addresses, by the rule of the old product: `John_Doe_at_PO@domain`.
 *
 * A separator inside a name is doubled, so that the way back is certain up to the order of first and last names of more
 * than two words; a directory settles that.
 */
export interface AddressRule {
  /** Domain of the addresses of cc:Mail users. */
  readonly domain: string
  readonly separator: '_' | '.'
  /** `first`: `John_Doe_at_PO`; `last`: `Doe_John_at_PO`. */
  readonly order: 'first' | 'last'
  /** Without `_at_PO`. */
  readonly withoutPostOffice: boolean
}

export interface CcName {
  /** `Doe, John`, or a name without a comma. */
  readonly name: string
  readonly postOffice?: string
}

const AT = ' at '

export function parseCcName(text: string): CcName {
  const at = text.toLowerCase().lastIndexOf(AT)
  if (at <= 0) return { name: text.trim() }
  return { name: text.slice(0, at).trim(), postOffice: text.slice(at + AT.length).trim() }
}

export const writeCcName = ({ name, postOffice }: CcName) =>
  postOffice === undefined ? name : `${name}${AT}${postOffice}`

/** The address of a person; of `user@domain at internet` the address itself. */
export function toInternet(text: string, rule: AddressRule): string | undefined {
  const parsed = parseCcName(text)
  if (parsed.name === '') return undefined
  if (parsed.name.includes('@') && !parsed.name.includes(' ')) return parsed.name
  const [last = '', ...rest] = parsed.name.split(',').map((part) => part.trim())
  const first = rest.join(' ')
  const ordered = first === '' ? [last] : rule.order === 'first' ? [first, last] : [last, first]
  const words = ordered.map((part) => worded(part, rule.separator))
  const office =
    parsed.postOffice === undefined || rule.withoutPostOffice ? [] : ['at', worded(parsed.postOffice, rule.separator)]
  return `${quoted([...words, ...office].join(rule.separator))}@${rule.domain}`
}

/** Words divided by the separator; one within a word is doubled. */
const worded = (part: string, separator: string) =>
  part
    .replaceAll(separator, separator + separator)
    .split(/\s+/)
    .join(separator)

const ATOMS = /^[\w!#$%&'*+/=?^`{|}~\u0080-\uffff-]+(?:\.[\w!#$%&'*+/=?^`{|}~\u0080-\uffff-]+)*$/
const quoted = (local: string) =>
  ATOMS.test(local) ? local : `"${local.replace(/[\\"]/g, '\\$&').replace(/\p{Cc}/gu, '')}"`

/** The name that an address of the domain stands for; undefined for one of another domain. */
export function fromInternet(address: string, rule: AddressRule): CcName | undefined {
  const at = address.lastIndexOf('@')
  if (address.slice(at + 1).toLowerCase() !== rule.domain.toLowerCase()) return undefined
  const given = address.slice(0, at)
  const local = /^".*"$/s.test(given) ? given.slice(1, -1).replace(/\\(.)/gs, '$1') : given
  const words = unworded(local, rule.separator)
  const place = words.map((word) => word.toLowerCase()).lastIndexOf('at')
  const hasOffice = place > 0 && place < words.length - 1
  const name = hasOffice ? words.slice(0, place) : words
  const postOffice = hasOffice ? words.slice(place + 1).join(' ') : undefined
  return { name: named(name, rule.order), ...(postOffice === undefined ? {} : { postOffice }) }
}

/** The other way of `worded`: a doubled separator is one inside a word. */
function unworded(local: string, separator: string): string[] {
  const words: string[] = ['']
  for (let at = 0; at < local.length; at++) {
    const isSeparator = local[at] === separator
    if (isSeparator && local[at + 1] === separator) {
      words.push((words.pop() ?? '') + separator)
      at++
    } else if (isSeparator) words.push('')
    else words.push((words.pop() ?? '') + local[at])
  }
  return words.filter((word) => word !== '')
}

function named(words: readonly string[], order: 'first' | 'last'): string {
  if (words.length < 2) return words.join(' ')
  return order === 'first'
    ? `${words.at(-1)}, ${words.slice(0, -1).join(' ')}`
    : `${words[0]}, ${words.slice(1).join(' ')}`
}
