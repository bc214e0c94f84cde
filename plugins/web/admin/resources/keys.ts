/**
 * Keys of the API.
 */
import { network } from 'iems'
import * as z from 'zod'
import { HttpProblem } from '../../http/api.ts'
import type { Audit } from '../audit.ts'
import type { ApiKeys } from '../keys.ts'
import type { AdminRoutes } from '../routes.ts'

const name = z.string().regex(/^[\w.-]{1,64}$/, 'must be letters, digits, dots and dashes')
const MAX_NETWORKS = 50

export function addKeys(routes: AdminRoutes, { keys, audit }: { readonly keys: ApiKeys; readonly audit: Audit }): void {
  routes.route({
    method: 'GET',
    path: '/api/v1/keys',
    who: 'admin',
    summary: 'List the keys of the API, without the keys',
    run: async () => ({ keys: await Array.fromAsync(keys.list()) }),
  })
  routes.route({
    method: 'POST',
    path: '/api/v1/keys',
    who: 'admin',
    summary: 'Make a key; it is shown only in this answer',
    body: z.strictObject({
      name,
      roles: z.array(z.string().min(1).max(300)).min(1).max(50),
      networks: z.array(network()).max(MAX_NETWORKS).default([]),
      expires: z.int().positive().optional(),
    }),
    fresh: true,
    async run({ body, by }) {
      const made = await keys.create({ ...body, by })
      await audit.add({ by, what: 'key.add', about: body.name, fields: { roles: body.roles } })
      return { id: made.key.id, secret: made.secret }
    },
  })
  routes.route({
    method: 'DELETE',
    path: '/api/v1/keys/:id',
    who: 'admin',
    summary: 'Remove a key',
    params: z.object({ id: z.string().max(100) }),
    fresh: true,
    async run({ params, by }) {
      const removed = await keys.remove(params.id)
      if (!removed) throw new HttpProblem(404, 'There is no such key')
      await audit.add({ by, what: 'key.remove', about: removed.name })
    },
  })
}
