/**
 * The fate of messages: search over waiting, finished and refused mail, and the trace of one.
 */
import type { FoundMessage, MessageFilter } from 'iems'
import * as z from 'zod'
import { HttpProblem } from '../../http/api.ts'
import type { AdminRoutes } from '../routes.ts'

const text = z.string().min(1).max(1000).optional()
const time = z.coerce.number().int().min(0).optional()
const MAX_FOUND = 200
/** Ms that one search may take; the answer is what it has found until then. */
const SEARCH_MS = 5000

export function addTrace(routes: AdminRoutes): void {
  routes.route({
    method: 'GET',
    path: '/api/v1/messages',
    who: 'trace:read',
    summary: 'Search messages, newest first: every given field must fit',
    query: z.object({
      from: text,
      to: text,
      subject: text,
      id: text,
      reply: text,
      client: text,
      state: z.enum(['waiting', 'finished', 'refused']).optional(),
      since: time,
      until: time,
      limit: z.coerce.number().int().min(1).max(MAX_FOUND).default(50),
    }),
    async run({ administration, query: { limit, ...rest }, signal }) {
      const filter = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
      const messages: FoundMessage[] = []
      const timeout = AbortSignal.timeout(SEARCH_MS)
      try {
        for await (const one of administration.queue.search(
          filter as MessageFilter,
          AbortSignal.any([signal, timeout]),
        )) {
          if (messages.length >= limit) return { messages, isComplete: false }
          messages.push(one)
        }
      } catch (cause) {
        if (!timeout.aborted) throw cause
        return { messages, isComplete: false }
      }
      return { messages, isComplete: true }
    },
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/messages/:id',
    who: 'trace:read',
    summary: 'Show the trace of a message: each step, each attempt, each answer',
    params: z.object({ id: z.string().max(200) }),
    async run({ administration, params: { id } }) {
      const trace = await administration.queue.trace(id)
      if (!trace) throw new HttpProblem(404, 'This message is not known, or its history has been removed')
      return trace
    },
  })
}
