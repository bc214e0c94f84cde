/**
 * NOTIFY (RFC 5465): the client names mailboxes, besides the selected one, whose changes it wants at once.
 *
 * Only message events are supported; a request for others gets BADEVENT, and the previous registration stays.
 */
import type { Mailbox } from '../../../mailbox/store/api.ts'
import type { CommandDefinition } from '../command.ts'
import type { CommandContext } from '../context.ts'
import type { Cursor } from '../grammar/cursor.ts'
import { type FetchItem, readFetchItems } from '../grammar/fetch.ts'
import { visible } from '../names.ts'
import { bad, no, ok } from '../responses.ts'

const EVENTS = ['MESSAGENEW', 'MESSAGEEXPUNGE', 'FLAGCHANGE']
/** Maximum mailboxes named in one command. */
const MOST = 100

/** The watched mailboxes, and whether changes of the selected one are sent at once. */
interface Watch {
  readonly kind: 'selected' | 'selected-delayed' | 'personal' | 'inboxes' | 'subscribed' | 'mailboxes' | 'subtree'
  readonly names: readonly string[]
  readonly events: readonly Event[]
}

interface Event {
  readonly name: string
  /** Items sent for a new message of the selected mailbox. */
  readonly items?: readonly FetchItem[]
}

class UnknownEvent extends Error {}

function readWatch(session: CommandContext, cursor: Cursor): Watch {
  cursor.expect('(')
  const word = cursor.atom().toLowerCase()
  const kinds = ['selected', 'selected-delayed', 'personal', 'inboxes', 'subscribed', 'mailboxes', 'subtree'] as const
  const kind = kinds.find((known) => known === word) ?? cursor.fail('a mailbox filter')
  cursor.space()
  let names: string[] = []
  if (kind === 'mailboxes' || kind === 'subtree') {
    names = cursor.peek() === '(' ? cursor.list(() => session.readName(cursor)) : [session.readName(cursor)]
    if (names.length > MOST) cursor.fail('fewer mailboxes')
    cursor.space()
  }
  const events = cursor.takes('NONE') ? [] : cursor.list(() => readEvent(cursor))
  cursor.expect(')')
  // RFC 5465 section 5.2: sequence numbers are useless to a client that gets only additions or only removals.
  const [comes, goes] = ['MESSAGENEW', 'MESSAGEEXPUNGE'].map((name) => events.some((event) => event.name === name))
  if (comes !== goes && kind.startsWith('selected')) cursor.fail('MessageNew and MessageExpunge together')
  return { kind, names, events }
}

function readEvent(cursor: Cursor): Event {
  const name = cursor.atom().toUpperCase()
  if (!EVENTS.includes(name)) throw new UnknownEvent()
  if (name !== 'MESSAGENEW' || !cursor.sees(' (')) return { name }
  cursor.space()
  return { name, items: readFetchItems(cursor) }
}

function isMeant({ kind, names, events }: Watch, name: string, mailbox: Mailbox, own: boolean): boolean {
  if (events.length === 0) return false
  if (kind === 'personal') return own
  if (kind === 'inboxes') return own && mailbox.name === 'INBOX'
  if (kind === 'subscribed') return mailbox.subscribed
  if (kind === 'mailboxes') return names.includes(name)
  return kind === 'subtree' && names.some((top) => name === top || name.startsWith(`${top}/`))
}

/** Rights are checked each time, because they may have changed since the command (RFC 5465 section 3.1). */
async function send(session: CommandContext, name: string, mailbox: Mailbox): Promise<void> {
  if (!(await session.may(mailbox, 'r'))) return
  const { messages, uidNext, uidValidity, unseen, modseq } = mailbox
  const more = session.isCondstore ? ` HIGHESTMODSEQ ${modseq}` : ''
  const items = `MESSAGES ${messages} UIDNEXT ${uidNext} UIDVALIDITY ${uidValidity} UNSEEN ${unseen}${more}`
  session.output.line(`* STATUS ${session.writeName(name)} (${items})`)
}

async function begin(session: CommandContext, watches: readonly Watch[], withStatus: boolean): Promise<void> {
  const { account, names, mail } = session
  if (!account || !names) return
  const wanted = new Map<string, { readonly name: string; readonly account: string }>()
  for (const { name, mailbox } of await visible(mail, account.id, names)) {
    if (mailbox.noSelect || !watches.some((watch) => isMeant(watch, name, mailbox, mailbox.account === account.id)))
      continue
    wanted.set(mailbox.id, { name, account: mailbox.account })
    if (withStatus && mailbox.id !== session.view?.mailbox.id) await send(session, name, mailbox)
  }
  session.watchOthers(
    [...new Set([...wanted.values()].map((one) => one.account))],
    async (ids) => {
      for (const id of ids) {
        const one = wanted.get(id)
        const mailbox =
          one && id !== session.view?.mailbox.id ? await mail.mailbox({ account: one.account, id }) : undefined
        if (one && mailbox) await send(session, one.name, mailbox)
      }
    },
    watches.some(({ kind }) => kind === 'selected'),
  )
  const selected = watches.find(({ kind }) => kind === 'selected' || kind === 'selected-delayed')
  session.newItems = selected?.events.find(({ items }) => items)?.items
}

export const notify: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    if (cursor.takes('NONE')) {
      cursor.end()
      session.watchOthers([], async () => {}, false)
      return ok('NOTIFY completed')
    }
    cursor.expect('SET ')
    const withStatus = cursor.takes('STATUS ')
    const watches: Watch[] = []
    try {
      do watches.push(readWatch(session, cursor))
      while (cursor.takes(' '))
    } catch (error) {
      if (error instanceof UnknownEvent)
        return no('Only message events are supported', `BADEVENT (${EVENTS.join(' ')})`)
      throw error
    }
    cursor.end()
    if (watches.filter(({ kind }) => kind.startsWith('selected')).length > 1)
      return bad('Specify the selected mailbox once')
    await begin(session, watches, withStatus)
    return ok('NOTIFY completed')
  },
}
