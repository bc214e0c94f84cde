/**
 * Parses the search field into a JMAP filter: words and quoted phrases, `from:`, `to:`, `subject:`, `in:`, `has:file`,
 * `is:unread`, `is:starred`, `label:`, `before:` and `after:`; a leading minus negates a condition.
 */
import type { Json } from './client.ts'
import type { Label } from './labels.ts'
import type { Mailbox } from './objects.ts'

const MAX_TERMS = 40
const MAX_QUERY = 1000
const TERM = /(-)?(?:([a-z]{2,8}):)?(?:"([^"]*)"?|([^\s"]+))/gi

/** `2026`, `2026-03` or `2026-03-15` as the first moment of it. */
function dateOf(text: string): string | undefined {
  const found = /^(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?$/.exec(text)
  if (!found) return undefined
  const date = new Date(Number(found[1]), Number(found[2] ?? 1) - 1, Number(found[3] ?? 1))
  return Number.isNaN(date.getTime()) ? undefined : `${date.toISOString().slice(0, 19)}Z`
}

interface Known {
  readonly mailboxes: readonly Mailbox[]
  readonly labels: readonly Label[]
}

function conditionOf(name: string, value: string, { mailboxes, labels }: Known): Json | undefined {
  const day = dateOf(value)
  switch (name) {
    case 'from':
    case 'to':
    case 'cc':
    case 'bcc':
    case 'subject':
    case 'body':
      return { [name]: value }
    case 'has':
      return value === 'file' || value === 'attachment' ? { hasAttachment: true } : undefined
    case 'is':
      if (value === 'unread') return { notKeyword: '$seen' }
      if (value === 'read') return { hasKeyword: '$seen' }
      return value === 'starred' || value === 'flagged' ? { hasKeyword: '$flagged' } : undefined
    case 'before':
      return day === undefined ? undefined : { before: day }
    case 'after':
      return day === undefined ? undefined : { after: day }
    case 'label': {
      const wanted = value.toLowerCase()
      const found = labels.find(({ name, keyword }) => keyword === wanted || name.toLowerCase() === wanted)
      return { hasKeyword: found?.keyword ?? wanted }
    }
    case 'in': {
      const wanted = value.toLowerCase()
      const found = mailboxes.find(({ name, role }) => role === wanted || name.toLowerCase() === wanted)
      return found ? { inMailbox: found.id } : undefined
    }
    default:
      return undefined
  }
}

/** Without `in:`, Junk and Trash are not searched. */
export function filterOf(query: string, mailboxes: readonly Mailbox[], labels: readonly Label[] = []): Json {
  const conditions: Json[] = []
  let isPlaced = false
  for (const [whole, minus, name, quoted, plain] of query.slice(0, MAX_QUERY).matchAll(TERM)) {
    if (conditions.length >= MAX_TERMS) break
    const value = quoted ?? plain ?? ''
    if (value === '') continue
    const known = name === undefined ? undefined : conditionOf(name.toLowerCase(), value, { mailboxes, labels })
    isPlaced ||= known?.inMailbox !== undefined
    const condition = known ?? { text: whole.replace(/^-/, '').replaceAll('"', '') }
    conditions.push(minus ? { operator: 'NOT', conditions: [condition] } : condition)
  }
  const left = mailboxes.filter(({ role }) => role === 'junk' || role === 'trash').map(({ id }) => id)
  if (!isPlaced && left.length > 0) conditions.push({ inMailboxOtherThan: left })
  return conditions.length === 1 ? (conditions[0] as Json) : { operator: 'AND', conditions }
}
