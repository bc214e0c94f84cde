/**
 * Whether an authenticated client writes under its own name: the addresses of From and Sender against `maySendAs`.
 *
 * What must stay true: linear time; every address that any program could show as the author counts, so a field that can
 * be read in two ways is held to both readings; what cannot be looked up is a fault, never a yes.
 */
import { type ReadableMessage, type Refusal, refuse } from 'iems'

/** Characters of one field; a longer one is refused. */
const MAX_FIELD = 16_384
/** Addresses that are looked up. */
const MAX_AUTHORS = 100

const NOT_YOURS = refuse(550, '5.7.1', 'From and Sender must be addresses of your account')
const TOO_MANY = refuse(550, '5.7.1', 'From and Sender have too many addresses')
const REPORTS_ONLY = refuse(550, '5.7.1', 'Only reports (multipart/report) may have the null sender')

/** Where the quoted string or comment that begins at an index ends; the length when it does not. */
function endOf(text: string, start: number): number {
  const isComment = text[start] === '('
  let depth = 1
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at]
    if (char === '\\') at++
    else if (isComment && char === '(') depth++
    else if (char === (isComment ? ')' : '"') && --depth === 0) return at + 1
  }
  return text.length
}

/** Words, quoted strings and single marks, in order; comments and white space are left out, `.` joins words. */
function wordsOf(text: string): string[] {
  const words: string[] = []
  for (let at = 0; at < text.length; ) {
    const char = text[at] as string
    let end = at + 1
    if (char === '(' || char === '"') end = endOf(text, at)
    else if (!/[\s@<>,;:]/.test(char)) while (end < text.length && !/[\s@<>,;:("]/.test(text[end] as string)) end++
    const word = text.slice(at, end)
    at = end
    if (char === '(' || /\s/.test(char)) continue
    const last = words.at(-1)
    const isJoined = last !== undefined && !/^[@<>,;:]$/.test(last) && (last.endsWith('.') || word.startsWith('.'))
    if (isJoined && !/^[@<>,;:]$/.test(word)) words[words.length - 1] = last + word
    else words.push(word)
  }
  return words
}

/** Every address in a field, also one that stands as a name before another. */
export function authorsIn(field: string): readonly string[] {
  const words = wordsOf(field)
  return words.flatMap((word, at) => (word === '@' ? [`${words[at - 1] ?? ''}@${words[at + 1] ?? ''}`] : []))
}

/** The addresses of From and Sender; undefined when they are too many to look up. */
export function authorsOf(headers: ReadableMessage['headers']): ReadonlySet<string> | undefined {
  const fields = ['from', 'sender'].flatMap((name) => headers.get(name))
  if (fields.some((field) => field.length > MAX_FIELD)) return undefined
  const authors = new Set(fields.flatMap(authorsIn))
  return authors.size > MAX_AUTHORS ? undefined : authors
}

/** For `check` taps: a refusal when the message of an authenticated client names another author. */
export async function refuseForeignAuthors(
  { session: { identity }, headers, from }: ReadableMessage,
  maySendAs: (account: string, address: string) => Promise<boolean>,
): Promise<Refusal | undefined> {
  const account = identity?.account
  if (account === undefined) return undefined
  if (from === '' && !/^multipart\/report\s*(?:;|$)/i.test(headers.get('content-type')[0] ?? '')) return REPORTS_ONLY
  const authors = authorsOf(headers)
  if (!authors) return TOO_MANY
  for (const author of authors) if (!(await maySendAs(account, author))) return NOT_YOURS
  return undefined
}
