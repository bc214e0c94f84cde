/**
 * An account on an IMAP server.
 *
 * Invariants: the account is only read (EXAMINE, BODY.PEEK), so that no flag changes; a response larger than the limit
 * ends the session.
 */
import { ImapFlow, type ListResponse } from 'imapflow'
import type { SpecialUse } from '../../../mailbox/store/api.ts'
import type { Server } from '../options.ts'
import type { SourceAccount, SourceFolder, SourceMessage } from './source.ts'

export interface ImapLogin {
  /** The user whose mail is read. */
  readonly user: string
  readonly password: string
  /** A master user, whose password `password` is. */
  readonly master?: { readonly user: string; readonly separator: string }
}

const WAIT = { connectionTimeout: 30_000, greetingTimeout: 30_000, socketTimeout: 300_000 }
/** Octets of one message. */
const MAX_MESSAGE = 512 * 1024 * 1024

/** The credentials of a login: `user*master` as in Dovecot, or the SASL authorization identity. */
export function credentials({ user, password, master }: ImapLogin) {
  if (!master) return { user, pass: password }
  return master.separator === ''
    ? { user: master.user, pass: password, authzid: user, loginMethod: 'AUTH=PLAIN' }
    : { user: `${user}${master.separator}${master.user}`, pass: password }
}

export async function openImapSource(server: Server, login: ImapLogin, signal: AbortSignal): Promise<SourceAccount> {
  const client = new ImapFlow({
    host: server.host,
    port: server.port,
    secure: server.tls === 'implicit',
    doSTARTTLS: server.tls === 'starttls',
    tls: { rejectUnauthorized: server.verify },
    auth: credentials(login),
    logger: false,
    disableAutoIdle: true,
    clientInfo: { name: 'IEMS' },
    maxLiteralSize: MAX_MESSAGE,
    maxResponseSize: 2 * MAX_MESSAGE,
    maxLockHoldTime: false,
    ...WAIT,
  })
  // The call that fails reports the error.
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (cause) {
    const { responseText, message } = cause as Error & { responseText?: string }
    throw new Error(`${server.host}:${server.port}: ${responseText ?? message}`, { cause })
  }
  const end = () => client.close()
  signal.addEventListener('abort', end, { once: true })
  return new ImapSource(client, `imap:${server.host.toLowerCase()}:${login.user.toLowerCase()}`, () =>
    signal.removeEventListener('abort', end),
  )
}

class ImapSource implements SourceAccount {
  readonly id: string
  readonly #client: ImapFlow
  readonly #closed: () => void

  constructor(client: ImapFlow, id: string, closed: () => void) {
    this.#client = client
    this.id = id
    this.#closed = closed
  }

  async folders(): Promise<readonly SourceFolder[]> {
    const listed = await this.#client.list({ statusQuery: { uidNext: true, uidValidity: true } })
    const { personal = [], other, shared } = this.#client.namespaces ?? {}
    const foreign = [...(other || []), ...(shared || [])].map(({ prefix }) => prefix).filter((prefix) => prefix !== '')
    const prefix = personal[0]?.prefix ?? ''
    return listed
      .filter(({ path, flags }) => !has(flags, '\\noselect') && !has(flags, '\\nonexistent') && !isBelow(path, foreign))
      .map((one) => folderOf(one, prefix))
  }

  async *list(folder: SourceFolder): AsyncGenerator<SourceMessage> {
    const box = await this.#client.mailboxOpen(folder.path, { readOnly: true })
    if (box.exists === 0) return
    const query = { uid: true, flags: true, internalDate: true, size: true }
    for await (const { uid, flags, internalDate, size = 0 } of this.#client.fetch('1:*', query, { uid: true })) {
      const received = internalDate === undefined ? undefined : new Date(internalDate).getTime()
      yield {
        id: `${box.uidValidity}.${uid}`,
        uid,
        size,
        flags: [...(flags ?? [])].filter((flag) => flag.toLowerCase() !== '\\recent'),
        ...(received === undefined || Number.isNaN(received) ? {} : { received }),
      }
    }
  }

  async *read(_folder: SourceFolder, messages: readonly SourceMessage[]) {
    const wanted = new Map(messages.map((message) => [message.uid, message]))
    const range = [...wanted.keys()].join(',')
    for await (const { uid, source } of this.#client.fetch(range, { uid: true, source: true }, { uid: true })) {
      const message = wanted.get(uid)
      if (message && source) yield { message, content: source }
    }
  }

  async close(): Promise<void> {
    this.#closed()
    await this.#client.logout().catch(() => this.#client.close())
  }
}

const has = (flags: ReadonlySet<string>, wanted: string) => [...flags].some((flag) => flag.toLowerCase() === wanted)

const isBelow = (path: string, prefixes: readonly string[]) => prefixes.some((prefix) => path.startsWith(prefix))

const SPECIAL: readonly string[] = ['\\Archive', '\\Drafts', '\\Junk', '\\Sent', '\\Trash']

function folderOf(listed: ListResponse, prefix: string): SourceFolder {
  const { path, delimiter, specialUse, specialUseSource, subscribed, status } = listed
  const isSpecial = specialUse !== undefined && specialUseSource !== 'name' && SPECIAL.includes(specialUse)
  return {
    path,
    name: nameHere(path, { delimiter, prefix }),
    ...(isSpecial ? { specialUse: specialUse as SpecialUse } : {}),
    // Servers with LIST-EXTENDED mention only subscribed ones.
    subscribed: subscribed === true,
    ...(status?.uidValidity === undefined
      ? {}
      : { uids: { uidValidity: Number(status.uidValidity), uidNext: status.uidNext ?? 1 } }),
  }
}

/** Levels divided by `/`, without the prefix of the namespace; a `/` in a level becomes `-`. */
export function nameHere(path: string, { delimiter, prefix }: { readonly delimiter: string; readonly prefix: string }) {
  const own = path.length > prefix.length && path.startsWith(prefix) ? path.slice(prefix.length) : path
  const levels = delimiter === '' ? [own] : own.split(delimiter)
  return levels.map((level) => level.replaceAll('/', '-') || '_').join('/')
}
