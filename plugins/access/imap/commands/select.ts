/**
 * SELECT, EXAMINE and UNSELECT, with CONDSTORE and QRESYNC (RFC 7162).
 */
import type { Mailbox } from '../../../mailbox/store/api.ts'
import type { CommandDefinition } from '../command.ts'
import type { CommandContext } from '../context.ts'
import type { Cursor } from '../grammar/cursor.ts'
import { formatSet, readSet, type SequenceSet, within } from '../grammar/sets.ts'
import { isAnswer, no, ok, refusal } from '../responses.ts'
import { View } from '../view.ts'

/** RFC 7162 section 3.2.5. */
interface Resync {
  readonly uidValidity: number
  readonly modseq: number
  /** The UIDs the client knows, if given. */
  readonly known?: Exclude<SequenceSet, '$'>
}

function readSelectParameters(session: CommandContext, cursor: Cursor): Resync | undefined {
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
  // Sequence numbers with their UIDs would only save a few octets.
  if (cursor.takes('(')) {
    readSet(cursor)
    cursor.space()
    readSet(cursor)
    cursor.expect(')')
  }
  cursor.expect(')')
  return { uidValidity, modseq, ...(known && known !== '$' ? { known } : {}) }
}

async function sendSelected(session: CommandContext, view: View, resync: Resync | undefined): Promise<void> {
  const { output, mail } = session
  const { mailbox } = view
  const keywords = await session.parts.keywords.of(mail, view)
  output.line(`* ${view.count} EXISTS`)
  if (!session.enabled.has('IMAP4REV2')) await writeRev1(session, view)
  view.learn(keywords)
  session.writeFlags(view)
  output.line(`* OK [UIDVALIDITY ${mailbox.uidValidity}] UIDs valid`)
  output.line(`* OK [UIDNEXT ${mailbox.uidNext}] Predicted next UID`)
  output.line(`* OK [HIGHESTMODSEQ ${mailbox.modseq}] Highest modification sequence`)
  output.line(`* OK [MAILBOXID (${mailbox.id})] Mailbox ID`)
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

/** Responses that RFC 3501 section 6.3.1 requires and RFC 9051 has removed. */
async function writeRev1({ output, mail, parts }: CommandContext, view: View): Promise<void> {
  output.line('* 0 RECENT')
  const uid = await parts.unseen.first(mail, view)
  const number = uid === undefined ? undefined : view.numberOf(uid)
  if (number !== undefined) output.line(`* OK [UNSEEN ${number}] First unseen message`)
}

function opening(isReadOnly: boolean): CommandDefinition {
  return {
    state: 'authenticated',
    async run(session, { cursor }) {
      cursor.space()
      const name = session.readName(cursor)
      const resync = readSelectParameters(session, cursor)
      cursor.end()
      if (session.view) session.output.line('* OK [CLOSED] Previous mailbox is now closed')
      session.deselect()
      const mailbox = await session.mailbox(name, 'r')
      if (isAnswer(mailbox)) return mailbox
      if (mailbox.noSelect) return no('Mailbox cannot hold messages', 'CANNOT')
      const opened = await session.mail.open(mailbox)
      if ('refused' in opened) return refusal(opened)
      const mayWrite = await anyOf(session, mailbox, 'swte')
      const view = new View(opened, isReadOnly || !mayWrite)
      session.select(view)
      await sendSelected(session, view, resync)
      return view.isReadOnly ? ok('Mailbox selected', 'READ-ONLY') : ok('Mailbox selected', 'READ-WRITE')
    },
  }
}

async function anyOf(session: CommandContext, mailbox: Mailbox, rights: string): Promise<boolean> {
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
    return ok('UNSELECT completed')
  },
}
