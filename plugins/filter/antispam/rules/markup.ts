/**
 * Rules over HTML and MIME: hidden content and structure.
 */
import type { HtmlFacts } from '../content/html.ts'
import type { Evidence, Rule } from './rule.ts'

const total = ({ html }: Evidence, key: Exclude<keyof HtmlFacts, 'links'>) =>
  html.reduce((all, facts) => all + facts[key], 0)
const texts = ({ letter }: Evidence) => letter.parts.filter(({ text }) => text !== undefined)
const isHtml = (e: Evidence) => e.html.length > 0
const hasPlain = (e: Evidence) => texts(e).some(({ part }) => part.subtype !== 'html')

const isAscii = (text: string) => !/\P{ASCII}/u.test(text)

/** Whether four gaps follow each other at the distance of a letter, of one or two units of UTF-16. */
function hasGaps(text: string): boolean {
  let [last, gaps] = [-1, 0]
  for (let at = 0; at < text.length && gaps < 4; at++) {
    const code = text.charCodeAt(at)
    // The characters " ", ".", "_", "*" and "-".
    if (code !== 32 && code !== 46 && code !== 95 && code !== 42 && code !== 45) continue
    gaps = at - last === 2 || at - last === 3 ? gaps + 1 : 1
    last = at
  }
  return gaps >= 4
}

const RUNNABLE = /\.(?:exe|scr|pif|com|bat|cmd|vbs|vbe|js|jse|wsf|hta|lnk|cpl|msi|ps1|jar|iso|img)$/i
const HIDING =
  /\.(?:pdf|docx?|xlsx?|jpe?g|png|gif|txt|zip|mp3|html?)\s{0,200}\.(?:exe|scr|pif|com|bat|cmd|vbs|js|hta|lnk)$/i

const html: readonly Rule[] = [
  {
    name: 'html-only',
    says: 'The message has HTML and no plain text.',
    weight: 0.5,
    test: (e) => isHtml(e) && !hasPlain(e),
  },
  {
    name: 'html-hidden-text',
    says: 'The HTML holds much text that is not displayed.',
    weight: 0.8,
    test: (e) => total(e, 'hidden') > 300,
  },
  {
    name: 'html-invisible-text',
    says: 'The HTML holds text in the colour of its background.',
    weight: 1.5,
    test: (e) => total(e, 'invisible') >= 10,
  },
  {
    name: 'html-tiny-font',
    says: 'The HTML holds text too small to read.',
    weight: 1,
    test: (e) => total(e, 'tiny') >= 20,
  },
  {
    name: 'html-mostly-images',
    says: 'The HTML shows pictures and hardly any text.',
    weight: 1,
    test: (e) => total(e, 'images') > 0 && total(e, 'visible') < 250,
  },
  {
    name: 'html-active',
    says: 'The HTML holds scripts or embedded programs.',
    weight: 0.8,
    test: (e) => total(e, 'active') > 0,
  },
  { name: 'html-form', says: 'The HTML holds a form.', weight: 0.8, test: (e) => total(e, 'forms') > 0 },
  {
    name: 'html-broken-words',
    says: 'Comments or meaningless tags stand inside words of the HTML, which hides the words from filters.',
    weight: 2,
    test: (e) => total(e, 'brokenWords') >= 3,
  },
  {
    name: 'html-loud',
    says: 'The HTML is written in coloured or very large letters.',
    weight: 0.5,
    test: (e) => total(e, 'loud') >= 3 && total(e, 'loud') * 10 >= total(e, 'tags'),
  },
]

const mime: readonly Rule[] = [
  {
    name: 'mime-base64-text',
    says: 'Plain ASCII text is encoded as base64, which hides it from filters.',
    weight: 1.2,
    test: (e) =>
      texts(e).some(({ part, text = '' }) => part.encoding === 'base64' && text.length >= 20 && isAscii(text)),
  },
  {
    name: 'mime-charset-wrong',
    says: 'The text holds other characters than its character set has, or names none.',
    weight: 0.8,
    test: (e) =>
      texts(e).some(
        ({ part, text = '' }) => /^(?:us-ascii|ascii|)$/i.test(part.parameters.charset ?? '') && !isAscii(text),
      ),
  },
  {
    name: 'mime-version-missing',
    says: 'The message uses MIME without saying so in MIME-Version.',
    weight: 0.8,
    test: ({ letter }) =>
      letter.fields.get('content-type') !== undefined && letter.fields.get('mime-version') === undefined,
  },
  {
    name: 'mime-html-unlabelled',
    says: 'The text is HTML, but is labelled as plain text.',
    weight: 1.5,
    test: (e) =>
      texts(e).some(
        ({ part, text = '' }) =>
          part.subtype === 'plain' && /^\s{0,200}(?:<!doctype html|<html|<body|<head)/i.test(text),
      ),
  },
  {
    name: 'mime-single-multipart',
    says: 'The message is a multipart of alternatives with a single one.',
    weight: 0.8,
    test: ({ letter: { structure } }) =>
      structure.type === 'multipart' && structure.subtype === 'alternative' && (structure.parts ?? []).length < 2,
  },
  {
    name: 'mime-boundary-odd',
    says: 'The boundary between the parts has a form that mass mailers write.',
    weight: 0.8,
    test: ({ letter: { structure } }) => {
      const boundary = structure.parameters.boundary
      return (
        boundary !== undefined &&
        /^(?:-{0,4}=_NextPart_[\dA-F]{3}_[\dA-F]{4}_[\dA-F]{8}\.[\dA-F]{8}.|[\dA-F-]{36}$|[a-z]{1,10}$|-{2,60}[A-F\d]{4,20}$|[A-Z_.]{8,30}$|_{0,3}[A-Z]{4,20}\d{0,10}$)/.test(
          boundary,
        )
      )
    },
  },
  {
    name: 'mime-program',
    says: 'A program is attached.',
    weight: 1.5,
    test: ({ letter }) => letter.attachments.some((name) => RUNNABLE.test(name.slice(-200))),
  },
  {
    name: 'mime-program-disguised',
    says: 'An attached program pretends to be a document.',
    weight: 3,
    test: ({ letter }) => letter.attachments.some((name) => HIDING.test(name.slice(-250))),
  },
]

const bulk: readonly Rule[] = [
  {
    name: 'bulk-mailer',
    says: 'The program that sent the message is used to send spam, or names itself by chance letters.',
    weight: 1.5,
    test: ({ letter }) =>
      /\b(?:the bat! \(v1|bulk|mass ?mail|group ?mail|worldmerge|stealth|broadc@st|mail ?bomber|e-?mailer|dmailer|aol 7\.0 for windows us|eudora 3|mailking|internet mail service \(5\.5\.2653)/i.test(
        letter.field('x-mailer')[0]?.slice(0, 200) ?? '',
      ),
  },
  {
    name: 'bulk-without-list',
    says: 'The message explains how to unsubscribe, but has none of the fields that lists send.',
    weight: 0.5,
    test: ({ letter, words }) =>
      /\b(?:unsubscribe|opt.?out|to be removed)\b/.test(words) &&
      !['list-id', 'list-unsubscribe', 'list-post', 'list-help', 'mailing-list', 'x-mailing-list', 'in-reply-to'].some(
        (name) => letter.fields.get(name) !== undefined,
      ),
  },
  {
    name: 'text-gappy',
    says: 'The letters of several words in the text stand apart.',
    weight: 1,
    test: ({ words }) => {
      if (!hasGaps(words)) return false
      let count = 0
      for (const _ of words.matchAll(/(?<![\p{L}\p{N}])(?:\p{L}[ ._*-]){4,30}\p{L}(?![\p{L}\p{N}])/gu))
        if (++count >= 3) return true
      return false
    },
  },
  {
    name: 'text-caps',
    says: 'Much of the text is written in capitals.',
    weight: 0.7,
    test: ({ letter }) => {
      let [upper, lower] = [0, 0]
      for (let at = Math.min(letter.text.length, 20_000) - 1; at >= 0; at--) {
        const code = letter.text.charCodeAt(at)
        if (code >= 97 && code <= 122) lower++
        else if (code >= 65 && code <= 90) upper++
      }
      return upper > 150 && upper * 4 > upper + lower
    },
  },
  {
    name: 'text-mixed-script',
    says: 'Words of the text mix Latin letters with look-alikes of other scripts.',
    weight: 2,
    test: ({ words, subject }) =>
      /[a-z][\u0430-\u044f\u0451-\u045f\u03b1-\u03c9]|[\u0430-\u044f\u0451-\u045f\u03b1-\u03c9][a-z]/.test(
        `${subject.toLowerCase()} ${words}`,
      ),
  },
  {
    name: 'text-random-tail',
    says: 'The text ends in chance letters, which make each message different.',
    weight: 0.8,
    test: ({ words }) =>
      /(?:^|\s)(?=[a-z0-9]{0,60}[a-z]\d|[a-z0-9]{0,60}[bcdfghjklmnpqrstvwxz]{6})[a-z0-9]{14,60}\W{0,20}$/.test(
        words.slice(-100),
      ),
  },
]

export const markupRules: readonly Rule[] = [...html, ...mime, ...bulk]
