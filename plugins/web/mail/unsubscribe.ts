/**
 * One-click unsubscription (RFC 8058): the server sends the request, so that the list learns nothing of the reader's
 * browser.
 *
 * Invariants: the URL comes from the message itself, uses TLS and is public; the request has no cookie and no referrer.
 */
import type { SetupContext } from 'iems'
import * as z from 'zod'
import type { MailStoreApi } from '../../mailbox/store/api.ts'
import { type HttpApi, HttpProblem, requestPublic } from '../http/api.ts'
import { shownMessage } from './slots.ts'

const TIMEOUT_MS = 20_000
const MAX_ANSWER = 100_000
const PER_MINUTE = 20

/** The address for the request; undefined when the list offers no one-click unsubscription. */
export function oneClickUrl(unsubscribe: string, post: string): string | undefined {
  if (post.replace(/\s/g, '').toLowerCase() !== 'list-unsubscribe=one-click') return undefined
  const urls = [...unsubscribe.slice(0, 10_000).matchAll(/<\s*(https:[^\s<>]{1,2000})\s*>/gi)]
  return urls[0]?.[1]
}

export function addUnsubscribe(
  http: HttpApi,
  {
    mail,
    dns,
    log,
    allow,
  }: Pick<SetupContext, 'dns' | 'log'> & { readonly mail: MailStoreApi; readonly allow: readonly string[] },
): void {
  http.route({
    method: 'POST',
    path: '/mail/api/unsubscribe',
    who: 'user',
    summary: 'Leaves the mailing list of a message with one click',
    body: z.object({ email: z.string().max(200) }),
    limit: { perMinute: PER_MINUTE },
    async run({ body: { email }, login }) {
      const message = await shownMessage(mail, login.identity.account ?? '', email)
      const [unsubscribe = ''] = message.field('list-unsubscribe')
      const [post = ''] = message.field('list-unsubscribe-post')
      const url = oneClickUrl(unsubscribe, post)
      if (url === undefined) throw new HttpProblem(400, 'The list offers no unsubscription with one click')
      const { status } = await requestPublic(
        {
          url,
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: Buffer.from('List-Unsubscribe=One-Click'),
          maxAnswer: MAX_ANSWER,
          timeout: TIMEOUT_MS,
          allow,
        },
        dns,
      ).catch((cause: unknown) => {
        log.info('a mailing list was not reached to leave it', { url, cause: String(cause) })
        throw new HttpProblem(502, 'The server of the list was not reached')
      })
      if (status >= 400) throw new HttpProblem(502, `The list answered ${status}`)
      return undefined
    },
  })
}
