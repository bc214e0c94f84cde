/**
 * Warnings about a valid configuration, for the log and `iems check`.
 */
import { format } from '../api/reply.ts'
import type { ServerSession } from '../api/session.ts'
import type { Config } from './config-schema.ts'
import type { PluginHost } from './plugin-host.ts'

/** Routes to channels that do not deliver. */
export function lostRoutes(hosts: readonly PluginHost[], delivering: ReadonlySet<string>): string[] {
  const known = [...delivering].join(', ') || 'none'
  return hosts.flatMap(({ name, routes }) =>
    routes
      .filter((channel) => !delivering.has(channel))
      .map(
        (channel) =>
          `${name} routes mail to the channel ${channel}, which is not configured or does not deliver; channels that deliver: ${known}`,
      ),
  )
}

/** RFC 5321 section 4.5.1: a server that accepts mail must have a postmaster. */
export function roleWarnings({ reports }: Config, accepts: ReadonlyMap<string, string>): string[] {
  if (reports.postmaster !== undefined || ![...accepts.values()].includes('anyone')) return []
  return ['reports.postmaster is not set: mail for postmaster and abuse is refused where no mailbox has that name']
}

/** Checks that mail to the postmaster is accepted. */
export async function* unreachable(postmaster: string, session: ServerSession): AsyncGenerator<string> {
  const refusal = (await session.mail('', {})) ?? (await session.rcpt({ address: postmaster }))
  session.close()
  if (refusal) yield `reports.postmaster ${postmaster} gets no mail: ${format(refusal.reply)}`
}
