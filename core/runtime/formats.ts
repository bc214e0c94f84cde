/**
 * Versions of the records in a store, by owner (the kernel or a plugin) and kind of record.
 *
 * An owner declares each kind with its current version and an upgrade from older ones. Invariants: setup never runs on
 * records that are newer than the code; an interrupted upgrade starts again, so it must be repeatable; of two kernels
 * that upgrade at once, one records it and the other reads again.
 */
import { IemsError } from '../api/errors.ts'
import { decode, encode } from '../queue/records.ts'
import { key } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import { CONFLICT, transact } from '../store/transact.ts'

export interface RecordKind {
  /** Current version of the records, from 1: their `v`. */
  readonly version: number
  /**
   * Upgrades all records of version `from` to `from + 1`; called once for each step. Must be repeatable after an
   * interruption. Other servers on the store must be stopped meanwhile. Required from version 2 on.
   */
  upgrade?(store: Store, from: number): Promise<void>
}

export type RecordKinds = Readonly<Record<string, RecordKind>>

interface FormatsRecord {
  readonly v: 1
  readonly kinds: Readonly<Record<string, number>>
}

export interface FormatsDeps {
  readonly store: Store
  /** The store as the owner's upgrades see it. */
  readonly view: Store
  /** Name of the plugin; '' for the kernel. */
  readonly owner: string
}

/** Upgrades older records. Throws IEMS_RECORDS_NEWER with nothing changed. */
export async function bringUp({ store, view, owner }: FormatsDeps, kinds: RecordKinds): Promise<void> {
  const at = key('v', owner)
  await transact({ what: `the record of the versions of ${owner || 'the kernel'}` }, async () => {
    const value = await store.get(at)
    const known: FormatsRecord['kinds'] = value ? decode<FormatsRecord>(value).kinds : {}
    // Records from before versions were stored are version 1.
    const versionOf = (kind: string) => known[kind] ?? 1
    for (const [kind, { version }] of Object.entries(kinds))
      if (versionOf(kind) > version)
        throw new IemsError('IEMS_RECORDS_NEWER', {
          owner: owner === '' ? 'The kernel' : owner,
          kind,
          found: versionOf(kind),
          known: version,
        })
    for (const [kind, one] of Object.entries(kinds))
      for (let from = versionOf(kind); from < one.version; from++) await one.upgrade?.(view, from)
    const now = { ...known, ...Object.fromEntries(Object.entries(kinds).map(([kind, { version }]) => [kind, version])) }
    // Version 1 needs no record.
    if (Object.entries(now).every(([kind, version]) => versionOf(kind) === version)) return undefined
    const record: FormatsRecord = { v: 1, kinds: now }
    const isDone = await store.commit([{ put: at, value: encode(record) }], [{ key: at, is: value ?? 'absent' }])
    return isDone ? undefined : CONFLICT
  })
}
