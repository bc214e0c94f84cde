/**
 * Checks that an authenticated client is the author of its message: the addresses in From and Sender against
 * `maySendAs`.
 *
 * Invariants: linear time; every address that a mail program could show as the author counts, so an ambiguous field
 * must satisfy each reading; a failed lookup is a fault, never permission.
 */
import { type ReadableMessage, type Refusal, refuse } from 'iems'
import { type Author, authorsIn } from 'iems/mime'

/** Maximum characters of a field; longer ones are refused. */
const MAX_FIELD = 16_384
/** Maximum addresses looked up. */
const MAX_AUTHORS = 100

const NOT_YOURS = refuse(550, '5.7.1', 'From and Sender must be addresses of your account')
const TOO_MANY = refuse(550, '5.7.1', 'From and Sender have too many addresses')
const REPORTS_ONLY = refuse(550, '5.7.1', 'Only reports (multipart/report) may have the null sender')

/** The addresses of From and Sender; undefined when there are too many. */
export function authorsOf(headers: ReadableMessage['headers']): ReadonlySet<string> | undefined {
  const fields = ['from', 'sender'].flatMap((name) => headers.get(name))
  if (fields.some((field) => field.length > MAX_FIELD)) return undefined
  const authors = new Set(fields.flatMap((field) => authorsIn(field).authors.map(addressOf)))
  return authors.size > MAX_AUTHORS ? undefined : authors
}

/** Quotes a local part that is not a dot-atom (RFC 5321 section 4.1.2). */
function addressOf({ local, domain }: Author): string {
  const isAtom = /^[^\s"(),.:;<>@[\]\\]+(?:\.[^\s"(),.:;<>@[\]\\]+)*$/.test(local)
  return `${isAtom || local === '' ? local : `"${local.replace(/["\\]/g, '\\$&')}"`}@${domain}`
}

/** For `check` taps: refuses a message of an authenticated client with a foreign author. */
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
