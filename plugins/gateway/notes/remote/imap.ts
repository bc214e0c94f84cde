/**
 * A mail file of a running Domino, or of any other server, over IMAP: folders with their levels, messages as the server
 * converts them, unread marks of the user.
 *
 * Invariants: mailboxes are opened for reading only, so that nothing becomes read; a message's id is its mailbox with
 * UIDVALIDITY and UID, which is the same in each run; the memory that a message takes does not depend on its size.
 */
import { ImapFlow } from 'imapflow'
import type { NotesArchive, NotesDocument, NotesFolder } from '../archive/model.ts'
import { Problems } from '../nsf/problems.ts'
import { Unreadable } from '../nsf/source.ts'
import { digestOf, remoteDocument } from './document.ts'
import type { Location } from './location.ts'

const TIMEOUTS = { connectionTimeout: 20_000, greetingTimeout: 20_000, socketTimeout: 120_000 }
const MAX_LITERAL = 64 * 1024 * 1024
const MAX_MAILBOXES = 10_000
/** Messages whose flags are asked for at a time. */
const PAGE = 500
/** Special uses (RFC 6154), and the folder of Notes that each is. */
const SYSTEM: Readonly<Record<string, string>> = {
  '\\inbox': '($Inbox)',
  '\\sent': '($Sent)',
  '\\drafts': '($Drafts)',
  '\\trash': '($Trash)',
  '\\junk': '($JunkMail)',
}

interface Box {
  readonly path: string
  readonly levels: readonly string[]
  readonly messages: number
  readonly uidValidity: string
}

export async function openImap(location: Location): Promise<NotesArchive> {
  const { url, user, password, isTls } = location
  const isImplicit = url.protocol === 'imaps:'
  const client = new ImapFlow({
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (isImplicit ? 993 : 143) : Number(url.port),
    secure: isImplicit,
    ...(isImplicit ? {} : { doSTARTTLS: isTls }),
    auth: { user, pass: password },
    logger: false,
    disableAutoIdle: true,
    maxLiteralSize: MAX_LITERAL,
    maxResponseSize: 2 * MAX_LITERAL,
    ...TIMEOUTS,
  })
  // The call that is under way fails with it.
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (cause) {
    const why = cause as Error & { readonly responseText?: string }
    throw new Unreadable(`${url.host}: ${why.responseText ?? why.message}`, { cause })
  }
  const boxes = await mailboxesOf(client)
  const archive = new ImapArchive(client, boxes)
  return {
    form: 'imap',
    title: `${user} at ${url.host}`,
    replicaId: digestOf(`${url.host}/${user}`, 16),
    problems: archive.problems,
    documents: () => archive.documents(),
    folders: async () => boxes.map(folderOf),
    unread: async () => new Map([[user, (document: NotesDocument) => archive.unread.has(document.unid)]]),
    stubs: () => 0,
    acl: async () => [],
    close: () => client.logout(),
  }
}

async function mailboxesOf(client: ImapFlow): Promise<readonly Box[]> {
  const listed = (await client.list()).filter(({ flags }) => !flags.has('\\Noselect') && !flags.has('\\NonExistent'))
  if (listed.length > MAX_MAILBOXES) throw new Unreadable(`the account has more than ${MAX_MAILBOXES} mailboxes`)
  const boxes: Box[] = []
  for (const { path, delimiter, specialUse = '', specialUseSource } of listed) {
    const { messages = 0, uidValidity } = (await client.status(path, { messages: true, uidValidity: true })) || {}
    // Some servers do not say which mailbox has which use; only at the top are names enough.
    const isSure = specialUseSource === 'extension' || path === 'INBOX' || !path.includes(delimiter)
    const system = isSure ? SYSTEM[specialUse.toLowerCase()] : undefined
    const levels = system === undefined ? path.split(delimiter) : [system]
    boxes.push({ path, levels, messages, uidValidity: String(uidValidity ?? '') })
  }
  return boxes
}

const idOf = ({ path, uidValidity }: Box, uid: number) => `${path} ${uidValidity} ${uid}`

function folderOf(box: Box): NotesFolder {
  const beginning = idOf(box, 0).slice(0, -1)
  return {
    path: box.levels,
    count: box.messages,
    has: ({ id }) => id.startsWith(beginning) && !id.slice(beginning.length).includes(' '),
  }
}

class ImapArchive {
  readonly problems = new Problems()
  /** UNIDs of what has been listed without \Seen. */
  readonly unread = new Set<string>()
  readonly #client: ImapFlow
  readonly #boxes: readonly Box[]

  constructor(client: ImapFlow, boxes: readonly Box[]) {
    this.#client = client
    this.#boxes = boxes
  }

  async *documents(): AsyncGenerator<NotesDocument> {
    for (const box of this.#boxes) {
      const uids = await this.#in(box, async () => (await this.#client.search({ all: true }, { uid: true })) || [])
      for (let at = 0; at < uids.length; at += PAGE) yield* await this.#page(box, uids.slice(at, at + PAGE))
    }
  }

  async #in<T>({ path }: Box, work: () => Promise<T>): Promise<T> {
    const lock = await this.#client.getMailboxLock(path, { readOnly: true })
    try {
      return await work()
    } finally {
      lock.release()
    }
  }

  async #page(box: Box, uids: readonly number[]): Promise<NotesDocument[]> {
    const wanted = { uid: true, flags: true, internalDate: true, size: true }
    const found = await this.#in(box, () => this.#client.fetchAll([...uids].join(','), wanted, { uid: true }))
    return found.map(({ uid, flags = new Set<string>(), internalDate, size }) => {
      const id = idOf(box, uid)
      const unid = digestOf(id, 32)
      if (!flags.has('\\Seen')) this.unread.add(unid)
      return remoteDocument({
        id,
        unid,
        received: internalDate === undefined ? 0 : new Date(internalDate).getTime(),
        flags: [...flags].filter((flag) => flag !== '\\Seen' && flag !== '\\Recent'),
        ...(size === undefined ? {} : { size }),
        open: () => this.#octets(box, uid),
      })
    })
  }

  async *#octets({ path }: Box, uid: number): AsyncGenerator<Buffer> {
    const lock = await this.#client.getMailboxLock(path, { readOnly: true })
    try {
      const { content } = await this.#client.download(String(uid), undefined, { uid: true })
      if (!content) throw new Unreadable('the message is not there any more')
      yield* content as AsyncIterable<Buffer>
    } finally {
      lock.release()
    }
  }
}
