/**
 * The change feed: changes in commit order, by any kernel.
 *
 * Invariants: a reader that starts at a cursor gets every later change, or learns that it is too late; a page is
 * bounded; a feed entry is removed with its history record.
 */
import { below, type Store, unkey } from 'iems'
import type { Feed, FeedEntry, Recorded } from './api.ts'
import { decode, feedKey, historyKey, sweptKey } from './records.ts'

export const MAX_FEED = 1000

/** Cursors are ordered as text, so that readers can compare them. */
const cursorOf = (number: number) => String(number).padStart(16, '0')
const numberOf = (cursor: string) => (/^\d{16}$/.test(cursor) ? Number(cursor) : undefined)

export async function readFeed(
  store: Store,
  { after, limit = MAX_FEED }: { readonly after?: string; readonly limit?: number } = {},
): Promise<Feed> {
  const start = after === undefined ? undefined : numberOf(after)
  if (start === undefined) return { entries: [], cursor: await head(store), isTooLate: after !== undefined }
  const swept = await store.get(sweptKey)
  if (swept && start < decode<number>(swept)) return { entries: [], cursor: await head(store), isTooLate: true }
  const entries: FeedEntry[] = []
  let cursor = start
  const range = { from: Buffer.concat([feedKey(start), Buffer.from([0])]), to: below('f').to }
  for await (const [at, value] of store.scan({ ...range, limit: Math.min(Math.max(1, limit), MAX_FEED) })) {
    cursor = unkey(at)[1] as number
    const recorded = await store.get(historyKey(decode<number>(value), cursor))
    if (recorded) entries.push({ ...decode<Recorded>(recorded), cursor: cursorOf(cursor) })
  }
  return { entries, cursor: cursorOf(cursor), isTooLate: false }
}

async function head(store: Store): Promise<string> {
  for await (const [at] of store.scan({ ...below('f'), limit: 1, reverse: true }))
    return cursorOf(unkey(at)[1] as number)
  const swept = await store.get(sweptKey)
  return cursorOf(swept ? decode<number>(swept) : 0)
}
