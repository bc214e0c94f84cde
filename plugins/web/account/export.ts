/**
 * Everything that belongs to the login's account, as one ZIP: mail, address books, Sieve scripts, the account itself.
 */
import type { AccountsApi } from '../../directory/static/api.ts'
import type { DirectoryApi } from '../../directory/store/api.ts'
import type { MailsortApi } from '../../mailbox/mailsort/api.ts'
import type { MailStoreApi } from '../../mailbox/store/api.ts'
import { messagesOf, toZip } from '../../mailbox/store/transfer/api.ts'
import { Download, type HttpApi } from '../http/api.ts'
import type { ContactsApi } from '../jmap/api.ts'
import { ownId } from './own.ts'

export interface ExportDeps {
  readonly accounts: AccountsApi
  readonly directory: DirectoryApi | undefined
  readonly mail: MailStoreApi
  readonly mailsort: MailsortApi | undefined
  readonly contacts: ContactsApi | undefined
}

type File = readonly [name: string, content: Buffer]
const json = (value: unknown) => Buffer.from(JSON.stringify(value, undefined, 2))

export function addExport(http: HttpApi, deps: ExportDeps): void {
  http.stream({
    method: 'GET',
    path: '/api/account/export',
    who: 'user',
    fresh: true,
    summary: 'All data of the account as a ZIP file',
    limit: { perMinute: 3 },
    async run({ login }) {
      const id = ownId(login)
      const boxes = (await deps.mail.mailboxes(id)).filter(({ noSelect }) => !noSelect)
      const files = await filesOf(deps, id)
      return new Download({
        type: 'application/zip',
        name: `${login.identity.user}.zip`,
        open: () => toZip(messagesOf(deps.mail, boxes), files),
      })
    },
  })
}

async function filesOf({ accounts, directory, mailsort, contacts }: ExportDeps, id: string): Promise<readonly File[]> {
  const entry = (await directory?.byId(id)) ?? (await accounts.byId(id))
  const secrets = directory && {
    appPasswords: await directory.appPasswords(id),
    passkeys: (await directory.passkeys(id)).map(({ id: credential, name, host, created }) => ({
      ...{ id: credential, name, host, created },
    })),
    hasSecondFactor: await directory.hasTotp(id),
  }
  const files: File[] = [['account.json', json({ ...entry, ...secrets })]]
  if (contacts) files.push(['contacts.json', json(await Array.fromAsync(contacts.cards(id)))])
  for (const { name } of (await mailsort?.list(id)) ?? []) {
    const text = await mailsort?.get(id, name)
    const file = name.replace(/[^\p{L}\p{N} ._-]/gu, '_').replace(/^\.+/, '_')
    if (text !== undefined) files.push([`sieve/${file}.sieve`, Buffer.from(text)])
  }
  return files
}
