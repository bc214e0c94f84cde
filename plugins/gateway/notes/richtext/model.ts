/**
 * Rich text of Notes, whether it was read from CD records or from DXL: blocks of inlines. Text is text; nothing here is
 * executable by a browser, except HTML that the sender passed through.
 */
export interface TextStyle {
  readonly bold?: boolean
  readonly italic?: boolean
  readonly underline?: boolean
  readonly strike?: boolean
  readonly raised?: 'super' | 'sub'
  /** Points. */
  readonly size?: number
  /** As CSS writes it. */
  readonly color?: string
}

export type Inline =
  | { readonly kind: 'text'; readonly text: string; readonly style?: TextStyle }
  | { readonly kind: 'break' }
  | { readonly kind: 'image'; readonly octets: Buffer }
  | { readonly kind: 'link'; readonly href: string; readonly inlines: readonly Inline[] }
  /** A link to a document, a view or a database of Notes. */
  | { readonly kind: 'doclink'; readonly href: string; readonly title: string }
  /** Where a file was attached; `name` is its internal one. */
  | { readonly kind: 'file'; readonly name: string; readonly shown: string }

export type Align = 'left' | 'right' | 'center' | 'justify'

export type Block =
  | { readonly kind: 'paragraph'; readonly align?: Align; readonly inlines: readonly Inline[] }
  | { readonly kind: 'table'; readonly rows: readonly (readonly (readonly Block[])[])[] }
  | { readonly kind: 'html'; readonly html: string }

export interface RichText {
  readonly blocks: readonly Block[]
  /** Counts of content that could not be converted, by name. */
  readonly lost: ReadonlyMap<string, number>
}

/** An address that Notes opens: the replica id of the database, a view and a document. */
export function notesAddress(link: { readonly database: string; readonly view?: string; readonly document?: string }) {
  const isSet = (unid: string | undefined) => unid !== undefined && /[1-9A-Fa-f]/.test(unid)
  const parts = [link.database, isSet(link.view) ? link.view : '0', isSet(link.document) ? link.document : undefined]
  return `notes:///${parts.filter((part) => part !== undefined).join('/')}`
}

/** The type of an image by its first octets; undefined for none that mail programs show. */
export function imageType(octets: Buffer): 'image/gif' | 'image/jpeg' | 'image/png' | 'image/bmp' | undefined {
  const start = octets.toString('latin1', 0, 4)
  if (start.startsWith('GIF8')) return 'image/gif'
  if (start.startsWith('\xff\xd8\xff')) return 'image/jpeg'
  if (start === '\x89PNG') return 'image/png'
  return start.startsWith('BM') ? 'image/bmp' : undefined
}

const COLORS = (
  '#000000 #ffffff #ff0000 #00ff00 #0000ff #ff00ff #ffff00 #00ffff ' +
  '#800000 #008000 #000080 #800080 #808000 #008080 #808080 #c0c0c0'
).split(' ')
/** A colour of Notes by its number; undefined for black and unknown ones. */
export const notesColor = (number: number) => (number === 0 ? undefined : COLORS[number])
