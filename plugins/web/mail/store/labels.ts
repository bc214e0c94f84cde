/**
 * Labels: names and colours of IMAP keywords, kept on the server for all browsers of the account.
 */
export const COLORS = ['orange', 'yellow', 'green', 'blue', 'violet', 'pink'] as const
export type Color = (typeof COLORS)[number]

export interface Label {
  /** Absent for a keyword that another program has set and that has no name here. */
  readonly id?: string
  readonly keyword: string
  readonly name: string
  readonly color?: Color
}

/** Keywords that programs set for themselves. */
const OF_PROGRAMS = ['junk', 'nonjunk', 'notjunk', 'forwarded', 'redirected', 'receipthandled', 'unsubscribed']

const isForPeople = (keyword: string): boolean =>
  keyword.startsWith('$') ? /^\$label\d+$/.test(keyword) : !OF_PROGRAMS.includes(keyword)

export const byName = (a: Label, b: Label) => a.name.localeCompare(b.name)

/** The labels of messages, by name; keywords without a name are labels too. */
export function labelsOf(labels: readonly Label[], emails: readonly { readonly keywords: object }[]): Label[] {
  const keywords = new Set(emails.flatMap((email) => Object.keys(email.keywords)).filter(isForPeople))
  return [...keywords]
    .map((keyword) => labels.find((label) => label.keyword === keyword) ?? { keyword, name: keyword })
    .sort(byName)
}

/** A keyword for a name: IMAP has plain ASCII alone. */
export function keywordOf(name: string): string {
  const plain = name
    .toLowerCase()
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll('ß', 'ss')
    .replaceAll(/\s+/g, '-')
  if (!/[^\x21-\x7e]/.test(plain)) {
    const kept = plain.replaceAll(/[^a-z0-9._-]+/g, '').replaceAll(/-{2,}/g, '-')
    if (kept !== '') return kept.slice(0, 100)
  }
  const codes = [...plain].map((character) => character.codePointAt(0)?.toString(16) ?? '')
  return `u${codes.join('.')}`.slice(0, 100)
}
