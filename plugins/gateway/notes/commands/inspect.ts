/**
 * `iems notes inspect`: what a file holds, and what of it could not be carried.
 */
import { type Command, type CommandOutput, counted, escapeLine } from 'iems'
import type { NotesArchive } from '../archive/model.ts'
import { type OpenOptions, openArchive } from '../archive/open.ts'
import { convert } from '../message/convert.ts'
import { noAddressBook } from '../names.ts'
import { filesAt, OPEN_OPTIONS, openOptions } from './files.ts'

export function createInspect(domain: string): Command {
  return {
    summary: 'show what Notes databases and DXL files hold, and what could not be carried',
    arguments: ['<path>'],
    options: OPEN_OPTIONS,
    async *run({ arguments: [path = ''], options, signal }) {
      for (const file of await filesAt(path)) {
        signal.throwIfAborted()
        yield* inspected(file, { domain, signal, open: openOptions(options) })
      }
    },
  }
}

interface Inspecting {
  readonly domain: string
  readonly open: OpenOptions
  readonly signal: AbortSignal
}

async function* inspected(file: string, { domain, open, signal }: Inspecting): AsyncGenerator<CommandOutput> {
  let archive: NotesArchive
  try {
    archive = await openArchive(file, open)
  } catch (error) {
    const why = (error as Error).message
    yield { text: `${escapeLine(file)}: ${escapeLine(why)}`, value: { file, problem: why } }
    return
  }
  try {
    const found = { documents: 0, mail: 0, calendar: 0, contact: 0, other: 0, sealed: 0, files: 0, unreadable: 0 }
    for await (const document of archive.documents()) {
      signal.throwIfAborted()
      found.documents++
      const converted = await convert(document, { book: noAddressBook, domain, replicaId: archive.replicaId })
      found[converted?.kind ?? 'other']++
      if (document.isSealed) found.sealed++
      found.files += document.files.filter(({ isEmbedded }) => !isEmbedded).length
      found.unreadable += document.files.filter(({ unknown }) => unknown !== undefined).length
      if (found.documents % 500 === 0) yield { progress: `${found.documents} documents` }
    }
    const folders = await archive.folders()
    const unread = await archive.unread()
    const value = {
      file,
      form: archive.form,
      title: archive.title,
      replicaId: archive.replicaId,
      ...(archive.template === undefined ? {} : { template: archive.template }),
      ...found,
      deletionStubs: archive.stubs(),
      folders: folders.map((folder) => ({
        name: folder.path.join('\\'),
        ...(folder.count === undefined ? {} : { documents: folder.count }),
      })),
      unreadMarksOf: [...unread.keys()],
      acl: await archive.acl(),
      problems: archive.problems.list,
      problemCount: archive.problems.count,
    }
    yield { text: describe(value), value }
  } finally {
    await archive.close()
  }
}

function describe(value: {
  readonly file: string
  readonly form: string
  readonly title: string
  readonly documents: number
  readonly mail: number
  readonly calendar: number
  readonly contact: number
  readonly other: number
  readonly sealed: number
  readonly files: number
  readonly unreadable: number
  readonly deletionStubs: number
  readonly folders: readonly { readonly name: string; readonly documents?: number }[]
  readonly unreadMarksOf: readonly string[]
  readonly problems: readonly string[]
  readonly problemCount: number
}): string {
  const counts = [
    counted(value.documents, 'document'),
    `${value.mail} mail, ${value.calendar} calendar, ${value.contact} contacts, ${value.other} other`,
    counted(value.files, 'file'),
    ...(value.unreadable > 0 ? [`${value.unreadable} files in an unknown compression`] : []),
    ...(value.sealed > 0 ? [`${value.sealed} encrypted`] : []),
    ...(value.deletionStubs > 0 ? [counted(value.deletionStubs, 'deletion stub')] : []),
  ]
  return [
    `${escapeLine(value.file)} (${value.form}): ${escapeLine(value.title)}`,
    `  ${counts.join('; ')}`,
    ...value.folders.map(
      ({ name, documents }) => `  folder ${escapeLine(name)}${documents === undefined ? '' : `: ${documents}`}`,
    ),
    ...(value.unreadMarksOf.length > 0 ? [`  unread marks of ${value.unreadMarksOf.map(escapeLine).join(', ')}`] : []),
    ...value.problems.slice(0, 20).map((why) => `  ! ${escapeLine(why)}`),
    ...(value.problemCount > 20 ? [`  ! ${value.problemCount - 20} more`] : []),
  ].join('\n')
}
