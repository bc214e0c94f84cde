/**
 * A report in a language, as text and as HTML.
 */
import type { Language } from '../texts.ts'
import type { Report } from './collect.ts'
import { reportHtml } from './html.ts'
import { sheetOf } from './tables.ts'
import { reportText } from './text.ts'
import { wordsOf } from './words.ts'

export function writeReport(report: Report, language: Language) {
  const words = wordsOf(language)
  const sheet = sheetOf(report, words)
  return {
    title: sheet.title,
    text: () => reportText(sheet, words),
    html: () => reportHtml(report, sheet, words, language),
  }
}
