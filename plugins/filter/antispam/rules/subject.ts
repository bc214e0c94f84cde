/**
 * Rules over the subject.
 */
import type { Evidence, Rule } from './rule.ts'

const letters = (text: string) => text.replace(/[^\p{L}]/gu, '')
const rawSubject = ({ letter }: Evidence) => letter.fields.get('subject') ?? ''

export const subjectRules: readonly Rule[] = [
  {
    name: 'subject-caps',
    says: 'The subject is written in capitals.',
    weight: 0.8,
    test: ({ subject }) => {
      const text = letters(subject.replace(/^\s{0,5}(?:re|fwd?):/i, '').replace(/^\s{0,5}\[[^[\]]{0,100}\]/, ''))
      return text.length >= 8 && text === text.toUpperCase() && text !== text.toLowerCase() && /\s/.test(subject.trim())
    },
  },
  {
    name: 'subject-gappy',
    says: 'The letters of a word in the subject stand apart.',
    weight: 1.5,
    test: ({ subject }) => /(?:^|[\s"'([])(?:\p{L}[ ._*|-]{1,3}){4,30}\p{L}(?=$|[^\p{L}])/u.test(subject.slice(0, 500)),
  },
  {
    name: 'subject-encoded-needlessly',
    says: 'The subject is encoded though it holds nothing that needs to be.',
    weight: 0.8,
    test: (e) => /=\?[^?\s]{1,60}\?[bq]\?/i.test(rawSubject(e)) && /^[\x20-\x7e]*$/.test(e.subject),
  },
  {
    name: 'subject-not-encoded',
    says: 'The subject holds characters beyond ASCII that are not encoded.',
    weight: 0.8,
    test: (e) => /\P{ASCII}/u.test(rawSubject(e)),
  },
  {
    name: 'subject-tail',
    says: 'The subject ends in a code behind a gap, as programs add it to make each message different.',
    weight: 1,
    test: ({ subject }) => /\s{4}\s{0,100}\S{1,60}$/.test(subject.slice(-200)),
  },
  {
    name: 'subject-shouts',
    says: 'The subject holds several exclamation or question marks in a row, or dollar signs.',
    weight: 0.6,
    test: ({ subject }) => /!!|\?\?|\$\$|!\?|\?!/.test(subject),
  },
  {
    name: 'subject-exclaims',
    says: 'The subject ends in an exclamation mark.',
    weight: 0.4,
    test: ({ subject }) => /!["')\s]{0,5}$/.test(subject),
  },
  {
    name: 'subject-money',
    says: 'The subject names a sum of money.',
    weight: 0.5,
    test: ({ subject }) => /(?:us)?[$€£]\s?\d|\d\s?(?:usd|eur|dollars)\b/i.test(subject),
  },
  {
    name: 'subject-free',
    says: 'The subject offers something free, guaranteed, cheap or unlimited.',
    weight: 0.7,
    test: ({ subject }) =>
      /\b(?:free!|free (?:access|trial|money|gift|sample|quote|info|report|dvd|cell|phone|vacation|cash|membership)|100% free|guaranteed|no cost|cheap|discount|lowest|save (?:up to|big|money|thousands|\d)|unlimited|earn|make money|get paid)\b/i.test(
        subject,
      ),
  },
  {
    name: 'subject-advertisement',
    says: 'The subject is marked as an advertisement.',
    weight: 2,
    test: ({ subject }) =>
      /^\W{0,10}a\W{0,3}d\W{0,3}v\b\W|\badv:|^\W{0,5}\[?ads?\]?:|광\s?고/i.test(subject.slice(0, 300)),
  },
]
