/**
 * The first unseen message of a mailbox, which SELECT returns to IMAP4rev1 clients (RFC 3501 section 6.3.1).
 *
 * Invariants: an unchanged mailbox is not read again, and one whose first messages are all seen costs at most
 * `LOOKED_AT` of them; the response is then omitted, and the client must search (section 7.1).
 */
import { Cache } from 'iems'
import type { MailStoreApi } from '../../mailbox/store/api.ts'
import type { View } from './view.ts'

const LOOKED_AT = 10_000
const MAILBOXES = 1000

export interface Unseen {
  /** The UID; undefined when there is none or the search stopped. */
  first(mail: MailStoreApi, view: View): Promise<number | undefined>
}

export function createUnseen(): Unseen {
  const all = new Cache<{ readonly modseq: number; readonly uid: number | undefined }>({ max: MAILBOXES })

  async function look(mail: MailStoreApi, view: View): Promise<number | undefined> {
    let count = 0
    for await (const { uid, flags } of mail.entries(view.mailbox, view.all)) {
      if (!flags.includes('\\Seen')) return uid
      if (++count === LOOKED_AT) return undefined
    }
    return undefined
  }

  return {
    async first(mail, view) {
      const { id, modseq, unseen } = view.mailbox
      if (unseen === 0) return undefined
      const known = all.get(id)
      if (known?.modseq === modseq) return known.uid
      const uid = await look(mail, view)
      all.set(id, { modseq, uid })
      return uid
    },
  }
}
