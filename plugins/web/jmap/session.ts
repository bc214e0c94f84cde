/**
 * The session object (RFC 8620 section 2): who the client is, which accounts it sees, and where everything is.
 */
import { createHash } from 'node:crypto'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { Call, LoggedIn } from '../http/api.ts'
import { type Capability, CORE } from './api.ts'
import { COLLATIONS } from './objects.ts'
import type { Options } from './options.ts'

export interface SessionDeps {
  readonly accounts: AccountsApi
  readonly capabilities: ReadonlyMap<string, Capability>
  readonly limits: Options['limits']
  /** Other accounts that the login sees something of. */
  sharedWith(account: string): Promise<readonly string[]>
}

const coreCapability = (limits: Options['limits']) => ({
  maxSizeUpload: limits.upload,
  maxConcurrentUpload: limits.concurrentUploads,
  maxSizeRequest: limits.request,
  maxConcurrentRequests: limits.concurrentRequests,
  maxCallsInRequest: limits.calls,
  maxObjectsInGet: limits.objectsInGet,
  maxObjectsInSet: limits.objectsInSet,
  collationAlgorithms: COLLATIONS,
})

export async function sessionOf(deps: SessionDeps, { login, origin }: LoggedIn<Call>): Promise<object> {
  const own = login.identity.account as string
  const accounts: Record<string, object> = {}
  for (const id of [own, ...(await deps.sharedWith(own))]) {
    const account = await deps.accounts.byId(id)
    const accountCapabilities: Record<string, object> = {}
    for (const [urn, { account: of }] of deps.capabilities) {
      const found = await of?.(id, own)
      if (found) accountCapabilities[urn] = found
    }
    accounts[id] = {
      name: account?.addresses[0] ?? account?.name ?? id,
      isPersonal: id === own,
      isReadOnly: false,
      accountCapabilities,
    }
  }
  const capabilities: Record<string, object> = { [CORE]: coreCapability(deps.limits) }
  for (const [urn, { session }] of deps.capabilities)
    capabilities[urn] = withOrigin(typeof session === 'function' ? await session() : session, origin)
  const primaryAccounts = Object.fromEntries([...deps.capabilities.keys()].map((urn) => [urn, own]))
  const session = {
    capabilities,
    accounts,
    primaryAccounts,
    username: login.identity.user,
    apiUrl: `${origin}/jmap/api`,
    downloadUrl: `${origin}/jmap/download/{accountId}/{blobId}/{name}?type={type}`,
    uploadUrl: `${origin}/jmap/upload/{accountId}`,
    eventSourceUrl: `${origin}/jmap/eventsource?types={types}&closeafter={closeafter}&ping={ping}`,
  }
  return { ...session, state: stateOf(session) }
}

/** A WebSocket's URL has the client's own origin. */
function withOrigin(session: object, origin: string): object {
  const { url } = session as { url?: string }
  return url === undefined ? session : { ...session, url: origin.replace(/^http/, 'ws') + url }
}

export const stateOf = (session: object): string =>
  createHash('sha256').update(JSON.stringify(session)).digest('base64url').slice(0, 16)
