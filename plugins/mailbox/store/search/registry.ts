/**
 * The full-text indexes that are fed from one store, one per server.
 *
 * Every commit that changes an email's holders schedules it in the lane of each registered index, and checks in the
 * same commit that no index was registered meanwhile. Invariants: a new index gets every existing email; a registration
 * that is not renewed for 30 days ends, so that an abandoned server leaves no growing lane.
 */
import { type Check, CONFLICT, type Key, key, type Op, type Store, transact } from 'iems'
import { decode, encode } from '../records.ts'

/** Ids of the registered indexes: what commits check. */
const MEMBERS = key('q')
const registrationKey = (id: string): Key => key('q', id)
const EXPIRES_MS = 30 * 86_400_000
export const RENEW_MS = 86_400_000
/** Due entries removed in one commit. */
const REMOVED = 1000
interface MembersRecord {
  readonly v: 1
  readonly ids: readonly string[]
}

interface RegistrationRecord {
  readonly v: 1
  /** When it was renewed, ms since 1970 by the store's clock. */
  readonly renewed: number
  /** Every email there was at its registration has been scheduled. */
  readonly isWhole: boolean
}

/** The ops and checks for a commit that changes emails. */
export interface IndexPart {
  readonly ops: readonly Op[]
  readonly checks: readonly Check[]
}

export const laneOf = (id: string): string => `index/${id}`
/** Of an email in such a lane. */
export const dueKey = (email: string): Key => key('i', email)

/** Asks one index to look at an email. */
export const indexOp = (email: string, lane: string): Op => ({ due: dueKey(email), lane, in: 0 })

/** Asks every index to look at these emails; a commit that then fails is to be made again with a new answer. */
export async function indexPart(store: Store, emails: Iterable<string>): Promise<IndexPart> {
  const known = await store.get(MEMBERS)
  const members: MembersRecord = known ? decode(known) : { v: 1, ids: [] }
  const ops = [...emails].flatMap((email) => members.ids.map((id) => indexOp(email, laneOf(id))))
  // An absent check must name a key that is put.
  if (!known) ops.push({ put: MEMBERS, value: encode(members) })
  return { ops, checks: [{ key: MEMBERS, is: known ?? 'absent' }] }
}

/** Registers an index, or renews its registration. True: everything has been scheduled since it was registered. */
export async function register(store: Store, id: string): Promise<boolean> {
  return transact({ what: 'the list of indexes', tries: 50 }, async () => {
    const [known, mine] = await Promise.all([store.get(MEMBERS), store.get(registrationKey(id))])
    const members: MembersRecord = known ? decode(known) : { v: 1, ids: [] }
    const isMember = members.ids.includes(id)
    const isWhole = isMember && mine !== undefined && decode<RegistrationRecord>(mine).isWhole
    const record: RegistrationRecord = { v: 1, renewed: store.now(), isWhole }
    const ops: Op[] = [{ put: registrationKey(id), value: encode(record) }]
    const joined: MembersRecord = { v: 1, ids: [...members.ids, id] }
    if (!isMember) ops.push({ put: MEMBERS, value: encode(joined) })
    return (await store.commit(ops, [{ key: MEMBERS, is: known ?? 'absent' }])) ? isWhole : CONFLICT
  })
}

/** Everything has been scheduled. False: it is no longer registered. */
export async function setScheduled(store: Store, id: string): Promise<boolean> {
  const known = await store.get(MEMBERS)
  if (!known || !decode<MembersRecord>(known).ids.includes(id)) return false
  const record: RegistrationRecord = { v: 1, renewed: store.now(), isWhole: true }
  return store.commit([{ put: registrationKey(id), value: encode(record) }], [{ key: MEMBERS, is: known }])
}

/** Removes registrations that were not renewed, and their lanes. */
export async function expire(store: Store): Promise<void> {
  const known = await store.get(MEMBERS)
  const members: MembersRecord | undefined = known && decode(known)
  for (const id of members?.ids ?? []) {
    const mine = await store.get(registrationKey(id))
    const isOver = !mine || store.now() - decode<RegistrationRecord>(mine).renewed > EXPIRES_MS
    if (isOver) await remove(store, id, mine)
  }
}

async function remove(store: Store, id: string, mine: Uint8Array | undefined): Promise<void> {
  const known = await store.get(MEMBERS)
  if (!known) return
  const members: MembersRecord = { v: 1, ids: decode<MembersRecord>(known).ids.filter((one) => one !== id) }
  const checks: Check[] = [{ key: MEMBERS, is: known }]
  if (mine) checks.push({ key: registrationKey(id), is: mine })
  // False: it was renewed, or another index came; the next look sees it.
  const ops: Op[] = [{ put: MEMBERS, value: encode(members) }, { del: registrationKey(id) }]
  if (await store.commit(ops, checks)) await clearLane(store, laneOf(id))
}

/** Removes every due entry of a lane that no index takes any more. */
async function clearLane(store: Store, lane: string): Promise<void> {
  for (;;) {
    const ops: Op[] = []
    for await (const { key: at } of store.due(lane, REMOVED)) ops.push({ undue: at, lane })
    if (ops.length === 0) return
    await store.commit(ops)
  }
}
