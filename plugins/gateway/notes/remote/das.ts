/**
 * A mail file of a running Domino over its REST interface, the mail service of Domino Access Services (OpenNTF,
 * das-api-specs): folders, lists of messages with their unread marks, and messages as MIME.
 *
 * Invariants: only GET is sent, and with `markread=false` (an option of the service), so that nothing becomes read;
 * answers have limits.
 */
import { createHash } from 'node:crypto'
import * as z from 'zod'
import type { NotesArchive, NotesDocument, NotesFolder } from '../archive/model.ts'
import { folderPath } from '../nsf/contents.ts'
import { Problems } from '../nsf/problems.ts'
import { Unreadable } from '../nsf/source.ts'
import type { Location } from './location.ts'

const TIMEOUT_MS = 120_000
const MAX_JSON = 64 * 1024 * 1024
const PAGE = 200
const MAX_PAGES = 100_000

const folderList = z.array(z.looseObject({ href: z.string(), name: z.string(), unid: z.string() }))
const messageList = z.array(
  z.looseObject({ href: z.string(), date: z.string().optional(), read: z.boolean().optional() }),
)
type Listed = z.output<typeof messageList>[number]

/** Lists that the service always has, and the folder of Notes that each is. */
const FIXED = [
  ['inbox', '($Inbox)'],
  ['sent', '($Sent)'],
  ['drafts', '($Drafts)'],
  ['trash', '($Trash)'],
] as const

export async function openDas(location: Location): Promise<NotesArchive> {
  const archive = new DasArchive(location)
  await archive.list()
  const { user, url } = location
  return {
    form: 'das',
    title: `${user} at ${url.host}${url.pathname}`,
    replicaId: createHash('sha256').update(`${url.host}${url.pathname.toLowerCase()}`).digest('hex').slice(0, 16),
    problems: archive.problems,
    documents: () => archive.documents(),
    folders: async () => archive.folders,
    unread: async () => new Map([[user, ({ unid }: NotesDocument) => archive.unread.has(unid)]]),
    stubs: () => 0,
    acl: async () => [],
    async close() {},
  }
}

/** The UNID at the end of a message's address. */
function unidOf(href: string): string | undefined {
  const [path = ''] = href.split('?', 1)
  const last = (path.endsWith('/') ? path.slice(0, -1) : path).slice(-32)
  return /^[0-9A-F]{32}$/i.test(last) ? last.toUpperCase() : undefined
}

class DasArchive {
  readonly problems = new Problems()
  readonly folders: NotesFolder[] = []
  readonly unread = new Set<string>()
  /** By UNID: a message may be in several folders. */
  readonly #messages = new Map<string, Listed>()
  readonly #base: URL
  readonly #authorization: string

  constructor({ url, user, password }: Location) {
    const base = new URL(url)
    base.username = ''
    base.search = ''
    base.pathname = `${base.pathname.replace(/\/$/, '')}/api/mail/`
    this.#base = base
    this.#authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  }

  async list(): Promise<void> {
    for (const [name, folder] of FIXED) await this.#add([folder], name)
    const fixed = new Set(FIXED.flatMap(([name, folder]) => [name, folder.toLowerCase()]))
    for (const { name, unid } of folderList.parse(await this.#json('folders'))) {
      const path = folderPath(name)
      if (path.length === 0 || fixed.has(path.join('\\').toLowerCase())) continue
      await this.#add(path, `folders/${encodeURIComponent(unid)}/messages`)
    }
  }

  async #add(path: readonly string[], list: string): Promise<void> {
    const inside = new Set<string>()
    for (let page = 0; page < MAX_PAGES; page++) {
      const found = messageList.parse(await this.#json(`${list}?ps=${PAGE}&page=${page}`))
      for (const one of found) {
        const unid = unidOf(one.href)
        if (unid === undefined) {
          this.problems.add(`${one.href} is no address of a message`)
          continue
        }
        inside.add(unid)
        this.#messages.set(unid, one)
        if (one.read === false) this.unread.add(unid)
      }
      if (found.length < PAGE) break
    }
    this.folders.push({ path, count: inside.size, has: ({ unid }) => inside.has(unid) })
  }

  async *documents(): AsyncGenerator<NotesDocument> {
    for (const [unid, { date }] of this.#messages) {
      const received = date === undefined ? Number.NaN : Date.parse(date)
      yield documentOf(unid, Number.isNaN(received) ? 0 : received, () => this.#octets(unid))
    }
  }

  async *#octets(unid: string): AsyncGenerator<Buffer> {
    const { body } = await this.#get(`messages/${unid}?format=mime&markread=false`)
    for await (const piece of body ?? []) yield Buffer.from(piece)
  }

  async #get(path: string): Promise<Response> {
    const answer = await fetch(new URL(path, this.#base), {
      headers: { authorization: this.#authorization },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((cause: Error) => {
      throw new Unreadable(`${this.#base.host}: ${(cause.cause as Error | undefined)?.message ?? cause.message}`)
    })
    if (answer.ok) return answer
    await answer.body?.cancel()
    throw new Unreadable(`${this.#base.host} answers ${answer.status} to ${path}`)
  }

  async #json(path: string): Promise<unknown> {
    const pieces: Uint8Array[] = []
    let size = 0
    for await (const piece of (await this.#get(path)).body ?? []) {
      size += piece.byteLength
      if (size > MAX_JSON) throw new Unreadable(`${path} is larger than ${MAX_JSON} octets`)
      pieces.push(piece)
    }
    try {
      return JSON.parse(Buffer.concat(pieces).toString())
    } catch (cause) {
      throw new Unreadable(`${this.#base.host}: ${path} is no JSON`, { cause })
    }
  }
}

/** A message as MIME has no items; the only fact that Notes adds is the time of its arrival. */
function documentOf(unid: string, received: number, open: () => AsyncIterable<Buffer>): NotesDocument {
  return {
    id: unid,
    unid,
    created: received,
    names: [],
    isSealed: false,
    files: [],
    texts: () => [],
    times: (name) => (name === 'DeliveredDate' ? [{ at: received }] : []),
    richText: () => undefined,
    mime: { isWhole: true, open },
    problems: [],
  }
}
