/**
 * Notes links in files (.ndl), which Domino attaches to mail for the Internet, as links in the text: an address that the
 * Notes client opens, and one for browsers where Domino serves HTTP.
 */
import { escapeHtml, type Message } from 'iems'
import { gather, type NewPart, type PartView, rewriteMime } from 'iems/mime'
import { notesAddress } from './richtext/model.ts'

const MAX_NDL = 65_536

export interface NotesLink {
  /** Of the database: 16 hexadecimal digits. */
  readonly replica: string
  readonly view?: string
  readonly document?: string
  /** The server's Notes name. */
  readonly server?: string
  readonly title?: string
}

const TAGS = {
  REPLICA: /<REPLICA(?:\s([^<>]{1,400})>|>([^<>]{0,400})<)/i,
  VIEW: /<VIEW(?:\s([^<>]{1,400})>|>([^<>]{0,400})<)/i,
  NOTE: /<NOTE(?:\s([^<>]{1,400})>|>([^<>]{0,400})<)/i,
  HINT: /<HINT>([^<>]{0,400})</i,
  REM: /<REM>(.{0,400}?)<\/REM>/is,
}

/** `<REPLICA 85256A00:00000000>`, and `<REPLICA>85256A00:00000000</REPLICA>`; undefined for another file. */
export function readNdl(text: string): NotesLink | undefined {
  if (!/<NDL>/i.test(text)) return undefined
  const value = (name: keyof typeof TAGS) => {
    const [, inside, between] = TAGS[name].exec(text) ?? []
    return (inside ?? between ?? '').trim()
  }
  // `OF` and `ON` precede the halves of a UNID.
  const id = (name: keyof typeof TAGS) =>
    [...value(name).matchAll(/(?:^|[:-])(?:O[FN])?([0-9a-f]{8})/gi)]
      .map(([, digits]) => digits)
      .join('')
      .toUpperCase()
  const [replica, view, document] = [id('REPLICA'), id('VIEW'), id('NOTE')]
  const [server, title] = [value('HINT'), value('REM')]
  if (replica.length !== 16) return undefined
  return {
    replica,
    ...(view.length === 32 ? { view } : {}),
    ...(document.length === 32 ? { document } : {}),
    ...(server === '' ? {} : { server }),
    ...(title === '' ? {} : { title }),
  }
}

/** `web`: the URL of Domino's HTTP server. */
export function linkHtml(link: NotesLink, web: string | undefined): string {
  const { replica: database, view, document, title = 'Notes link' } = link
  const notes = notesAddress({ database, ...(view ? { view } : {}), ...(document ? { document } : {}) })
  const a = (href: string, text: string) => `<a href="${escapeHtml(href)}">${escapeHtml(text)}</a>`
  if (web === undefined) return `<p>${a(notes, title)}</p>`
  const place = document === undefined ? (view ?? '') : `${view ?? '0'}/${document}?OpenDocument`
  const url = `${web.replace(/\/$/, '')}/__${database}.nsf/${place}`
  return `<p>${a(url, title)} (${a(notes, 'in Notes')})</p>`
}

/** Puts links where files with links are attached; returns how many. */
export async function linkNdl(message: Message, web: string | undefined): Promise<number> {
  let count = 0
  const { content } = await rewriteMime(message, async (view) => {
    const link = await linkIn(view)
    if (!link) return undefined
    count++
    const part: NewPart = { type: 'text/html', disposition: 'inline', content: linkHtml(link, web) }
    return { replace: part }
  })
  if (content && count > 0) await message.replaceContent(content())
  return count
}

async function linkIn({ name = '', part, size, open }: PartView): Promise<NotesLink | undefined> {
  const isNdl = /\.ndl$/i.test(name) || /^(?:x-)?(?:vnd\.)?lotus-?notes?-?(?:ndl|link)?$/i.test(part.subtype)
  const octets = isNdl && size <= MAX_NDL ? open() : undefined
  return octets && readNdl((await gather(octets, MAX_NDL)).toString('latin1'))
}
