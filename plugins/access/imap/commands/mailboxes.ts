/**
 * Commands that change mailboxes: CREATE, DELETE, RENAME, SUBSCRIBE.
 */
import { SPECIAL_USES, type SpecialUse } from '../../../mailbox/store/api.ts'
import type { CommandDefinition } from '../command.ts'
import type { CommandContext } from '../context.ts'
import type { Cursor } from '../grammar/cursor.ts'
import { isAnswer, no, ok, refusal } from '../responses.ts'

function readUse(cursor: Cursor): SpecialUse | undefined {
  const flag = cursor.flag().toLowerCase()
  return SPECIAL_USES.find((use) => use.toLowerCase() === flag)
}

export const create: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    // RFC 9051 section 6.3.4: a trailing separator declares that children will follow.
    const name = session.readName(cursor).replace(/\/$/, '')
    let uses: (SpecialUse | undefined)[] = []
    if (cursor.takes(' (USE ')) {
      uses = cursor.list(() => readUse(cursor))
      cursor.expect(')')
    }
    cursor.end()
    if (uses.length > 1 || uses.includes(undefined)) return no('Specify one supported special use', 'USEATTR')
    const named = await session.named(name)
    if (!named) return no('No such user', 'CANNOT')
    if (named.account !== session.account?.id && !(await mayCreateIn(session, named)))
      return no('Permission denied', 'NOPERM')
    const [specialUse] = uses
    const made = await session.mail.create(named.account, named.name, specialUse ? { specialUse } : {})
    return 'refused' in made ? refusal(made) : ok('CREATE completed', `MAILBOXID (${made.id})`)
  },
}

/** RFC 4314 section 4: requires the right k on the parent mailbox. */
async function mayCreateIn(
  session: CommandContext,
  { account, name }: { account: string; name: string },
): Promise<boolean> {
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
    return removed && 'refused' in removed ? refusal(removed) : ok('DELETE completed')
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
    if (named?.account !== mailbox.account) return no('A mailbox cannot be moved to another account', 'CANNOT')
    const renamed = await session.mail.rename(mailbox, named.name)
    return 'refused' in renamed ? refusal(renamed) : ok('RENAME completed')
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
        return ok('UNSUBSCRIBE completed')
      }
      // Subscriptions belong to the owner; other users see what their rights allow.
      if (mailbox.account !== session.account?.id) return ok('Mailboxes of other users are always listed')
      const changed = await session.mail.subscribe(mailbox, subscribed)
      return 'refused' in changed ? refusal(changed) : ok(subscribed ? 'SUBSCRIBE completed' : 'UNSUBSCRIBE completed')
    },
  }
}

export const subscribe = subscribing(true)
export const unsubscribe = subscribing(false)
