/**
 * Mailing lists and their members, for lists of any length. They are changed by the commands `list …`.
 */
import * as z from 'zod'
import type { ListsApi, Member } from '../../../lists/api.ts'
import { HttpProblem } from '../../http/api.ts'
import type { AdminRoutes } from '../routes.ts'

const MAX_PAGE = 500
const MAX_COUNTED = 200_000

export function addLists(routes: AdminRoutes, lists: ListsApi): void {
  routes.route({
    method: 'GET',
    path: '/api/v1/lists',
    who: 'admin',
    summary: 'List the mailing lists',
    async run() {
      const found = []
      for await (const { id, address, created, settings } of lists.lists())
        found.push({ id, address, created, settings })
      return { lists: found }
    },
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/lists/:address/members',
    who: 'admin',
    summary: 'List members of a mailing list, page by page',
    params: z.object({ address: z.string().max(320) }),
    query: z.object({
      search: z.string().max(320).default(''),
      offset: z.coerce.number().int().min(0).default(0),
      limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100),
    }),
    async run({ params, query: { search, offset, limit } }) {
      const list = await lists.list(params.address)
      if (!list) throw new HttpProblem(404, 'There is no such list')
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
}
