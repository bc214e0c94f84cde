/**
 * Header fields for later searches.
 *
 * Invariants: they are short and single-line, whatever the header holds.
 */
import type { Headers } from '../api/hooks.ts'
import { decodeWords } from '../mime/words.ts'
import type { Summary } from './incoming.ts'

/** Maximum characters of each field, both read and, after decoding, kept. */
const MAX_KEPT = 200
const MAX_READ = 2000

export function summaryOf(headers: Pick<Headers, 'get'>): Summary {
  const [subject] = headers.get('Subject')
  const [messageId] = headers.get('Message-ID')
  return {
    ...(subject === undefined ? {} : { subject: short(decodeWords(subject.slice(0, MAX_READ))) }),
    ...(messageId === undefined ? {} : { messageId: short(messageId) }),
  }
}

const short = (text: string) => text.slice(0, MAX_READ).replace(/\s+/g, ' ').slice(0, MAX_KEPT)
