/** Notes databases from the fixtures, unpacked into memory. */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { NotesDocument } from '../../plugins/gateway/notes/archive/model.ts'

const folder = new URL('../fixtures/notes/', import.meta.url)

export const notesFixture = (name: string): Buffer => readFileSync(new URL(name, folder))
/** A database's octets. */
export const nsfFixture = (name: string): Buffer => gunzipSync(notesFixture(`${name}.nsf.gz`))

/** What a reader must find; the form of fixtures/notes/expected.json. */
export interface ExpectedDatabase {
  readonly size: number
  readonly ods: number
  readonly headerSize: number
  readonly title: string
  readonly info: string
  readonly replicaId: string
  readonly buckets: { readonly summary: number; readonly nonSummary: number }
  readonly itemNames: number
  readonly notes: Readonly<Record<string, number>>
  readonly deletionStubs: readonly { readonly noteId: string; readonly class: number; readonly unid: string }[]
  readonly folders: readonly { noteId: string; title: string; flags: string; documents: readonly string[] }[]
  readonly unread: Readonly<Record<string, { readonly count: number; readonly first: readonly string[] }>>
  readonly documents: readonly ExpectedDocument[]
  readonly documentCount: number
}

interface ExpectedDocument {
  readonly noteId: string
  readonly unid: string
  readonly items: number
  readonly parent?: string
  readonly responses?: number
  readonly bodyLength?: number
  readonly bodyStart?: string
  readonly bodySha256?: string
  readonly files?: readonly {
    readonly name: string
    readonly size: number
    readonly stored: number
    readonly compression: string
    readonly host: number
    readonly flags: number
    readonly created: string | null
    readonly modified: string | null
    readonly sha256: string
  }[]
  readonly mime?: readonly {
    readonly type: string
    readonly flags: number
    readonly boundary: string
    readonly headers: string
    readonly content: number
    readonly sha256: string
  }[]
  readonly [field: string]: unknown
}

export const expectedDatabases = JSON.parse(notesFixture('expected.json').toString()) as Readonly<
  Record<string, ExpectedDatabase>
>

/** A document with these items: texts, or a time. */
export function documentWith(items: Readonly<Record<string, readonly string[] | number>>): NotesDocument {
  const named = (name: string) => Object.entries(items).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1]
  return {
    id: '1',
    unid: 'A'.repeat(32),
    names: Object.keys(items),
    isSealed: false,
    files: [],
    problems: [],
    texts: (name) => ((value) => (Array.isArray(value) ? value : []))(named(name)),
    times: (name) => ((value) => (typeof value === 'number' ? [{ at: value }] : []))(named(name)),
    richText: () => undefined,
  }
}
