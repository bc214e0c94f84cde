/**
 * Deleted entries of the directory, and their restoration.
 *
 * Invariants: a login restores what it could delete; each restoration is in the history.
 */
import { setImmediate as turn } from 'node:timers/promises'
import * as z from 'zod'
import { type DirectoryApi, type Entry, isRefused, type RemovedEntry } from '../../../directory/store/api.ts'
import type { Audit } from '../audit.ts'
import { listed } from '../people-index.ts'
import { type AdminCall, type AdminRoutes, type Line, lines } from '../routes.ts'
import { requireScope } from '../scope.ts'

const MAX_PAGE = 500
const MAX_IDS = 100_000
const BATCH = 100
const restoration = z.strictObject({
  ids: z.array(z.string().max(100)).min(1).max(MAX_IDS).optional(),
  /** Without ids: all that fit and that the login may restore. */
  search: z.string().max(500).default(''),
})

interface RemovedDeps {
  readonly directory: DirectoryApi
  readonly audit: Audit
}

export function addRemoved(routes: AdminRoutes, deps: RemovedDeps): void {
  routes.route({
    method: 'GET',
    path: '/api/v1/removed',
    who: 'people:change',
    summary: 'List deleted entries that can be restored, the latest first',
    query: z.object({
      search: z.string().max(500).default(''),
      offset: z.coerce.number().int().min(0).default(0),
      limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100),
    }),
    async run(call) {
      const { search, offset, limit } = call.query
      const found = (await restorable(deps.directory, call)).flatMap(({ entry, at, by }) => {
        const shown = listed(entry)
        return shown && fits(entry, search) ? [{ ...shown, at, by }] : []
      })
      const entries = found.sort((a, b) => b.at - a.at).slice(offset, offset + limit)
      return { total: found.length, entries, ...(offset + limit < found.length ? { next: offset + limit } : {}) }
    },
  })
  routes.route({
    method: 'POST',
    path: '/api/v1/removed/restorations',
    who: 'people:change',
    summary: 'Restore deleted entries with their passwords, groups and mailboxes; a stream of lines',
    body: restoration,
    limit: { body: 16_000_000 },
    run: (call) => lines(restore(deps, call)),
  })
}

function fits(entry: Entry, search: string): boolean {
  const { name = '', displayName = '' } = listed(entry) ?? {}
  const addresses = 'addresses' in entry ? entry.addresses : []
  return [name, displayName, ...addresses].join(' ').toLowerCase().includes(search.toLowerCase())
}

const mayRestore = ({ login }: AdminCall, before: Entry): boolean => {
  try {
    requireScope(login, { kind: before.kind, before })
    return true
  } catch {
    return false
  }
}

async function restorable(directory: DirectoryApi, call: AdminCall): Promise<readonly RemovedEntry[]> {
  const found: RemovedEntry[] = []
  for await (const one of directory.removed()) if (mayRestore(call, one.entry)) found.push(one)
  return found
}

async function* restore({ directory, audit }: RemovedDeps, call: AdminCall): AsyncGenerator<Line> {
  const all = await restorable(directory, call)
  const own = new Set(all.map(({ entry }) => entry.id))
  const { search } = call.body as z.output<typeof restoration>
  const fitting = all.filter(({ entry }) => fits(entry, search))
  const ids: readonly string[] = call.body.ids ?? fitting.map(({ entry }) => entry.id)
  const done = { restored: 0, faults: 0 }
  try {
    for (let at = 0; at < ids.length; at += BATCH) {
      await turn()
      if (call.signal.aborted) return
      const batch = ids.slice(at, at + BATCH)
      const allowed = batch.filter((id) => own.has(id))
      const results = await directory.change(
        allowed.map((id) => ({ restore: id })),
        call.by,
        'each',
      )
      const whys = new Map(allowed.map((id, index) => [id, results[index]]))
      for (const id of batch) {
        const result = whys.get(id)
        if (result && !isRefused(result)) {
          done.restored++
          continue
        }
        done.faults++
        yield { fault: result ? result.why : 'There is no such deleted entry', at: id }
      }
      const handled = at + batch.length
      yield { progress: `${handled} of ${ids.length}`, done: handled, total: ids.length }
    }
    yield { text: `${done.restored} restored, ${done.faults} faults`, value: done }
  } finally {
    await audit.add({ by: call.by, what: 'directory.restore', fields: done })
  }
}
