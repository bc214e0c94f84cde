/**
 * A Notes database as the readers present it, independent of its file format: documents by the names of their items,
 * folders, and unread marks of each user.
 */
import type { NotesTime } from '../nsf/values.ts'
import type { RichText } from '../richtext/model.ts'

export type { NotesTime } from '../nsf/values.ts'

export interface NotesFile {
  /** The name by which rich text refers to the file. */
  readonly name: string
  /** Octets. */
  readonly size: number
  /** Part of an embedded object, not a file that the sender attached. */
  readonly isEmbedded: boolean
  /** ms since 1970. */
  readonly modified?: number
  /** How it is compressed when that is not known: the octets are then those that are stored. */
  readonly unknown?: string
  /** Its octets; throws when they cannot be read, at the latest at their end. */
  open(): AsyncIterable<Buffer>
}

export interface NotesDocument {
  /** Note id, in hexadecimal. */
  readonly id: string
  readonly unid: string
  /** UNID of the document that this one answers. */
  readonly parent?: string
  /** The Message-ID of that document, if it has one of its own. */
  readonly parentMessageId?: string
  /** ms since 1970. */
  readonly created?: number
  readonly modified?: number
  /** Names of its items, as they are written. */
  readonly names: readonly string[]
  /** Encrypted with a Notes ID, in whole or in part. */
  readonly isSealed: boolean
  readonly files: readonly NotesFile[]
  /** The values of an item as text, whatever its type; none for an absent one. Names in any case. */
  texts(name: string): readonly string[]
  times(name: string): readonly NotesTime[]
  richText(name: string): RichText | undefined
  /**
   * A message that Notes keeps as MIME. `isWhole`: with all header fields; else it begins with those of the body
   * (Content-Type and the like).
   */
  readonly mime?: { readonly isWhole: boolean; open(): AsyncIterable<Buffer> }
  /** Parts of the document that cannot be read. */
  readonly problems: readonly string[]
}

export interface NotesFolder {
  /** Levels from the top. */
  readonly path: readonly string[]
  /** For one person only. */
  readonly owner?: string
  has(document: NotesDocument): boolean
  /** Documents in it; undefined when the form does not say. */
  readonly count: number | undefined
}

export interface NotesArchive {
  readonly form: 'nsf' | 'dxl' | 'das'
  readonly title: string
  /** Identifies the database and all its copies. */
  readonly replicaId: string
  /** The template that it inherits from, such as `StdR7Mail`. */
  readonly template?: string
  /** Documents, without profiles and deletion stubs. */
  documents(): AsyncIterable<NotesDocument>
  folders(): Promise<readonly NotesFolder[]>
  /** By user: which documents they have not read; a user without marks has read nothing. */
  unread(): Promise<ReadonlyMap<string, (document: NotesDocument) => boolean>>
  /** Stubs of what was deleted, which the last reading of the documents has passed. */
  stubs(): number
  acl(): Promise<readonly { readonly name: string; readonly level: string }[]>
  readonly problems: { readonly list: readonly string[]; readonly count: number }
  close(): Promise<void>
}

export const first = (document: Pick<NotesDocument, 'texts'>, name: string) => document.texts(name)[0]?.trim() ?? ''
