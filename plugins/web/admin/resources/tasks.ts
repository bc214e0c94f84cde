/**
 * Tasks: long work that a client began with `Prefer: respond-async` (RFC 7240), found again, followed and cancelled.
 */
import * as z from 'zod'
import { type AdminRoutes, lines } from '../routes.ts'
import type { Tasks } from '../tasks.ts'

export function addTasks(routes: AdminRoutes, tasks: Tasks): void {
  const ofTask = z.object({ id: z.string().max(100) })
  routes.route({
    method: 'GET',
    path: '/api/v1/tasks',
    who: 'user',
    summary: 'List long work of the login that runs, or has ended and is not forgotten',
    run: async ({ by }) => ({ tasks: await tasks.list(by) }),
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/tasks/:id/lines',
    who: 'user',
    summary: 'Follow a task: its lines after the first `after`, then new ones until it has ended',
    params: ofTask,
    query: z.object({ after: z.coerce.number().int().min(0).default(0) }),
    run: async ({ params, query, by, signal }) =>
      lines(tasks.lines(await tasks.get(params.id, by), query.after, signal)),
  })
  routes.route({
    method: 'DELETE',
    path: '/api/v1/tasks/:id',
    who: 'user',
    summary: 'Cancel a task that runs; forget one that has ended',
    params: ofTask,
    run: async ({ params, by }) => tasks.end(await tasks.get(params.id, by)),
  })
}
