/**
 * Turns the actions of a script into actions of the store, replies and notifications.
 */
import { refuse } from 'iems'
import { type FilingAction, type MailboxChoice, type MailStoreApi, SPECIAL_USES } from '../store/api.ts'
import { oneLine } from './letters.ts'
import { notify } from './notify.ts'
import type { Sending } from './sending.ts'
import type { Action, Extended, FileInto } from './sieve/index.ts'
import { reply } from './vacation.ts'

export interface CarryOut {
  readonly mail: Pick<MailStoreApi, 'mailbox'>
  readonly sending: Sending
  /** For the message's trace. */
  readonly reason: string
  /** Its own among the actions on this message. */
  readonly index: string
  /** Actions of other plugins. */
  extended(action: Extended): Promise<readonly FilingAction[]>
}

/** Characters of a rejection: it is a line of a report. */
const MAX_REJECTION = 400

const rejection = (text: string) => oneLine(text).slice(0, MAX_REJECTION).toWellFormed() || 'Refused by the recipient'

/** The actions of the store. */
export async function carryOut(
  action: Action,
  { mail, sending, reason, index, extended }: CarryOut,
): Promise<readonly FilingAction[]> {
  const { account } = sending
  switch (action.kind) {
    case 'fileinto':
      return [
        {
          kind: 'fileinto',
          mailbox: await chosen(mail, account.id, action),
          copy: action.copy,
          flags: action.flags ?? [],
          reason,
          ...(action.content ? { content: action.content } : {}),
        },
      ]
    case 'redirect':
      return [{ ...action, reason }]
    case 'extended':
      return extended(action)
    case 'discard':
      return [{ kind: 'discard', reason }]
    case 'reject':
      return [{ kind: 'reject', refusal: refuse(550, '5.7.1', rejection(action.text)), reason }]
    case 'vacation':
      await reply(sending, action)
      return []
    case 'notify':
      await notify(sending, action, index)
      return []
    case 'keep':
      return []
  }
}

async function chosen(
  mail: CarryOut['mail'],
  account: string,
  { mailbox, create, mailboxId, specialUse }: FileInto,
): Promise<MailboxChoice> {
  if (mailboxId !== undefined && (await mail.mailbox({ account, id: mailboxId }))) return { id: mailboxId }
  const use = SPECIAL_USES.find((one) => one.toLowerCase() === specialUse?.toLowerCase())
  return use ? { specialUse: use, name: mailbox } : { name: mailbox, create }
}
