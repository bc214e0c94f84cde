/** The account's quota of octets (RFC 9425). */
import type { JmapClient, Json } from './client.ts'

export interface Quota {
  readonly used: number
  readonly limit: number
}

export async function quotaOf(client: JmapClient): Promise<Quota | undefined> {
  const [quotas] = await client.call(['Quota/get', { ids: null }])
  const found = (quotas?.list as Json[] | undefined)?.find(({ resourceType }) => resourceType === 'octets')
  return found && { used: found.used, limit: found.hardLimit }
}
