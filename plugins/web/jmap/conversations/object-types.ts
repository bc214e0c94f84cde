/**
 * Two object types of this server's own: `ConversationSnooze`, whose id is the thread's, and `EmailLabel`, the name and
 * the colour of a keyword.
 *
 * Invariant: an account sees and changes only its own.
 */
import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import { type JmapCall, type JmapObject, ObjectError, type ObjectType, type Patch } from '../api.ts'
import { invalidProperties } from '../errors.ts'
import type { KeptObjects } from '../kept.ts'
import { patched } from '../patched.ts'
import type { Snooze, Snoozes } from './snoozes.ts'

/** The capability of both types. */
export const CONVERSATIONS = 'urn:iems:jmap:conversations'
export const COLORS = ['orange', 'yellow', 'green', 'blue', 'violet', 'pink'] as const
const MAX_LABELS = 200
const MAX_SNOOZES = 10_000
/** Ten years. */
const MAX_SNOOZE_MS = 315_576_000_000

export interface Label {
  /** An IMAP keyword in lower case, as JMAP has it. */
  readonly keyword: string
  readonly name: string
  readonly color: (typeof COLORS)[number]
}

function read<T>(schema: z.ZodType<T>, given: unknown): T {
  const { data, error } = schema.safeParse(given)
  if (error)
    throw invalidProperties(
      [...new Set(error.issues.map(({ path }) => String(path[0] ?? '')))],
      error.issues[0]?.message,
    )
  return data as T
}

function own(account: string, call: JmapCall): void {
  if (account !== call.own) throw new ObjectError('forbidden')
}

const snoozeSchema = z.strictObject({
  threadId: z.string().max(255),
  mailboxId: z.string().max(255),
  until: z.iso.datetime(),
})

const snoozeOf = (threadId: string, { until, mailboxId }: Snooze): JmapObject => ({
  id: threadId,
  threadId,
  mailboxId,
  until: `${new Date(until).toISOString().slice(0, 19)}Z`,
})

export interface SnoozeTypeDeps {
  readonly kept: KeptObjects<Snooze>
  readonly snoozes: Snoozes
  now(): number
}

export function snoozeType({ kept, snoozes, now }: SnoozeTypeDeps): ObjectType {
  async function set(account: string, given: unknown): Promise<JmapObject> {
    const { threadId, mailboxId, until } = read(snoozeSchema, given)
    const at = Date.parse(until)
    if (at > now() + MAX_SNOOZE_MS) throw invalidProperties(['until'], 'At most ten years ahead')
    await snoozes.set(account, threadId, { until: at, mailboxId })
    return { id: threadId }
  }
  return {
    capability: CONVERSATIONS,
    properties: ['id', 'threadId', 'mailboxId', 'until'],
    state: (account) => kept.state(account),
    changes: (account, since, limit) => kept.changes(account, since, limit),
    async get({ account, ids }, call) {
      if (account !== call.own) return []
      const all = await Array.fromAsync(kept.all(account))
      return all.filter(([id]) => !ids || ids.includes(id)).map(([id, snooze]) => snoozeOf(id, snooze))
    },
    async create(account, given, call) {
      own(account, call)
      if ((await Array.fromAsync(kept.all(account))).length >= MAX_SNOOZES) throw new ObjectError('overQuota')
      return set(account, given)
    },
    async update(account, id, patch, call) {
      own(account, call)
      const before = await kept.get(account, id)
      if (!before) throw new ObjectError('notFound')
      const { id: _, ...given } = patched(snoozeOf(id, before), patch)
      if (given.threadId !== id) throw invalidProperties(['threadId'])
      await set(account, given)
      return null
    },
    async destroy(account, id, call) {
      own(account, call)
      if (!(await kept.get(account, id))) throw new ObjectError('notFound')
      await snoozes.cancel(account, id)
    },
  }
}

const labelSchema = z.strictObject({
  /** Not a system keyword; the characters of an IMAP atom. */
  keyword: z
    .string()
    .regex(/^(?:\$label\d{1,3}|[!#&'+,\-./0-9:;<=>?@^_`a-z|}~][!#$&'+,\-./0-9:;<=>?@^_`a-z|}~]{0,99})$/),
  name: z.string().trim().min(1).max(100),
  color: z.enum(COLORS),
})

export function labelType(kept: KeptObjects<Label>): ObjectType {
  return {
    capability: CONVERSATIONS,
    properties: ['id', 'keyword', 'name', 'color'],
    state: (account) => kept.state(account),
    changes: (account, since, limit) => kept.changes(account, since, limit),
    async get({ account, ids }, call) {
      if (account !== call.own) return []
      const all = await Array.fromAsync(kept.all(account))
      return all.filter(([id]) => !ids || ids.includes(id)).map(([id, label]) => ({ id, ...label }))
    },
    async create(account, given, call) {
      own(account, call)
      const label = read(labelSchema, given)
      const others = await Array.fromAsync(kept.all(account))
      if (others.length >= MAX_LABELS) throw new ObjectError('overQuota', `At most ${MAX_LABELS} labels`)
      if (others.some(([, { keyword }]) => keyword === label.keyword))
        throw invalidProperties(['keyword'], 'There is a label with this keyword')
      const id = `L${randomUUID().replaceAll('-', '')}`
      await kept.put(account, id, () => label)
      return { id }
    },
    async update(account, id, patch: Patch, call) {
      own(account, call)
      await kept.put(account, id, (before) => {
        if (!before) throw new ObjectError('notFound')
        const label = read(labelSchema, patched({ ...before }, patch))
        if (label.keyword !== before.keyword) throw invalidProperties(['keyword'], 'The keyword stays')
        return label
      })
      return null
    },
    async destroy(account, id, call) {
      own(account, call)
      if (!(await kept.get(account, id))) throw new ObjectError('notFound')
      await kept.put(account, id, () => undefined)
    },
  }
}
