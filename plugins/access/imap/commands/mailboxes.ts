/**
 * Commands about mailboxes: select, make, rename, remove, list, count.
 */
import type { Mailbox, SpecialUse } from '../../../mailbox/store/api.ts'
import type { CommandDefinition } from '../command.ts'
import type { Cursor } from '../grammar/cursor.ts'
import { formatSet, readSet, type SequenceSet, within } from '../grammar/sets.ts'
import { matching, type Visible } from '../listing.ts'
import { OTHERS, SHARED, visible } from '../names.ts'
import { isAnswer, no, ok, refusal } from '../responses.ts'
import type { Session } from '../session.ts'
import { string } from '../text.ts'
import { View } from '../view.ts'

// --- SELECT and EXAMINE -------------------------------------------------------------------------

/** RFC 7162 section 3.2.5. */
interface Resync {
  readonly uidValidity: number
  readonly modseq: number
  /** The UIDs the client has, if it says. */
  readonly known?: Exclude<SequenceSet, '$'>
}

function readSelectParameters(session: Session, cursor: Cursor): Resync | undefined {
  let resync: Resync | undefined
  if (!cursor.takes(' ')) return undefined
  cursor.list(() => {
    const word = cursor.atom().toUpperCase()
    if (word === 'CONDSTORE') session.enabled.add('CONDSTORE')
    else if (word === 'QRESYNC' && session.enabled.has('QRESYNC')) {
      cursor.space()
      resync = readResync(cursor)
    } else cursor.fail('CONDSTORE, or QRESYNC after it has been enabled')
  })
  return resync
}

function readResync(cursor: Cursor): Resync {
  cursor.expect('(')
  const uidValidity = cursor.number()
  cursor.space()
  const modseq = cursor.number64()
  let known: SequenceSet | undefined
  if (cursor.takes(' ') && cursor.peek() !== '(') {
    known = readSet(cursor)
    cursor.takes(' ')
  }
  // Numbers beside their UIDs only save octets, which are not many.
  if (cursor.takes('(')) {
    readSet(cursor)
    cursor.space()
    readSet(cursor)
    cursor.expect(')')
  }
  cursor.expect(')')
  return { uidValidity, modseq, ...(known && known !== '$' ? { known } : {}) }
}

async function tellSelected(session: Session, view: View, resync: Resync | undefined): Promise<void> {
  const { output, mail } = session
  const { mailbox } = view
  const keywords = await session.parts.keywords.of(mail, view)
  output.line(`* ${view.count} EXISTS`)
  if (!session.enabled.has('IMAP4REV2')) await writeRev1(session, view)
  view.learn(keywords)
  session.writeFlags(view)
  output.line(`* OK [UIDVALIDITY ${mailbox.uidValidity}] UIDs are valid`)
  output.line(`* OK [UIDNEXT ${mailbox.uidNext}] The next UID`)
  output.line(`* OK [HIGHESTMODSEQ ${mailbox.modseq}] The last change`)
  output.line(`* OK [MAILBOXID (${mailbox.id})] The mailbox's own name`)
  if (session.enabled.has('IMAP4REV2'))
    output.line(`* LIST () "/" ${session.writeName((await session.names?.nameOf(mailbox)) ?? mailbox.name)}`)
  if (!resync || resync.uidValidity !== mailbox.uidValidity) return
  const changes = await mail.changes(mailbox, resync.modseq)
  if ('refused' in changes) return
  const all = view.vanished(changes)
  const vanished = resync.known ? within(all, resync.known, mailbox.uidNext - 1) : all
  if (vanished.length > 0) output.line(`* VANISHED (EARLIER) ${formatSet(vanished)}`)
  for (const entry of changes.changed) {
    const number = view.numberOf(entry.uid)
    if (number !== undefined) output.line(session.flagLine(number, entry))
  }
}

/** What RFC 3501 section 6.3.1 requires and RFC 9051 has dropped. */
async function writeRev1({ output, mail, parts }: Session, view: View): Promise<void> {
  output.line('* 0 RECENT')
  const uid = await parts.unseen.first(mail, view)
  const number = uid === undefined ? undefined : view.numberOf(uid)
  if (number !== undefined) output.line(`* OK [UNSEEN ${number}] The first unseen message`)
}

function opening(isReadOnly: boolean): CommandDefinition {
  return {
    state: 'authenticated',
    async run(session, { cursor }) {
      cursor.space()
      const name = session.readName(cursor)
      const resync = readSelectParameters(session, cursor)
      cursor.end()
      if (session.view) session.output.line('* OK [CLOSED] The former mailbox is closed')
      session.deselect()
      const mailbox = await session.mailbox(name, 'r')
      if (isAnswer(mailbox)) return mailbox
      if (mailbox.noSelect) return no('It holds no messages', 'CANNOT')
      const opened = await session.mail.open(mailbox)
      if ('refused' in opened) return refusal(opened)
      const mayWrite = await anyOf(session, mailbox, 'swte')
      const view = new View(opened, isReadOnly || !mayWrite)
      session.select(view)
      await tellSelected(session, view, resync)
      return view.isReadOnly ? ok('Opened for reading', 'READ-ONLY') : ok('Opened', 'READ-WRITE')
    },
  }
}

async function anyOf(session: Session, mailbox: Mailbox, rights: string): Promise<boolean> {
  for (const right of rights) if (await session.may(mailbox, right)) return true
  return false
}

export const select = opening(false)
export const examine = opening(true)

export const unselect: CommandDefinition = {
  state: 'selected',
  async run(session, { cursor }) {
    cursor.end()
    session.deselect()
    return ok('Closed')
  },
}

// --- CREATE, DELETE, RENAME, SUBSCRIBE ------------------------------------------------------------

const SPECIAL_USES = ['\\All', '\\Archive', '\\Drafts', '\\Flagged', '\\Junk', '\\Sent', '\\Trash'] as const

function readUse(cursor: Cursor): SpecialUse | undefined {
  const flag = cursor.flag().toLowerCase()
  return SPECIAL_USES.find((use) => use.toLowerCase() === flag)
}

export const create: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    // RFC 9051 section 6.3.4: a separator at the end says that there will be more below.
    const name = session.readName(cursor).replace(/\/$/, '')
    let uses: (SpecialUse | undefined)[] = []
    if (cursor.takes(' (USE ')) {
      uses = cursor.list(() => readUse(cursor))
      cursor.expect(')')
    }
    cursor.end()
    if (uses.length > 1 || uses.includes(undefined)) return no('Only one use that we know', 'USEATTR')
    const named = await session.named(name)
    if (!named) return no('There is nobody of that name', 'CANNOT')
    if (named.account !== session.account?.id && !(await mayCreateIn(session, named)))
      return no('You may not do that here', 'NOPERM')
    const [specialUse] = uses
    const made = await session.mail.create(named.account, named.name, specialUse ? { specialUse } : {})
    return 'refused' in made ? refusal(made) : ok('Made', `MAILBOXID (${made.id})`)
  },
}

/** RFC 4314 section 4: the right k on the mailbox above. */
async function mayCreateIn(session: Session, { account, name }: { account: string; name: string }): Promise<boolean> {
  const above = await session.mail.find(account, name.split('/').slice(0, -1).join('/'))
  return above !== undefined && session.may(above, 'k')
}

export const remove: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    const name = session.readName(cursor)
    cursor.end()
    const mailbox = await session.mailbox(name, 'x')
    if (isAnswer(mailbox)) return mailbox
    if (session.view?.mailbox.id === mailbox.id) session.deselect()
    const removed = await session.mail.remove(mailbox)
    return removed && 'refused' in removed ? refusal(removed) : ok('Removed')
  },
}

export const rename: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    const from = session.readName(cursor)
    cursor.space()
    const to = session.readName(cursor).replace(/\/$/, '')
    cursor.end()
    const mailbox = await session.mailbox(from, 'x')
    if (isAnswer(mailbox)) return mailbox
    const named = await session.named(to)
    if (named?.account !== mailbox.account) return no('A mailbox stays with its account', 'CANNOT')
    const renamed = await session.mail.rename(mailbox, named.name)
    return 'refused' in renamed ? refusal(renamed) : ok('Renamed')
  },
}

function subscribing(subscribed: boolean): CommandDefinition {
  return {
    state: 'authenticated',
    async run(session, { cursor }) {
      cursor.space()
      const name = session.readName(cursor)
      cursor.end()
      const mailbox = await session.mailbox(name, 'l')
      if (isAnswer(mailbox)) {
        if (subscribed) return mailbox
        await session.mail.unsubscribeLost(session.account?.id ?? '', name)
        return ok('Not subscribed')
      }
      // Subscriptions are the owner's; others see what they may see.
      if (mailbox.account !== session.account?.id) return ok('Mailboxes of others are always listed')
      const changed = await session.mail.subscribe(mailbox, subscribed)
      return 'refused' in changed ? refusal(changed) : ok(subscribed ? 'Subscribed' : 'Not subscribed')
    },
  }
}

export const subscribe = subscribing(true)
export const unsubscribe = subscribing(false)

// --- LIST, LSUB, NAMESPACE, STATUS -------------------------------------------------------------------

export const namespace: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.end()
    const shared = session.parts.options.shared === undefined ? 'NIL' : `((${string(SHARED, false)} "/"))`
    session.output.line(`* NAMESPACE (("" "/")) ((${string(OTHERS, false)} "/")) ${shared}`)
    return ok('These are the namespaces')
  },
}

/** Patterns of one LIST. */
const PATTERNS = 100
const PATTERN = /[!#$%&'*+,\-./0-9:;<=>?@A-Z[\]^_`a-z|}~]+/y

function readPattern(session: Session, cursor: Cursor): string {
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
  // RFC 5258 section 3: neither alone nor beside REMOTE.
  const modified = [...options].filter((option) => option !== 'RECURSIVEMATCH' && option !== 'REMOTE')
  if (options.has('RECURSIVEMATCH') && modified.length === 0) cursor.fail('something that RECURSIVEMATCH can go with')
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

async function visibleTo({ mail, account, names }: Session): Promise<Visible> {
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
    if (patterns.length > PATTERNS) return no('Too many patterns in one command', 'LIMIT')
    if (patterns.length === 1 && patterns[0] === '' && !isExtended) {
      // RFC 9051 section 6.3.9: the separator, and the root of the reference.
      session.output.line(`* LIST (\\Noselect) "/" ${session.writeName('')}`)
      return ok('That is the separator')
    }
    const all = await visibleTo(session)
    const options = { select, returns, status }
    const wanted = patterns.map((pattern) => reference + pattern)
    for (const found of await matching(all, wanted, options, () => session.pause())) {
      session.output.line(
        `* LIST (${found.attributes.join(' ')}) "/" ${session.writeName(found.name)}${found.extended}`,
      )
      if (found.mailbox && !found.mailbox.noSelect) await tellListed(session, found.name, found.mailbox, options)
      if (session.output.isFull) await session.output.flush()
      await session.pause()
    }
    return ok('That is all')
  },
}

async function tellListed(
  session: Session,
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
    // RFC 3501 section 6.3.9: what is not subscribed itself is told, as \Noselect, where % stops above what is.
    const select = new Set(pattern.endsWith('%') ? ['SUBSCRIBED', 'RECURSIVEMATCH'] : ['SUBSCRIBED'])
    const options = { select, returns: new Set<string>() }
    for (const { name, attributes } of await matching(all, [reference + pattern], options, () => session.pause())) {
      const isItself = attributes.includes('\\Subscribed')
      const told = isItself ? attributes.filter((one) => !NOT_OF_LSUB.includes(one)) : ['\\Noselect']
      session.output.line(`* LSUB (${told.join(' ')}) "/" ${session.writeName(name)}`)
      if (session.output.isFull) await session.output.flush()
    }
    return ok('That is all')
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

function statusLine(session: Session, name: string, mailbox: Mailbox, items: readonly string[]): string {
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
    // RFC 7162 section 3.1.2: asking for it is enabling it.
    if (items.includes('HIGHESTMODSEQ')) session.enableCondstore()
    const mailbox = await session.mailbox(name, 'r')
    if (isAnswer(mailbox)) return mailbox
    if (mailbox.noSelect) return no('It holds no messages', 'CANNOT')
    session.output.line(statusLine(session, name, mailbox, items))
    return ok('That is how it stands')
  },
}
