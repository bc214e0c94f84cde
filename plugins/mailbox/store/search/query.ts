/**
 * Queries of the index, and which conditions it can answer.
 *
 * Invariants: a plan never omits a matching message. Where tokens are not sufficient (text between two words, a word
 * longer than a window) the plan is not `sure`, and its hits must be read; where they cannot help, there is no plan.
 * `matches` applies the same condition to a text directly.
 */
import {
  contains,
  type Field,
  fold,
  type Piece,
  piecesOf,
  type SearchText,
  tokenize,
  tokensOf,
  WINDOW_STEP,
} from './text.ts'

export interface Condition {
  /** It is enough that one of them fits. */
  readonly fields: readonly Field[]
  readonly text: string
  /**
   * `substring`: these very characters, as IMAP SEARCH requires it (RFC 9051), ignoring case, accents and line breaks.
   * `words`: every word, or one that starts so, in any of the fields. `phrase`: in this order with no word in between.
   */
  readonly how: 'substring' | 'words' | 'phrase'
}

/** Tokens one after the other; if it is `open`, the last may go on. */
export interface Phrase {
  readonly tokens: readonly string[]
  readonly isOpen: boolean
}

export type Plan =
  /** All of them. */
  | { readonly kind: 'phrases'; readonly phrases: readonly Phrase[]; readonly isSure: boolean }
  /** Any word that has `part` in it (or at its end), and then the rest. */
  | {
      readonly kind: 'part'
      readonly part: string
      readonly where: 'anywhere' | 'end'
      readonly rest: Phrase | undefined
      readonly isSure: boolean
    }

/** Maximum pieces of one condition. */
const MAX_PIECES = 32
/** Parts of words are found by three characters that follow each other. */
const LEAST_PART = 3
/** Maximum words queried together with their successors; more are queried separately. */
const MAX_FOLLOWED = 50

/** Undefined: the index knows nothing about it. */
export function planOf({ text, how }: Condition): Plan | undefined {
  const folded = fold(text)
  const all = [...piecesOf(folded).take(MAX_PIECES + 1)]
  const pieces = all.slice(0, MAX_PIECES)
  if (pieces.length === 0) return undefined
  const isWhole = all.length === pieces.length
  if (how === 'words') return { kind: 'phrases', phrases: pieces.map((one) => phraseOf([one], true)), isSure: true }
  if (how === 'phrase') return { kind: 'phrases', phrases: [phraseOf(pieces, isWhole)], isSure: isWhole }
  return planSubstring(pieces, { start: pieces[0]?.start === 0, end: !isWhole || pieces.at(-1)?.end === folded.length })
}

/** `open`: whether the text before and after may go on without a break. */
function planSubstring(pieces: readonly Piece[], open: { start: boolean; end: boolean }): Plan | undefined {
  const [first, ...others] = pieces as [Piece, ...Piece[]]
  const isAlone = others.length === 0 && open.start && open.end
  if (first.isRun || !open.start) return { kind: 'phrases', phrases: [phraseOf(pieces, open.end)], isSure: isAlone }
  const characters = [...first.text]
  if (characters.length < LEAST_PART)
    return others.length === 0 ? undefined : { kind: 'phrases', phrases: [phraseOf(others, open.end)], isSure: false }
  const rest = restOf(others, open.end)
  const isShort = characters.length <= WINDOW_STEP
  return isAlone
    ? { kind: 'part', part: characters.slice(0, WINDOW_STEP).join(''), where: 'anywhere', rest, isSure: isShort }
    : { kind: 'part', part: characters.slice(-WINDOW_STEP).join(''), where: 'end', rest, isSure: false }
}

/** The words after the first. One or two letters of a last word are not selective and expensive. */
function restOf(pieces: readonly Piece[], isOpen: boolean): Phrase | undefined {
  const last = pieces.at(-1)
  const isWorthless = isOpen && last?.isRun === false && last.text.length < LEAST_PART
  const kept = isWorthless ? pieces.slice(0, -1) : pieces
  return kept.length > 0 ? phraseOf(kept, isOpen && !isWorthless) : undefined
}

function phraseOf(pieces: readonly Piece[], isOpen: boolean): Phrase {
  const last = pieces.at(-1) as Piece
  const before = pieces.slice(0, -1).flatMap(tokensOf)
  const tokens = tokensOf(last)
  if (!isOpen) return { tokens: [...before, ...tokens], isOpen }
  // A longer word differs in all windows but the first; a run's last character may be followed by another.
  if (!last.isRun) return { tokens: [...before, tokens[0] as string], isOpen }
  if (tokens.length > 1) return { tokens: [...before, ...tokens.slice(0, -1)], isOpen: false }
  return { tokens: [...before, ...tokens], isOpen }
}

// --- asked of the index -------------------------------------------------------------------------

/** Finds the words that have a part in them; undefined when there are too many. */
export type FindWords = (part: string, where: 'anywhere' | 'end') => readonly string[] | undefined

/** A plan as FTS5 understands it; undefined when the index cannot answer, and '' when it knows that nothing fits. */
export function expressionOf(plan: Plan, fields: readonly Field[], findWords: FindWords): string | undefined {
  const quote = ({ tokens, isOpen }: Phrase) => `"${tokens.join(' ')}"${isOpen ? ' *' : ''}`
  if (fields.length === 0) return ''
  const inFields = (expression: string) => `{${fields.map((field) => `"${field}"`).join(' ')}} : (${expression})`
  if (plan.kind === 'phrases') return inFields(plan.phrases.map(quote).join(' AND '))
  const words = findWords(plan.part, plan.where)
  const { rest } = plan
  if (!words) return rest && inFields(quote(rest))
  if (words.length === 0) return ''
  const anyOf = (phrases: readonly Phrase[]) => phrases.map(quote).join(' OR ')
  const alone = anyOf(words.map((word) => ({ tokens: [word], isOpen: false })))
  if (!rest) return inFields(alone)
  if (words.length > MAX_FOLLOWED) return inFields(`(${alone}) AND ${quote(rest)}`)
  return inFields(anyOf(words.map((word) => ({ ...rest, tokens: [word, ...rest.tokens] }))))
}

// --- asked of a text ------------------------------------------------------------------------------

/** Whether a text fits, without an index. */
export function matches(text: SearchText, { fields, text: wanted, how }: Condition): boolean {
  const plan = how === 'substring' ? undefined : planOf({ fields, text: wanted, how })
  if (plan?.kind !== 'phrases') return fields.some((field) => contains(text[field], wanted))
  const tokens = fields.map((field) => tokenize(text[field], () => {}))
  return plan.phrases.every((phrase) => tokens.some((some) => hasPhrase(some, phrase)))
}

function hasPhrase(tokens: readonly string[], { tokens: wanted, isOpen }: Phrase): boolean {
  const last = wanted.length - 1
  return tokens.some((_, start) =>
    wanted.every((token, index) =>
      isOpen && index === last ? tokens[start + index]?.startsWith(token) : tokens[start + index] === token,
    ),
  )
}
