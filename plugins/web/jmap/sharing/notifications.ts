/**
 * ShareNotification (RFC 9670 section 3): an account learns that its rights in a mailbox of another have changed.
 *
 * Invariants: an account keeps a bounded number; the oldest goes first.
 */
import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import { type JmapCall, ObjectError, type ObjectType, type Query } from '../api.ts'
import { meetsFilter } from '../filters.ts'
import type { KeptObjects } from '../kept.ts'
import { PRINCIPALS } from './principals.ts'
import type { Rights } from './rights.ts'

export interface ShareNote {
  /** UTCDate. */
  readonly created: string
  readonly changedBy: { readonly name: string; readonly email: string | null; readonly principalId: string | null }
  readonly objectType: 'Mailbox'
  readonly objectAccountId: string
  readonly objectId: string
  readonly oldRights: Rights | null
  readonly newRights: Rights | null
  readonly name: string
}

const MAX_NOTES = 100
const PROPERTIES = [
  'created',
  'changedBy',
  'objectType',
  'objectAccountId',
  'objectId',
  'oldRights',
  'newRights',
  'name',
]

const filterSchema = z.strictObject({
  after: z.iso.datetime().nullish(),
  before: z.iso.datetime().nullish(),
  objectType: z.string().optional(),
  objectAccountId: z.string().optional(),
})
type Condition = z.output<typeof filterSchema>

const meets = (note: ShareNote, { after, before, objectType, objectAccountId }: Condition): boolean =>
  (!after || note.created >= after) &&
  (!before || note.created < before) &&
  (objectType === undefined || note.objectType === objectType) &&
  (objectAccountId === undefined || note.objectAccountId === objectAccountId)

export async function notify(notes: KeptObjects<ShareNote>, account: string, note: ShareNote): Promise<void> {
  const all = (await Array.fromAsync(notes.all(account))).sort(([, a], [, b]) => (a.created < b.created ? -1 : 1))
  for (const [id] of all.slice(0, Math.max(0, all.length - MAX_NOTES + 1)))
    await notes.put(account, id, () => undefined)
  await notes.put(account, `N${randomUUID()}`, () => note)
}

export function notificationType(notes: KeptObjects<ShareNote>): ObjectType<Condition> {
  const own = (account: string, call: JmapCall) => account === call.own
  const forbidden = async () => {
    throw new ObjectError('forbidden', 'The server makes these')
  }
  return {
    capability: PRINCIPALS,
    properties: ['id', ...PROPERTIES],
    state: (account) => notes.state(account),
    changes: (account, since, limit) => notes.changes(account, since, limit),
    async get({ account, ids }, call) {
      const all = own(account, call) ? await Array.fromAsync(notes.all(account)) : []
      return all.filter(([id]) => !ids || ids.includes(id)).map(([id, note]) => ({ id, ...note }))
    },
    filter: filterSchema,
    sorts: ['created'],
    async query({ account, filter, sort, call }: Query<Condition>) {
      const all = own(account, call) ? await Array.fromAsync(notes.all(account)) : []
      const sign = sort[0]?.isAscending === false ? -1 : 1
      return all
        .filter(([, note]) => meetsFilter(filter, (condition) => meets(note, condition)))
        .sort(([, a], [, b]) => (a.created < b.created ? -sign : sign))
        .map(([id]) => id)
    },
    create: forbidden,
    update: forbidden,
    async destroy(account, id, call) {
      if (!own(account, call) || !(await notes.get(account, id))) throw new ObjectError('notFound')
      await notes.put(account, id, () => undefined)
    },
  }
}
