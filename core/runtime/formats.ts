/**
 * Which versions of records a store holds, by owner (the kernel, or a plugin) and kind of record.
 *
 * An owner names its kinds with the version it writes, and how older ones are brought up to it. Invariants: nothing is
 * set up on records that are newer than the code; an upgrade that is cut off begins again, so it must be able to; of two
 * kernels that upgrade at the same time one records it, and the other looks again.
 */
import { IemsError } from '../api/errors.ts'
import { decode, encode } from '../queue/records.ts'
import { key } from '../store/keys.ts'
import type { Store } from '../store/store.ts'

export interface RecordKind {
  /** The version that is written, from 1 on: the `v` of the records. */
  readonly version: number
  /**
   * Brings all records of version `from` to `from + 1`; called once for each step. Must be able to run again after it
   * was cut off. Other servers on the store must be stopped meanwhile. Needed from version 2 on.
   */
  upgrade?(store: Store, from: number): Promise<void>
}

export type RecordKinds = Readonly<Record<string, RecordKind>>

interface FormatsRecord {
  readonly v: 1
  readonly kinds: Readonly<Record<string, number>>
}

const TRIES = 20

export interface FormatsDeps {
  readonly store: Store
  /** What the owner's upgrades see. */
  readonly view: Store
  /** The plugin's name; '' for the kernel. */
  readonly owner: string
}

/** Upgrades what is older. Throws IEMS_RECORDS_NEWER with nothing changed. */
export async function bringUp({ store, view, owner }: FormatsDeps, kinds: RecordKinds): Promise<void> {
  const at = key('v', owner)
  for (let tries = 0; tries < TRIES; tries++) {
    const value = await store.get(at)
    const known: FormatsRecord['kinds'] = value ? decode<FormatsRecord>(value).kinds : {}
    // Records of before versions were kept are of version 1.
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
    // What is of version 1 needs no record.
    if (Object.entries(now).every(([kind, version]) => versionOf(kind) === version)) return
    const record: FormatsRecord = { v: 1, kinds: now }
    if (await store.commit([{ put: at, value: encode(record) }], [{ key: at, is: value ?? 'absent' }])) return
  }
  throw new Error('other servers changed the versions of records again and again')
}
