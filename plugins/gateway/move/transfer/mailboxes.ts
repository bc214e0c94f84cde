/**
 * The mailbox here for a folder of the source.
 *
 * A folder keeps its name, so that clients see no difference. If the account's own mailbox of that use has another name
 * and never held a message, it is renamed; if it held one, it receives the folder's mail under its own name.
 */
import type { Mailbox, MailStoreApi } from '../../../mailbox/store/api.ts'
import { importedName } from '../../../mailbox/store/transfer/api.ts'
import { isRefusedByStore } from '../../filing/api.ts'
import type { SourceFolder } from '../sources/source.ts'

export interface Placed {
  readonly mailbox: Mailbox | undefined
  readonly problem?: string
}

/** Without `isDry` the mailbox is created when it is missing. */
export async function placeFolder(
  mail: MailStoreApi,
  account: string,
  folder: SourceFolder,
  isDry: boolean,
): Promise<Placed> {
  const name = /^inbox$/i.test(folder.name) ? 'INBOX' : importedName(folder.name)
  const found = await mail.find(account, name)
  if (found && !found.noSelect) return { mailbox: found }
  const { specialUse } = folder
  const ours = specialUse && (await mail.mailboxes(account)).find((one) => one.specialUse === specialUse)
  if (ours) {
    if (ours.uidNext > 1 || isDry) return { mailbox: ours }
    const renamed = await mail.rename(ours, name)
    return isRefusedByStore(renamed) ? { mailbox: ours } : { mailbox: renamed }
  }
  if (isDry) return { mailbox: undefined }
  const made = await mail.create(account, name, specialUse ? { specialUse } : {})
  return isRefusedByStore(made) ? { mailbox: undefined, problem: `${folder.path}: ${made.why}` } : { mailbox: made }
}
