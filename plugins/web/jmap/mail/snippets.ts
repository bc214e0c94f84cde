/**
 * Highlights the words of a search in an email (RFC 8621 section 5).
 *
 * Invariants: mail content is text in the snippet; only the highlights are markup.
 */
import type { Email } from '../../../mailbox/store/api.ts'
import type { Filter } from '../api.ts'
import type { EmailCondition } from './email-query.ts'

const MAX_SNIPPET = 255
const BEFORE = 40
const MAX_WORDS = 20

interface Wanted {
  readonly subject: readonly string[]
  readonly body: readonly string[]
}

/** The words of every condition that is not under NOT. */
function wordsOf(filter: Filter<EmailCondition> | undefined): Wanted {
  if (!filter) return { subject: [], body: [] }
  if ('operator' in filter) {
    const all = filter.operator === 'NOT' ? [] : filter.conditions.map(wordsOf)
    return { subject: all.flatMap(({ subject }) => subject), body: all.flatMap(({ body }) => body) }
  }
  const split = (text = '') =>
    [...text.matchAll(/"([^"]+)"|'([^']+)'|(\S+)/g)].map((found) => found[1] ?? found[2] ?? found[3] ?? '')
  return {
    subject: [...split(filter.text), ...split(filter.subject)],
    body: [...split(filter.text), ...split(filter.body)],
  }
}

export async function snippetOf(email: Email, filter: Filter<EmailCondition> | undefined) {
  const { subject, body } = wordsOf(filter)
  const text = body.length > 0 || subject.length > 0 ? await email.text() : undefined
  const title = text?.fields.find(({ name }) => name === 'subject')?.value ?? ''
  return { subject: marked(title, subject), preview: marked(text?.body ?? '', body) }
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }
const escaped = (text: string) => text.replace(/[&<>]/g, (found) => ENTITIES[found] as string)

/** The surroundings of the first word, with `<mark>`; null when no word is there. */
function marked(text: string, words: readonly string[]): string | null {
  const folded = text.toLowerCase()
  const wanted = [...new Set(words.map((word) => word.toLowerCase()))].filter(Boolean).slice(0, MAX_WORDS)
  const first = Math.min(...wanted.map((word) => folded.indexOf(word)).filter((at) => at >= 0))
  if (!Number.isFinite(first)) return null
  const start = Math.max(0, first - BEFORE)
  const window = text.slice(start, start + MAX_SNIPPET)
  const low = folded.slice(start, start + MAX_SNIPPET)
  let result = ''
  for (let at = 0; at < window.length; ) {
    const word = wanted.find((one) => low.startsWith(one, at))
    if (word === undefined) {
      result += escaped(window[at] as string)
      at++
    } else {
      result += `<mark>${escaped(window.slice(at, at + word.length))}</mark>`
      at += word.length
    }
  }
  return result.replace(/\s+/g, ' ')
}
