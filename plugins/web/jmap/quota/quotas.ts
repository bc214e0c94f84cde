/**
 * Quotas (RFC 9425): what an account's mailboxes hold, and may hold.
 */
import * as z from 'zod'
import type { JmapCall, JmapObject, ObjectType, Query } from '../api.ts'
import type { MailDeps } from '../mail/deps.ts'
import { changesSince } from '../stateless.ts'

export const QUOTA = 'urn:ietf:params:jmap:quota'

const PROPERTIES = [
  'id',
  'resourceType',
  'used',
  'hardLimit',
  'warnLimit',
  'softLimit',
  'scope',
  'name',
  'types',
  'description',
]
const filterSchema = z.strictObject({
  name: z.string().optional(),
  scope: z.string().optional(),
  resourceType: z.string().optional(),
  type: z.string().optional(),
})

async function quotasOf({ mail }: MailDeps, account: string, call: JmapCall): Promise<JmapObject[]> {
  if (account !== call.own) return []
  const limits = await mail.limitsOf(account)
  const usage = await mail.usage(account)
  const one = (resourceType: 'octets' | 'count', used: number, hardLimit: number | null): JmapObject[] =>
    hardLimit === null
      ? []
      : [
          {
            id: resourceType,
            resourceType,
            used,
            hardLimit,
            warnLimit: null,
            softLimit: null,
            scope: 'account',
            name: account,
            types: ['Mail'],
            description: null,
          },
        ]
  return [...one('octets', usage.octets, limits.octets), ...one('count', usage.messages, limits.messages)]
}

const stateOf = async (deps: MailDeps, account: string, call: JmapCall) =>
  JSON.stringify((await quotasOf(deps, account, call)).map(({ used, hardLimit }) => [used, hardLimit])).replace(
    /[^0-9]+/g,
    '-',
  )

export function quotaType(deps: MailDeps): ObjectType<z.output<typeof filterSchema>> {
  return {
    capability: QUOTA,
    properties: PROPERTIES,
    state: (account, call) => stateOf(deps, account, call),
    changes: async (account, since, _, call) => changesSince(since, await stateOf(deps, account, call)),
    get: async ({ account, ids }, call) =>
      (await quotasOf(deps, account, call)).filter(({ id }) => ids === undefined || ids.includes(id)),
    filter: filterSchema,
    sorts: ['name', 'used'],
    async query({ account, filter, call }: Query<z.output<typeof filterSchema>>) {
      const all = await quotasOf(deps, account, call)
      return all
        .filter(
          (one) => !filter || 'operator' in filter || !filter.resourceType || filter.resourceType === one.resourceType,
        )
        .map(({ id }) => id)
    },
  }
}
