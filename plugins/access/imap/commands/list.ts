/**
 * LIST with its extensions (RFC 5258, 5819, 6154, 8440), LSUB, NAMESPACE and STATUS.
 */
import type { Mailbox } from '../../../mailbox/store/api.ts'
import type { CommandDefinition } from '../command.ts'
import type { CommandContext } from '../context.ts'
import type { Cursor } from '../grammar/cursor.ts'
import { matching, type Visible } from '../listing.ts'
import { OTHERS, SHARED, visible } from '../names.ts'
import { isAnswer, no, ok } from '../responses.ts'
import { string } from '../text.ts'

export const namespace: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.end()
    const shared = session.parts.options.shared === undefined ? 'NIL' : `((${string(SHARED, false)} "/"))`
    session.output.line(`* NAMESPACE (("" "/")) ((${string(OTHERS, false)} "/")) ${shared}`)
    return ok('NAMESPACE completed')
  },
}

/** Maximum patterns of one LIST. */
const PATTERNS = 100
const PATTERN = /[!#$%&'*+,\-./0-9:;<=>?@A-Z[\]^_`a-z|}~]+/y

function readPattern(session: CommandContext, cursor: Cursor): string {
  const text = cursor.peek() === '"' || cursor.peek() === '' ? cursor.astring() : cursor.need(PATTERN, 'a pattern')
  return session.fromClient(text)
}

interface ListOptions {
  readonly select: ReadonlySet<string>
  readonly returns: ReadonlySet<string>
  readonly status: readonly string[] | undefined
}

function readSelection(cursor: Cursor): Set<string> {
  if (cursor.peek() !== '(') return new Set()
  const options = new Set(cursor.list(() => cursor.atom().toUpperCase(), { least: 0 }))
  cursor.space()
  const known = ['SUBSCRIBED', 'REMOTE', 'RECURSIVEMATCH', 'SPECIAL-USE']
  if ([...options].some((option) => !known.includes(option))) cursor.fail('known options')
  // RFC 5258 section 3: not allowed alone or with only REMOTE.
  const modified = [...options].filter((option) => option !== 'RECURSIVEMATCH' && option !== 'REMOTE')
  if (options.has('RECURSIVEMATCH') && modified.length === 0) cursor.fail('a selection option beside RECURSIVEMATCH')
  return options
}

function readReturns(cursor: Cursor): Pick<ListOptions, 'returns' | 'status'> {
  const returns = new Set<string>()
  let status: string[] | undefined
  if (cursor.takes(' RETURN ')) {
    cursor.list(
      () => {
        const word = cursor.atom().toUpperCase()
        if (!['SUBSCRIBED', 'CHILDREN', 'SPECIAL-USE', 'STATUS', 'MYRIGHTS'].includes(word))
          cursor.fail('a known option')
        returns.add(word)
        if (word !== 'STATUS') return
        cursor.space()
        status = readStatusItems(cursor)
      },
      { least: 0 },
    )
  }
  return { returns, status }
}

async function visibleTo({ mail, account, names }: CommandContext): Promise<Visible> {
  if (!account || !names) return { all: [], lost: [] }
  return { all: await visible(mail, account.id, names), lost: await mail.lostSubscriptions(account.id) }
}

export const list: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    const select = readSelection(cursor)
    const reference = session.fromClient(cursor.astring())
    cursor.space()
    const isExtended = cursor.peek() === '('
    const patterns = isExtended ? cursor.list(() => readPattern(session, cursor)) : [readPattern(session, cursor)]
    const { returns, status } = readReturns(cursor)
    cursor.end()
    if (patterns.length > PATTERNS) return no('Too many patterns', 'LIMIT')
    if (patterns.length === 1 && patterns[0] === '' && !isExtended) {
      // RFC 9051 section 6.3.9: returns the separator and the root of the reference.
      session.output.line(`* LIST (\\Noselect) "/" ${session.writeName('')}`)
      return ok('LIST completed')
    }
    const all = await visibleTo(session)
    const options = { select, returns, status }
    const wanted = patterns.map((pattern) => reference + pattern)
    for (const found of await matching(all, wanted, options, () => session.pause())) {
      session.output.line(
        `* LIST (${found.attributes.join(' ')}) "/" ${session.writeName(found.name)}${found.extended}`,
      )
      if (found.mailbox && !found.mailbox.noSelect) await sendListed(session, found.name, found.mailbox, options)
      if (session.output.isFull) await session.output.flush()
      await session.pause()
    }
    return ok('LIST completed')
  },
}

async function sendListed(
  session: CommandContext,
  name: string,
  mailbox: Mailbox,
  { returns, status }: ListOptions,
): Promise<void> {
  if (returns.has('MYRIGHTS'))
    session.output.line(
      `* MYRIGHTS ${session.writeName(name)} ${await session.mail.rights(mailbox, session.account?.id ?? '')}`,
    )
  if (status && (await session.may(mailbox, 'r'))) session.output.line(statusLine(session, name, mailbox, status))
}

const NOT_OF_LSUB = ['\\Subscribed', '\\NonExistent']

export const lsub: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    const reference = session.fromClient(cursor.astring())
    cursor.space()
    const pattern = readPattern(session, cursor)
    cursor.end()
    const all = await visibleTo(session)
    // RFC 3501 section 6.3.9: a level that is not subscribed is listed as \Noselect when % stops above a subscribed
    // one.
    const select = new Set(pattern.endsWith('%') ? ['SUBSCRIBED', 'RECURSIVEMATCH'] : ['SUBSCRIBED'])
    const options = { select, returns: new Set<string>() }
    for (const { name, attributes } of await matching(all, [reference + pattern], options, () => session.pause())) {
      const isItself = attributes.includes('\\Subscribed')
      const sent = isItself ? attributes.filter((one) => !NOT_OF_LSUB.includes(one)) : ['\\Noselect']
      session.output.line(`* LSUB (${sent.join(' ')}) "/" ${session.writeName(name)}`)
      if (session.output.isFull) await session.output.flush()
    }
    return ok('LSUB completed')
  },
}

const STATUS_ITEMS: Readonly<Record<string, (mailbox: Mailbox) => string>> = {
  MESSAGES: ({ messages }) => String(messages),
  RECENT: () => '0',
  UIDNEXT: ({ uidNext }) => String(uidNext),
  UIDVALIDITY: ({ uidValidity }) => String(uidValidity),
  UNSEEN: ({ unseen }) => String(unseen),
  DELETED: ({ deleted }) => String(deleted),
  SIZE: ({ size }) => String(size),
  HIGHESTMODSEQ: ({ modseq }) => String(modseq),
  MAILBOXID: ({ id }) => `(${id})`,
  APPENDLIMIT: () => 'NIL',
}

function readStatusItems(cursor: Cursor): string[] {
  return cursor.list(() => {
    const item = cursor.atom().toUpperCase()
    return STATUS_ITEMS[item] ? item : cursor.fail('a known item')
  })
}

function statusLine(session: CommandContext, name: string, mailbox: Mailbox, items: readonly string[]): string {
  const values = items.map((item) => `${item} ${STATUS_ITEMS[item]?.(mailbox)}`)
  return `* STATUS ${session.writeName(name)} (${values.join(' ')})`
}

export const status: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    const name = session.readName(cursor)
    cursor.space()
    const items = readStatusItems(cursor)
    cursor.end()
    // RFC 7162 section 3.1.2: requesting it enables CONDSTORE.
    if (items.includes('HIGHESTMODSEQ')) session.enableCondstore()
    const mailbox = await session.mailbox(name, 'r')
    if (isAnswer(mailbox)) return mailbox
    if (mailbox.noSelect) return no('Mailbox cannot hold messages', 'CANNOT')
    session.output.line(statusLine(session, name, mailbox, items))
    return ok('STATUS completed')
  },
}
