/**
 * Decides about a post by the rules of a list, in order.
 *
 * Invariants: unavailable facts throw, and the post is retried; a post is never passed on without a positive verdict;
 * matching time is at most the product of the lengths of pattern and text.
 */
import type { ReadableMessage } from 'iems'
import { authorsIn, decodeWords, envelopeOf, readAddresses, readFields } from 'iems/mime'
import type { AccountsApi } from '../directory/static/api.ts'
import type { MailingList, PostVerdict } from './api.ts'
import { foldAddress, listIdOf, roleAddress } from './records.ts'
import { fits, matches, type Roster } from './roster.ts'

export interface Author {
  /** Folded; empty when there is not exactly one. */
  readonly address: string
  /** Decoded. */
  readonly name: string
}

type Posted = Pick<ReadableMessage, 'headers' | 'from' | 'size' | 'findings' | 'session' | 'parse'>

export function authorOf(headers: ReadableMessage['headers']): Author {
  const fields = headers.get('from')
  const { authors, isAmbiguous } = authorsIn(fields[0] ?? '')
  const [one] = authors
  if (fields.length !== 1 || isAmbiguous || authors.length !== 1 || !one) return { address: '', name: '' }
  const [shown] = readAddresses(fields[0] ?? '')
  return {
    address: foldAddress(`${one.local}@${one.domain}`) ?? '',
    name: decodeWords(shown?.name ?? '').slice(0, 200),
  }
}

/** Folded addresses that To and Cc name. */
export function addressedIn(headers: ReadableMessage['headers']): string[] {
  const header = [
    ...headers.get('to').map((value) => `To: ${value}`),
    ...headers.get('cc').map((value) => `Cc: ${value}`),
  ]
  const { to, cc } = envelopeOf(readFields(Buffer.from(`${header.join('\r\n')}\r\n\r\n`)))
  return [...to, ...cc].flatMap(({ mailbox = '', host = '' }) => foldAddress(`${mailbox}@${host}`) ?? [])
}

const ACCEPT: PostVerdict = { kind: 'accept' }
const hold = (why: string): PostVerdict => ({ kind: 'hold', why })
const refuse = (why: string): PostVerdict => ({ kind: 'refuse', why })

/** Mail that no list sends on: loops, reports and what machines answer (RFC 3834 section 2). */
export function unwanted(
  list: MailingList,
  { headers, from }: Pick<Posted, 'headers' | 'from'>,
): PostVerdict | undefined {
  const id = `<${listIdOf(list.address)}>`
  const isOurs = headers.get('list-id').some((value) => value.toLowerCase().includes(id))
  const isLoop = headers.get('x-loop').some((value) => value.trim().toLowerCase() === list.address)
  if (isOurs || isLoop) return refuse('This message has been sent by the list already')
  if (from === '') return refuse('The list accepts no reports')
  const auto = headers.get('auto-submitted')[0]?.split(/[;\s]/)[0]?.toLowerCase() ?? 'no'
  if (auto === 'auto-replied' || headers.get('x-autoreply').length > 0 || headers.get('x-autorespond').length > 0)
    return refuse('The list accepts no automatic replies')
  return undefined
}

/** Commands that belong to the request address. */
const ADMINISTRIVIA =
  /^(?:(?:un)?subscribe|join|leave|signoff|unsub|help|info|which|set|confirm|remove)\b[^.!?]{0,60}$/i
const ADMINISTRIVIA_LINES = 5

async function isAdministrivia({ headers, size, parse }: Posted): Promise<boolean> {
  const [subject = ''] = headers.get('subject')
  if (/^(?:(?:un)?subscribe|signoff|unsub|help)$/i.test(subject.trim())) return true
  if (size > 10_000) return false
  const lines = ((await parse())?.text ?? '').split('\n').map((line) => line.trim())
  const [first = '', ...more] = lines.filter((line) => line !== '' && !line.startsWith('>'))
  return more.length < ADMINISTRIVIA_LINES && first.split(/\s+/).length <= 4 && ADMINISTRIVIA.test(first)
}

/** `hold: Subject: *lottery*`. */
function byHeader(rules: readonly string[], headers: Posted['headers']): PostVerdict | undefined {
  for (const rule of rules) {
    const [, kind, name = '', pattern = ''] = /^\s*(hold|refuse|discard)\s*:\s*([!-9;-~]+)\s*:(.*)$/i.exec(rule) ?? []
    if (kind === undefined) continue
    const isMeant = headers
      .get(name)
      .some((value) => matches(pattern.trim().toLowerCase(), decodeWords(value).toLowerCase()))
    if (isMeant) return { kind: kind.toLowerCase() as 'hold', why: `The field ${name} matches a rule of the list` }
  }
  return undefined
}

export interface RulesDeps {
  readonly roster: Roster
  readonly accounts: AccountsApi | undefined
}

/** Whether an author is allowed by name: an address, a domain, or `group:staff` of the directory. */
async function isAllowed(
  accounts: AccountsApi | undefined,
  allowed: readonly string[],
  address: string,
): Promise<boolean> {
  if (fits(allowed, address)) return true
  const groups = allowed.filter((one) => one.startsWith('group:')).map((one) => one.slice(6))
  const found = groups.length > 0 ? await accounts?.byAddress(address) : undefined
  return (
    found !== undefined && (await accounts?.groupsOf(found.account.id))?.some((name) => groups.includes(name)) === true
  )
}

async function byAuthor({ roster, accounts }: RulesDeps, list: MailingList, author: Author): Promise<PostVerdict> {
  const { settings } = list
  if (fits([...settings.moderators, ...settings.owners], author.address)) return ACCEPT
  if (settings.post === 'moderators') return byNonmember(settings.nonmembers, 'Only moderators may post to this list')
  const member = await roster.member(list, author.address)
  if (member?.moderated) return hold('Posts of this member are moderated')
  if (member) return settings.moderated === 'yes' ? hold('The list is moderated') : ACCEPT
  if (await isAllowed(accounts, settings.allowed, author.address)) return ACCEPT
  if (settings.post === 'anyone') return settings.moderated === 'yes' ? hold('The list is moderated') : ACCEPT
  return byNonmember(settings.nonmembers, 'Only members may post to this list')
}

const byNonmember = (kind: 'hold' | 'refuse' | 'discard', why: string): PostVerdict => ({ kind, why })

/** The verdict of the rules, without side effects. */
export async function judgePost(
  deps: RulesDeps,
  list: MailingList,
  message: Posted,
  author: Author,
): Promise<PostVerdict> {
  const { settings, address } = list
  const no = unwanted(list, message)
  if (no) return no
  if (author.address === '') return refuse('The From field does not name exactly one address')
  if (fits(settings.bans, author.address) || fits(settings.bans, foldAddress(message.from) ?? ''))
    return refuse('This author is banned from the list')
  const header = byHeader(settings.rules, message.headers)
  if (header) return header
  const verdict = await byAuthor(deps, list, author)
  if (verdict.kind !== 'accept') return verdict
  // A forger could write as a member.
  if (message.findings.some(({ name, value }) => name === 'dmarc' && value === 'fail'))
    return hold('The author could not be verified (DMARC)')
  if (settings.maxSize > 0 && message.size > settings.maxSize) return hold('The post is larger than the list allows')
  const addressed = addressedIn(message.headers)
  if (settings.maxRecipients > 0 && addressed.length > settings.maxRecipients)
    return hold('The post has too many recipients')
  if (settings.explicit === 'yes' && !addressed.some((one) => one === address || one === roleAddress(address, 'post')))
    return hold('To and Cc do not name the list')
  if (await isAdministrivia(message)) return hold('The post looks like a command for the list server')
  return ACCEPT
}
