/**
 * Downloads of linked files over HTTP.
 *
 * Invariants: a token that does not exist and one that has expired look the same; a file is scanned at each download
 * where antivirus is configured, and one with a virus is never served; no browser opens it by itself.
 */
import { AllBackendsDown } from 'iems'
import { baseName } from 'iems/mime'
import * as z from 'zod'
import type { AntivirusApi } from '../../filter/antivirus/api.ts'
import { Download, type HttpApi, HttpProblem } from '../../web/http/api.ts'
import type { LinkRecord, Links } from './links.ts'

const PER_MINUTE = 60

export interface RoutesDeps {
  readonly http: HttpApi
  readonly links: Links
  readonly antivirus: AntivirusApi | undefined
}

export function addRoutes({ http, links, antivirus }: RoutesDeps): void {
  http.stream({
    method: 'GET',
    path: '/attachments/:token',
    who: 'anyone',
    summary: 'A file that a message refers to by a link',
    params: z.object({ token: z.string().regex(/^[A-Za-z0-9_-]{32}$/) }),
    limit: { perMinute: PER_MINUTE },
    async run({ params: { token } }) {
      const record = await links.find(token)
      if (!record) throw new HttpProblem(404, 'There is no such file, or its link has expired')
      const infected = record.infected ?? (antivirus ? await virusIn(record, links, antivirus) : undefined)
      if (infected !== undefined) {
        if (record.infected === undefined) await links.condemn(token, infected)
        throw new HttpProblem(403, 'The file contains a virus')
      }
      return new Download({
        type: 'application/octet-stream',
        size: record.size,
        name: baseName(record.name),
        open: (range) => links.open(record, range),
        headers: { 'content-security-policy': "sandbox; default-src 'none'", 'x-content-type-options': 'nosniff' },
      })
    },
  })
}

async function virusIn(record: LinkRecord, links: Links, antivirus: AntivirusApi): Promise<string | undefined> {
  try {
    const { kind, name } = await antivirus.scan({ size: record.size, open: (range) => links.open(record, range) })
    return kind === 'virus' ? name : undefined
  } catch (error) {
    if (!(error instanceof AllBackendsDown)) throw error
    throw new HttpProblem(503, 'The file cannot be scanned for viruses now, try again later')
  }
}
