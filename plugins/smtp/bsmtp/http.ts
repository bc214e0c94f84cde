/** Batches by HTTPS: a partner's server posts them, and learns by the status whether they were taken. */
import { Answer, type HttpApi } from '../../web/http/api.ts'
import type { Inbox } from './inbox.ts'
import type { Links } from './links.ts'
import { SIGNATURE_FIELD } from './mail-form.ts'

export interface RouteDeps {
  readonly http: HttpApi
  readonly inbox: Inbox
  readonly links: Links
  readonly path: string
  /** Octets of a batch. */
  readonly limit: number
}

export function addRoute({ http, inbox, links, path, limit }: RouteDeps): void {
  http.stream({
    method: 'POST',
    path,
    // The signature shows who it is; without one a login must.
    who: 'anyone',
    summary: 'Take a batch of mail from a partner',
    limit: { body: limit },
    async run({ body, login, remote, header }) {
      const link = login && links.all.find(({ accept }) => accept.users.includes(login.identity.user))
      const signature = header(SIGNATURE_FIELD.toLowerCase())
      const reply = await inbox.receive(body, {
        remote,
        ...(link ? { link } : {}),
        ...(signature === undefined ? {} : { signature }),
      })
      const status = reply.code < 300 ? 200 : reply.code < 500 ? 503 : reply.enhanced === '5.7.1' ? 403 : 422
      return new Answer(status, { code: reply.code, text: reply.text })
    },
  })
}
