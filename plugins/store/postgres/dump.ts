/**
 * A snapshot of the database for `iems backup`, in the layout of LevelDB: it is restored as a data folder, from which
 * `iems store copy` leads back to a database.
 *
 * Invariants: everything is read in one transaction, which sees one moment, whatever servers write or remove meanwhile;
 * memory holds a page.
 */
import { dumpEntries, IemsError, type StoreDump } from 'iems'
import type { Connections } from './connections.ts'
import type { Session } from './session.ts'

const PAGE = 500

interface DueRow {
  readonly lane: string
  readonly at: number
  readonly key: Buffer
}

export async function dumpDatabase(connections: Connections): Promise<StoreDump> {
  const session = await connections.open()
  try {
    await session.run('begin isolation level repeatable read read only')
    const files: string[] = []
    for await (const { id } of rows<{ id: string }>(
      session,
      'files',
      'select id from blobs where value is null order by id',
    ))
      files.push(id)
    return {
      files,
      records: () => recordsOf(session),
      open: (id) => contentOf(session, id),
      close: () => session.close(),
    }
  } catch (cause) {
    await session.close()
    throw cause
  }
}

async function* recordsOf(session: Session): ReturnType<StoreDump['records']> {
  const bodies = 'select id, value from blobs where value is not null order by id'
  for await (const { id, value } of rows<{ id: string; value: Buffer }>(session, 'bodies', bodies))
    yield dumpEntries.body(id, value)
  const due = 'select lane, at, key from due order by lane'
  for await (const { lane, at, key } of rows<DueRow>(session, 'times', `${due}, at, key`))
    yield dumpEntries.due(lane, at, key)
  yield dumpEntries.format()
  const records = 'select key, value from records order by key'
  for await (const { key, value } of rows<{ key: Buffer; value: Buffer }>(session, 'kept', records))
    yield dumpEntries.record(key, value)
  for await (const { lane, at, key } of rows<DueRow>(session, 'pointers', `${due}, key`))
    yield dumpEntries.pointer(lane, at, key)
}

async function* contentOf(session: Session, id: string): AsyncGenerator<Uint8Array> {
  let n = 0
  for (; ; n++) {
    const [row] = await session.run<{ value: Buffer }>('select value from chunks where id = $1 and n = $2', [id, n])
    if (!row) break
    yield row.value
  }
  if (n === 0) throw new IemsError('IEMS_BLOB_MISSING', { id })
}

async function* rows<R extends object>(session: Session, name: string, text: string): AsyncGenerator<R> {
  await session.run(`declare ${name} no scroll cursor for ${text}`)
  for (;;) {
    const page = await session.run<R>(`fetch ${PAGE} from ${name}`)
    yield* page
    if (page.length < PAGE) break
  }
  await session.run(`close ${name}`)
}
