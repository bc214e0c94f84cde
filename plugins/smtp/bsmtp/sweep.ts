/** Forgets what is too old to matter: answers to batches and acknowledgements that found no way out, digests of batches, and parts whose others never came. */
import { below, type ContentStore, type Store, unkey } from 'iems'
import { partOwner } from './inbox.ts'
import { type PartRecord, partKey, scan } from './records.ts'

const ANSWERS_MS = 60 * 86_400_000
const PARTS_MS = 30 * 86_400_000

export async function sweep(store: Store, contents: ContentStore, now: number): Promise<void> {
  for (const kind of ['r', 'x', 'a'])
    for await (const { key, record } of scan<{ readonly at?: number; readonly since?: number }>(store, below(kind)))
      if ((record.at ?? record.since ?? 0) < now - ANSWERS_MS) await store.commit([{ del: key }])
  for await (const { key, record } of scan<PartRecord>(store, below('q'))) {
    const { label, at, content } = record
    if (label.made >= now - PARTS_MS) continue
    const partner = partnerOf(key)
    const free = [{ blob: content.blob, owner: partOwner(partner, label, at) }]
    await contents.commit({ ops: [{ del: partKey(partner, label, at) }], free })
  }
}

function partnerOf(key: Uint8Array): string {
  const [, partner] = unkey(key)
  return String(partner)
}
