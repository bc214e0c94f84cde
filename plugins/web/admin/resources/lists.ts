/**
 * Mailing lists, their members and their moderation queues, for lists of any length. Lists and members are changed by
 * the commands `list …`.
 *
 * Invariants: a held post is shown as text; every decision is in the history.
 */
import { setImmediate as turn } from 'node:timers/promises'
import * as z from 'zod'
import { DECISIONS, type HeldItem, type ListsApi, type MailingList, type Member } from '../../../lists/api.ts'
import { Download, HttpProblem } from '../../http/api.ts'
import type { Audit } from '../audit.ts'
import { type AdminCall, type AdminRoutes, type Line, lines } from '../routes.ts'

const MAX_PAGE = 500
const MAX_COUNTED = 200_000
/** Held items that are ordered and searched; a list that holds more has them shown after the first are decided. */
const MAX_HELD = 10_000
const MAX_SHOWN_OCTETS = 262_144

const ofList = z.object({ address: z.string().max(320) })
const page = z.object({
  search: z.string().max(320).default(''),
  offset: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100),
})
const decisions = z.strictObject({
  decision: z.enum(DECISIONS),
  /** Default: everything that is held. */
  ids: z.array(z.string().max(100)).min(1).max(MAX_HELD).optional(),
  text: z.string().max(10_000).default(''),
})

export function addLists(routes: AdminRoutes, lists: ListsApi, audit: Audit): void {
  routes.route({
    method: 'GET',
    path: '/api/v1/lists',
    who: 'admin',
    summary: 'List the mailing lists, with the number of posts and requests that await a decision',
    async run() {
      const found = []
      for await (const list of lists.lists()) {
        const { id, address, created, settings } = list
        const held = (await heldOf(lists, list)).length
        found.push({ id, address, created, settings, held, archive: lists.archivePath(list) ?? null })
      }
      return { lists: found }
    },
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/lists/:address/members',
    who: 'admin',
    summary: 'List members of a mailing list, page by page',
    params: ofList,
    query: page,
    async run({ params, query: { search, offset, limit } }) {
      const list = await named(lists, params.address)
      const wanted = search.toLowerCase()
      const members: Omit<Member, 'token'>[] = []
      let total = 0
      for await (const { token: _, ...member } of lists.members(list)) {
        if (!`${member.address} ${member.name ?? ''}`.toLowerCase().includes(wanted)) continue
        if (total >= offset && members.length < limit) members.push(member)
        if (++total >= MAX_COUNTED) break
      }
      return { total, members, ...(offset + limit < total ? { next: offset + limit } : {}) }
    },
  })
  addModeration(routes, lists, audit)
}

function addModeration(routes: AdminRoutes, lists: ListsApi, audit: Audit): void {
  routes.route({
    method: 'GET',
    path: '/api/v1/lists/:address/held',
    who: 'admin',
    summary: 'List posts and requests that await a decision, oldest first',
    params: ofList,
    query: page,
    async run({ params, query: { search, offset, limit } }) {
      const wanted = search.toLowerCase()
      const found = (await heldOf(lists, await named(lists, params.address))).filter(({ address, subject }) =>
        `${address} ${subject}`.toLowerCase().includes(wanted),
      )
      const items = found.slice(offset, offset + limit)
      return { total: found.length, items, ...(offset + limit < found.length ? { next: offset + limit } : {}) }
    },
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/lists/:address/held/:id',
    who: 'admin',
    summary: 'Show the beginning of a held post as text; the history records it',
    params: ofList.extend({ id: z.string().max(100) }),
    async run({ params, by }) {
      const list = await named(lists, params.address)
      const content = await lists.heldContent(list, params.id)
      if (!content) throw new HttpProblem(404, 'The list does not hold this post')
      await audit.add({ by, what: 'list.read', about: list.address, fields: { id: params.id } })
      return new Download({ type: 'text/plain; charset=utf-8', open: () => beginning(content) })
    },
  })
  routes.route({
    method: 'POST',
    path: '/api/v1/lists/:address/decisions',
    who: 'admin',
    summary: 'Approve, reject or discard held posts and requests, or allow their authors; a stream of lines',
    params: ofList,
    body: decisions,
    run: async (call) => lines(decide(call, { lists, audit, list: await named(lists, call.params.address) })),
  })
}

async function named(lists: ListsApi, address: string): Promise<MailingList> {
  const list = await lists.list(address)
  if (!list) throw new HttpProblem(404, 'There is no such list')
  return list
}

async function heldOf(lists: ListsApi, list: MailingList): Promise<readonly HeldItem[]> {
  const found: HeldItem[] = []
  for await (const one of lists.held(list)) if (found.push(one) >= MAX_HELD) break
  return found.sort((a, b) => a.at - b.at)
}

async function* beginning(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = MAX_SHOWN_OCTETS
  for await (const chunk of content) {
    yield chunk.subarray(0, left)
    left -= chunk.length
    if (left <= 0) return
  }
}

interface Deciding {
  readonly lists: ListsApi
  readonly audit: Audit
  readonly list: MailingList
}

async function* decide({ body, by, signal }: AdminCall, { lists, audit, list }: Deciding): AsyncGenerator<Line> {
  const { decision, text } = body as z.output<typeof decisions>
  const ids: readonly string[] = body.ids ?? (await heldOf(lists, list)).map(({ id }) => id)
  const count = { decided: 0, faults: 0 }
  try {
    for (const [index, id] of ids.entries()) {
      // Other clients have their turn, and this one may have gone.
      await turn()
      if (signal.aborted) return
      const fault = await lists.decide(list, id, decision, text).then(
        (isHeld) => (isHeld ? undefined : 'It is held no more'),
        (cause: Error) => cause.message,
      )
      if (fault === undefined) count.decided++
      else {
        count.faults++
        yield { fault, at: id }
      }
      yield { progress: `${index + 1} of ${ids.length}`, done: index + 1, total: ids.length }
    }
    yield { text: `${count.decided} decided, ${count.faults} faults`, value: count }
  } finally {
    await audit.add({ by, what: `list.${decision}`, about: list.address, fields: count })
  }
}
