/**
 * Texts of the server in German: whole sentences, those with values in them, and those that a colon joins. Unknown texts
 * stay English.
 *
 * Invariants: the work is bounded by the length of the text, which may hold values that clients chose, times the number
 * of templates and a fixed depth; a text of which nothing is known is returned unchanged.
 */

import { server } from './locales/de-server.ts'
import { forms } from './locales/de-server-forms.ts'

const VALUE = '{{}}'
/** Values may be texts of the server themselves: `body.name: Too big: …`. */
const MAX_DEPTH = 4
const MAX_LENGTH = 4000

interface Template {
  /** The text without its values. */
  readonly words: string
  readonly english: readonly string[]
  readonly german: readonly string[]
}

/** Those with more words of their own come first. */
const TEMPLATES: readonly Template[] = Object.entries(server)
  .filter(([text]) => text.includes(VALUE))
  .map(([text, german]) => ({
    english: text.split(VALUE),
    german: german.split(VALUE),
    words: text.split(VALUE).join(''),
  }))
  .sort((a, b) => b.words.length - a.words.length)

/** The values of a text that was made by a template; undefined for another text. */
function valuesBy([start = '', ...others]: readonly string[], text: string): readonly string[] | undefined {
  if (!text.startsWith(start)) return undefined
  const values: string[] = []
  let at = start.length
  for (const [index, literal] of others.entries()) {
    const isLast = index === others.length - 1
    const end = isLast ? text.length - literal.length : text.indexOf(literal, at)
    if (end <= at || !text.startsWith(literal, end)) return undefined
    values.push(text.slice(at, end))
    at = end + literal.length
  }
  return at === text.length ? values : undefined
}

/** A template with few words of its own fits names and numbers alone: `3 of 10`, `mx.example.org has 192.0.2.1`. */
const FEW = 8
const isName = (text: string | undefined): boolean => text !== undefined && /[\d.@{]/.test(text)

type Unknown = (text: string) => void

const starting = (start: string, text: string) => `${start}${text.slice(1)}`

/** The same sentence with a small or a capital letter at its start: it may stand alone, and behind a colon. */
function turned(text: string): string | undefined {
  const first = text.charAt(0)
  const other = first === first.toUpperCase() ? first.toLowerCase() : first.toUpperCase()
  return other === first ? undefined : starting(other, text)
}

/** A sentence made by a template; values stand in the same order. */
function byTemplate(text: string, depth: number, unknown: Unknown): string | undefined {
  for (const { english, german, words } of TEMPLATES) {
    const values = valuesBy(english, text)
    if (values && (english[0] !== '' || words.length >= FEW || isName(values[0])))
      return german.reduce((before, after, at) => before + read(values[at - 1] ?? '', depth + 1, unknown) + after)
  }
  return undefined
}

/** A text without values. Words of forms are so common that a value may be one: they count only by themselves. */
function whole(text: string | undefined, depth: number): string | undefined {
  if (text === undefined) return undefined
  if (Object.hasOwn(server, text)) return server[text]
  return depth === 0 && Object.hasOwn(forms, text) ? forms[text] : undefined
}

function read(text: string, depth: number, unknown: Unknown): string {
  const other = turned(text)
  const isCapital = text.charAt(0) !== text.charAt(0).toLowerCase()
  const cased = (german: string) => (isCapital ? starting(german.charAt(0).toUpperCase(), german) : german)
  const isDeep = depth > MAX_DEPTH
  const exact = whole(text, depth)
  if (exact !== undefined) return exact
  const alike = whole(other, depth)
  if (alike !== undefined) return cased(alike)
  for (const one of isDeep ? [] : [text, other]) {
    const made = one === undefined ? undefined : byTemplate(one, depth, unknown)
    if (made !== undefined) return one === text ? made : cased(made)
  }
  const colon = isDeep ? -1 : text.indexOf(': ')
  if (colon > 0)
    return `${read(text.slice(0, colon), depth + 1, unknown)}: ${read(text.slice(colon + 2), depth + 1, unknown)}`
  unknown(text)
  return text
}

/** In German what is known. `unknown` is called with each part that is not. */
export const inGerman = (text: string, unknown: Unknown = () => {}): string =>
  text.length > MAX_LENGTH ? text : read(text, 0, unknown)
