/**
 * Topics of posts: a list names them with patterns, and members choose among them.
 */
import type { ReadableMessage } from 'iems'
import { decodeWords } from 'iems/mime'
import type { MailingList, Member } from './api.ts'
import { matches } from './roster.ts'

const MAX_TOPICS = 100

function* topicsOf({ settings }: MailingList): Generator<readonly [name: string, pattern: string]> {
  for (const topic of settings.topics.slice(0, MAX_TOPICS)) {
    const colon = topic.indexOf(':')
    if (colon > 0)
      yield [
        topic.slice(0, colon).trim(),
        topic
          .slice(colon + 1)
          .trim()
          .toLowerCase(),
      ]
  }
}

export const topicNames = (list: MailingList): readonly string[] => [
  ...new Set(Array.from(topicsOf(list), ([name]) => name)),
]

/** The names of the topics that a post is about: a pattern fits its Subject or one of its Keywords (RFC 5322). */
export function topicsIn(list: MailingList, headers: ReadableMessage['headers']): readonly string[] {
  const subject = decodeWords(headers.get('subject')[0] ?? '').toLowerCase()
  const keywords = headers.get('keywords').flatMap((value) => decodeWords(value).toLowerCase().split(','))
  const texts = [subject, ...keywords].map((text) => text.trim().slice(0, 1000))
  const found = Array.from(topicsOf(list)).filter(([, pattern]) => texts.some((text) => matches(pattern, text)))
  return [...new Set(found.map(([name]) => name))]
}

/** Whether a member wants posts about these topics. Topics that the list has no more choose nothing. */
export function wantsTopics(
  list: MailingList,
  { topics = [], otherTopics = true }: Member,
  about: readonly string[],
): boolean {
  const chosen = topics.length === 0 ? [] : topicNames(list).filter((name) => topics.includes(name))
  if (chosen.length === 0) return true
  return about.length === 0 ? otherTopics : about.some((name) => chosen.includes(name))
}
