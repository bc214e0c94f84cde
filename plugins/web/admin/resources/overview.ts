/**
 * The identity of the caller, the state of the server, and mail by the hour.
 */

import * as z from 'zod'
import type { MailStoreApi } from '../../../mailbox/store/api.ts'
import type { FlowOfMail } from '../flow.ts'
import type { PeopleIndex } from '../people-index.ts'
import type { AdminRoutes } from '../routes.ts'
import { domainsOf } from '../scope.ts'

const PERMISSIONS = ['status:read', 'queue:read', 'trace:read', 'people:read', 'people:change', 'domains:read', 'admin']
const HOUR_MS = 3_600_000
const MAX_HOURS = 24 * 35
/** A mailbox is shown as almost full from here on. */
const ALMOST_FULL = 0.95
const MAX_FULL = 100

export interface OverviewDeps {
  readonly routes: AdminRoutes
  readonly flow: FlowOfMail
  readonly hostname: string
  readonly people: PeopleIndex | undefined
  readonly mail: MailStoreApi | undefined
  readonly clock: { now(): number }
  /** Services and plugins by which pages are shown or left out. */
  readonly features: readonly string[]
}

export function addOverview({ routes, flow, hostname, people, mail, clock, features }: OverviewDeps): void {
  routes.route({
    method: 'GET',
    path: '/api/v1/me',
    who: 'user',
    summary: 'Show the roles, permissions and domains of the login',
    run: ({ login }) => ({
      user: login.identity.user,
      account: login.identity.account ?? null,
      roles: login.roles,
      permissions: PERMISSIONS.filter((permission) => login.may(permission)),
      domains: domainsOf(login) ?? null,
      isFresh: login.isFresh,
      hostname,
      features,
    }),
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/status',
    who: 'status:read',
    summary: 'Show the state of the server and its problems, each with its cure',
    run: ({ administration }) => administration.status(),
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/flow',
    who: 'status:read',
    summary: 'List mail by the hour: received, delivered, refused, failed',
    query: z.object({ hours: z.coerce.number().int().min(1).max(MAX_HOURS).default(24) }),
    run: async ({ query }) => ({ hours: await flow.hours(clock.now() - (query.hours - 1) * HOUR_MS) }),
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/full-mailboxes',
    who: 'admin',
    summary: 'List accounts whose mailboxes are almost full',
    async run() {
      const accounts = (await people?.ask({ kind: 'account' })) ?? []
      const limits = new Map(accounts.flatMap(({ id, name, quota }) => (quota ? [[id, { name, quota }]] : [])))
      const full: { id: string; name: string; octets: number; quota: number }[] = []
      if (limits.size > 0 && mail)
        for await (const { account, octets } of mail.usages()) {
          const limit = limits.get(account)
          if (limit && octets >= limit.quota * ALMOST_FULL) full.push({ id: account, octets, ...limit })
          if (full.length >= MAX_FULL) break
        }
      return { accounts: full }
    },
  })
}
