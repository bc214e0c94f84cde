/**
 * The searchable text of a message, and its division into tokens for the index.
 *
 * Invariants: every step handles one character at a time, independent of its neighbours, so a substring of a text stays
 * a substring after each step: no match is missed because of its surroundings. Therefore scripts without spaces become
 * overlapping pairs of characters instead of dictionary words, and case is folded to upper case (lower-case sigma
 * depends on its position). `VERSION` changes with anything here.
 */

/** Version of an index file; other versions are rebuilt. */
export const VERSION = 3

export const FIELDS = ['from', 'to', 'cc', 'bcc', 'subject', 'headers', 'body', 'attachments'] as const
export type Field = (typeof FIELDS)[number]

/** Decoded text by field: `headers` is all other header fields, `attachments` their names, one per line. */
export type SearchText = Readonly<Record<Field, string>>

/** Of an email that is not read. */
export const NO_TEXT: SearchText = {
  from: '',
  to: '',
  cc: '',
  bcc: '',
  subject: '',
  headers: '',
  body: '',
  attachments: '',
}

/** Adjacent letters and digits, of scripts with spaces or of those without (`isRun`). */
export interface Piece {
  readonly text: string
  readonly isRun: boolean
  /** Its range in the folded text. */
  readonly start: number
  readonly end: number
}

/** Longer words are stored as windows of this many characters, each starting half a window after the previous one. */
const WINDOW = 64
/** Any substring of a word up to this length is within one of its windows. */
export const WINDOW_STEP = WINDOW / 2

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII starts there
const ASCII = /^[\x00-\x7f]*$/
/** Accents of Latin, Greek and Cyrillic; soft hyphens, joiners and variation selectors, which are invisible. */
const UNSEEN = /[\u0300-\u036f]|[\u00ad\u200b-\u200d\u2060\ufeff]|[\ufe00-\ufe0f]/g
/** Of Chinese, Japanese, Thai, Lao, Khmer, Burmese and Yi; Korean, whose words end in particles and are often of two characters. */
const SPACELESS = String.raw`[\p{scx=Hani}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}\p{scx=Yiii}\p{scx=Hang}]`
const LETTERS = String.raw`[\p{L}\p{M}\p{N}\p{Co}]`
const PIECES = new RegExp(
  String.raw`(?<run>(?:[${SPACELESS}&&${LETTERS}]|\p{Extended_Pictographic})+)|[${LETTERS}--${SPACELESS}]+`,
  'gv',
)
const ASCII_WORDS = /[A-Z0-9]+/g

/** Without case, accents and differences of presentation. */
export function fold(text: string): string {
  if (ASCII.test(text)) return text.toUpperCase()
  return text.normalize('NFKD').replace(UNSEEN, '').toUpperCase().normalize('NFC')
}

const SPACES = /\s+/g

/** Whether a text contains another, ignoring case, accents and line breaks: the meaning of a substring search. */
export function contains(text: string, wanted: string): boolean {
  return fold(text).replace(SPACES, ' ').includes(fold(wanted).replace(SPACES, ' '))
}

/** Of folded text. */
export function* piecesOf(folded: string): Generator<Piece> {
  for (const { 0: text, index: start, groups } of folded.matchAll(PIECES))
    yield { text, isRun: groups?.run !== undefined, start, end: start + text.length }
}

/** A word, or its windows if it is long. */
function windowsOf(word: string): string[] {
  if (word.length <= WINDOW) return [word]
  const characters = [...word]
  const windows: string[] = []
  for (let start = 0; ; start += WINDOW_STEP) {
    windows.push(characters.slice(start, start + WINDOW).join(''))
    if (start + WINDOW >= characters.length) return windows
  }
}

/** Each character of a run with the one after it, and the last alone. */
function pairsOf(run: string): string[] {
  const characters = [...run]
  return characters.map((character, index) => character + (characters[index + 1] ?? ''))
}

export const tokensOf = ({ text, isRun }: Piece): string[] => (isRun ? pairsOf(text) : windowsOf(text))

/** The tokens of a text in order; `words` gets those that can be found by a part of them. */
export function tokenize(text: string, word: (token: string) => void): string[] {
  const folded = fold(text)
  const tokens: string[] = []
  const addWord = (token: string) => {
    tokens.push(token)
    word(token)
  }
  if (ASCII.test(folded)) {
    for (const token of folded.match(ASCII_WORDS) ?? []) for (const part of windowsOf(token)) addWord(part)
    return tokens
  }
  for (const piece of piecesOf(folded)) {
    if (piece.isRun) for (const pair of pairsOf(piece.text)) tokens.push(pair)
    else for (const part of windowsOf(piece.text)) addWord(part)
  }
  return tokens
}
