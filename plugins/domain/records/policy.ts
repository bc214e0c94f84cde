/**
 * The MTA-STS policy of the domains (RFC 8461) as this server publishes it.
 *
 * Invariants: the id in the DNS changes exactly when the text does.
 */
import { createHash } from 'node:crypto'
import { Download, type HttpApi, HttpProblem } from '../../web/http/api.ts'
import type { Options } from './options.ts'

export function policyText({ mode, maxAge }: Exclude<Options['mtaSts'], false>, mx: readonly string[]): string {
  const lines = [
    'version: STSv1',
    `mode: ${mode}`,
    ...mx.map((host) => `mx: ${host}`),
    `max_age: ${Math.floor(maxAge / 1000)}`,
  ]
  return `${lines.join('\r\n')}\r\n`
}

/** At most 32 letters and digits (section 3.1). */
export const policyId = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 20)

export function servePolicy(http: HttpApi, textOf: (domain: string) => Promise<string | undefined>): void {
  http.stream({
    method: 'GET',
    path: '/.well-known/mta-sts.txt',
    who: 'anyone',
    summary: 'The MTA-STS policy of the domain in the host name',
    async run({ header }) {
      const host = (header('host') ?? header(':authority') ?? '').toLowerCase().replace(/:\d{1,5}$/, '')
      const text = host.startsWith('mta-sts.') ? await textOf(host.slice('mta-sts.'.length)) : undefined
      if (text === undefined) throw new HttpProblem(404, 'There is no policy for this name')
      return new Download({
        // RFC 8461 section 3.2.
        type: 'text/plain',
        open: async function* () {
          yield Buffer.from(text)
        },
      })
    },
  })
}
