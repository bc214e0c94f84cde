/**
 * Versions of the records in a store, by owner (the kernel or a plugin) and kind of record.
 *
 * An owner declares each kind with its current version and an upgrade from older ones. Invariants: setup never runs on
 * records that are newer than the code; an interrupted upgrade starts again, so it must be repeatable; of two kernels
 * that upgrade at once, one records it and the other reads again.
 */
import { IemsError } from '../api/errors.ts'
import { decode, encode } from '../queue/records.ts'
import { below, key } from '../store/keys.ts'
import type { Check, Op, Store } from '../store/store.ts'
import { CONFLICT, transact } from '../store/transact.ts'
import type { Emit } from './log.ts'

export interface RecordKind {
  /** Current version of the records, from 1: their `v`. */
  readonly version: number
  /** The newest version that this code reads, when a feature that is in use may raise it. Default: `version`. */
  readonly reads?: number
  /**
   * Upgrades all records of version `from` to `from + 1`; called once for each step. Must be repeatable after an
   * interruption. Other servers on the store must be stopped meanwhile. Required from version 2 on.
   */
  upgrade?(store: Store, from: number): Promise<void>
}

export type RecordKinds = Readonly<Record<string, RecordKind>>

/** The kernel's own. */
export const KERNEL_RECORDS: RecordKinds = { message: { version: 1, reads: 2 }, delivery: { version: 1 } }

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
  readonly emit?: Emit
}

/** Ms between two reports about an upgrade. */
const REPORT_MS = 5000

/** Kinds of record that an upgrade would change, with their present versions: those of an owner that has records. */
export async function outdated(store: Store, owner: string, kinds: RecordKinds): Promise<readonly string[]> {
  const value = await store.get(key('v', owner))
  const known = value ? decode<FormatsRecord>(value).kinds : {}
  const older = Object.entries(kinds).filter(([kind, { version }]) => (known[kind] ?? 1) < version)
  if (older.length === 0) return []
  const own = owner === '' ? { from: Buffer.of(0), to: Buffer.of(0xff) } : below('p', owner)
  for await (const _ of store.scan({ ...own, limit: 1 })) return older.map(([kind]) => `${kind} ${known[kind] ?? 1}`)
  return []
}

/** Upgrades older records. Throws IEMS_RECORDS_NEWER with nothing changed. */
export async function bringUp({ store, view, owner, emit = () => {} }: FormatsDeps, kinds: RecordKinds): Promise<void> {
  const at = key('v', owner)
  await transact({ what: `the record of the versions of ${owner || 'the kernel'}` }, async () => {
    const value = await store.get(at)
    const known: FormatsRecord['kinds'] = value ? decode<FormatsRecord>(value).kinds : {}
    // Records from before versions were stored are version 1.
    const versionOf = (kind: string) => known[kind] ?? 1
    for (const [kind, { version, reads = version }] of Object.entries(kinds))
      if (versionOf(kind) > reads)
        throw new IemsError('IEMS_RECORDS_NEWER', {
          owner: owner === '' ? 'The kernel' : owner,
          kind,
          found: versionOf(kind),
          known: reads,
        })
    for (const [kind, one] of Object.entries(kinds))
      for (let from = versionOf(kind); from < one.version; from++) {
        const about = { plugin: owner || 'iems', kind, from, to: from + 1 }
        const counted = counting(view, (written) => emit('records.upgrading', { ...about, written }))
        await one.upgrade?.(counted.store, from)
        if (counted.written > 0) emit('records.upgraded', { ...about, written: counted.written })
      }
    const now = {
      ...known,
      ...Object.fromEntries(
        Object.entries(kinds).map(([kind, { version }]) => [kind, Math.max(version, versionOf(kind))]),
      ),
    }
    // Version 1 needs no record.
    if (Object.entries(now).every(([kind, version]) => versionOf(kind) === version)) return undefined
    const record: FormatsRecord = { v: 1, kinds: now }
    const isDone = await store.commit([{ put: at, value: encode(record) }], [{ key: at, is: value ?? 'absent' }])
    return isDone ? undefined : CONFLICT
  })
}

/** The ops and checks of a commit after which the records of a kind may have a version, for a feature that is used. */
export async function raised(store: Store, owner: string, kind: string, version: number): Promise<Raised> {
  const at = key('v', owner)
  const value = await store.get(at)
  const kinds = value ? decode<FormatsRecord>(value).kinds : {}
  if ((kinds[kind] ?? 1) >= version) return { ops: [], checks: [] }
  const next: FormatsRecord = { v: 1, kinds: { ...kinds, [kind]: version } }
  return { ops: [{ put: at, value: encode(next) }], checks: [{ key: at, is: value ?? 'absent' }] }
}

export interface Raised {
  readonly ops: readonly Op[]
  readonly checks: readonly Check[]
}

/** The store of an upgrade, which reports now and then how many records were written. */
function counting(view: Store, report: (written: number) => void) {
  let written = 0
  let reported = performance.now()
  async function commit(ops: readonly Op[], ...rest: [checks?: Parameters<Store['commit']>[1]]): Promise<boolean> {
    const isDone = await view.commit(ops, ...rest)
    if (isDone) written += ops.length
    if (performance.now() - reported > REPORT_MS) {
      reported = performance.now()
      report(written)
    }
    return isDone
  }
  // A view, so that everything else goes to the store itself.
  const store = new Proxy(view, {
    get(target, name) {
      const found: unknown = name === 'commit' ? commit : Reflect.get(target, name, target)
      return typeof found === 'function' && name !== 'commit' ? found.bind(target) : found
    },
  })
  return {
    store,
    get written() {
      return written
    },
  }
}
