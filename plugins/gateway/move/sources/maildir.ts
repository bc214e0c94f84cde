/**
 * A Maildir++ on disk, as Dovecot and Courier keep it; and a copy that Dovecot made, with nested folders and new names.
 *
 * Invariants: nothing is written; a file that is renamed meanwhile, because its flags changed, is found by its unique
 * name; lines end in CRLF.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { SourceAccount, SourceFolder, SourceMessage } from './source.ts'

const FLAGS: Readonly<Record<string, string>> = {
  D: '\\Draft',
  F: '\\Flagged',
  R: '\\Answered',
  S: '\\Seen',
  T: '\\Deleted',
}

export async function openMaildir(path: string): Promise<SourceAccount> {
  await readdir(join(path, 'cur'))
  return new MaildirSource(path, `maildir:${path}`)
}

/** A copy with LAYOUT=fs: its file names differ from those of the next copy, its UIDs do not. */
export const openDovecotCopy = (path: string, id: string): SourceAccount => new CopySource(path, id)

const lines = async (path: string) => (await readFile(path, 'utf8').catch(() => '')).split('\n').filter(Boolean)

interface Uidlist {
  readonly uids: ReadonlyMap<string, number>
  readonly uidValidity?: number
  readonly uidNext: number
}

/** Dovecot's list of UIDs by unique name. */
async function readUidlist(folder: string): Promise<Uidlist> {
  const [head = '', ...rest] = await lines(join(folder, 'dovecot-uidlist'))
  const [, validity] = /^3\b.* V(\d+)/.exec(head) ?? []
  const [, next] = / N(\d+)/.exec(head) ?? []
  const uids = new Map<string, number>()
  for (const line of rest) {
    const [, uid, name = ''] = /^(\d+) (?:.* )?:(.*)$/.exec(line) ?? []
    uids.set(uniqueName(name), Number(uid))
  }
  return { uids, uidNext: Number(next ?? 1), ...(validity === undefined ? {} : { uidValidity: Number(validity) }) }
}

const uniqueName = (file: string) => file.split(/[:,]/, 1)[0] ?? ''

/** Modified UTF-7 (RFC 3501 section 5.1.3). */
const fromModifiedUtf7 = (text: string) =>
  text.replace(/&([A-Za-z0-9+,]*)-/g, (_, base64: string) =>
    base64 === '' ? '&' : Buffer.from(base64.replaceAll(',', '/'), 'base64').swap16().toString('utf16le'),
  )

class MaildirSource implements SourceAccount {
  readonly id: string
  readonly #path: string
  #files = new Map<string, string>()

  constructor(path: string, id: string) {
    this.id = id
    this.#path = path
  }

  async folders(): Promise<readonly SourceFolder[]> {
    const names = await this.namesIn(this.#path)
    const subscribed = new Set(
      (await lines(join(this.#path, 'subscriptions'))).map((line) =>
        line.replace(/[\t/]/g, this.divider).replace(/^INBOX\./, ''),
      ),
    )
    return Promise.all(
      ['', ...names.sort()].map(async (path): Promise<SourceFolder> => {
        const { uidValidity, uidNext } = await readUidlist(join(this.#path, path))
        return {
          path,
          name: path === '' ? 'INBOX' : this.nameOf(path),
          ...(subscribed.size === 0 || path === '' ? {} : { subscribed: subscribed.has(path.replace(/^\./, '')) }),
          ...(uidValidity === undefined ? {} : { uids: { uidValidity, uidNext } }),
        }
      }),
    )
  }

  protected readonly divider: string = '.'

  protected async namesIn(path: string): Promise<string[]> {
    const entries = await readdir(path, { withFileTypes: true })
    return entries.filter((one) => one.isDirectory() && /^\.[^.]/.test(one.name)).map(({ name }) => name)
  }

  protected nameOf(path: string): string {
    return fromModifiedUtf7(path.slice(1)).replaceAll('/', '-').replaceAll('.', '/')
  }

  protected idOf(name: string, _uidlist: Uidlist): string {
    return name
  }

  async *list({ path }: SourceFolder): AsyncGenerator<SourceMessage> {
    const folder = join(this.#path, path)
    const uidlist = await readUidlist(folder)
    const { uids } = uidlist
    const keywords = new Map(
      (await lines(join(folder, 'dovecot-keywords'))).map((line) => line.split(' ') as [string, string]),
    )
    const files = await filesIn(folder)
    this.#files = new Map([...files].map(([name, file]) => [this.idOf(name, uidlist), file]))
    const uidOf = (name: string) => uids.get(name) ?? Number.POSITIVE_INFINITY
    const names = [...files.keys()].sort((a, b) => uidOf(a) - uidOf(b) || (a < b ? -1 : 1))
    for (const name of names) {
      const file = files.get(name) ?? ''
      const found = await stat(join(folder, file)).catch(() => undefined)
      if (!found) continue
      const [, letters = ''] = /:2,([A-Za-z]*)$/.exec(file) ?? []
      const flags = [...letters].map((one) => FLAGS[one] ?? keywords.get(String(one.charCodeAt(0) - 97)))
      const uid = uids.get(name)
      yield {
        id: this.idOf(name, uidlist),
        ...(uid === undefined ? {} : { uid }),
        size: found.size,
        flags: flags.filter((flag) => flag !== undefined),
        received: Math.floor(found.mtimeMs / 1000) * 1000,
      }
    }
  }

  async *read({ path }: SourceFolder, messages: readonly SourceMessage[]) {
    const folder = join(this.#path, path)
    for (const message of messages) {
      const file = this.#files.get(message.id) ?? ''
      const content =
        (await readFile(join(folder, file)).catch(() => undefined)) ??
        (await readFile(join(folder, (await filesIn(folder)).get(message.id) ?? '')).catch(() => undefined))
      if (content) yield { message, content: withCrlf(content) }
    }
  }

  async close(): Promise<void> {}
}

const SUBFOLDERS = new Set(['cur', 'new', 'tmp'])

class CopySource extends MaildirSource {
  protected override readonly divider = '/'

  protected override async namesIn(path: string): Promise<string[]> {
    const entries = await readdir(path, { recursive: true, withFileTypes: true })
    const folders = entries.filter((one) => one.isDirectory() && SUBFOLDERS.has(one.name))
    const names = folders.map((one) => relative(path, one.parentPath))
    return [...new Set(names.filter((name) => name !== ''))]
  }

  protected override nameOf(path: string): string {
    return fromModifiedUtf7(path)
  }

  protected override idOf(name: string, { uids, uidValidity }: Uidlist): string {
    return `${uidValidity}.${uids.get(name)}`
  }
}

async function filesIn(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const sub of ['new', 'cur'])
    for (const name of await readdir(join(folder, sub)).catch(() => [])) files.set(uniqueName(name), `${sub}/${name}`)
  return files
}

export function withCrlf(content: Buffer): Buffer {
  return Buffer.from(content.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1')
}
