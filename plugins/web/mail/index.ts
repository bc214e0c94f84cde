/**
 * Web mail: a browser application on JMAP. This plugin serves its files; all access to mail goes through JMAP.
 *
 * Invariants: the page that shows a message's HTML runs no script and loads nothing from elsewhere, whatever the
 * application writes into it.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { definePlugin, network, size } from 'iems'
import * as z from 'zod'
import { Accounts } from '../../directory/static/api.ts'
import { Mailsort } from '../../mailbox/mailsort/api.ts'
import { MailStore } from '../../mailbox/store/api.ts'
import { APPLICATION_POLICY, applicationFolder } from '../app/api.ts'
import { Download, Http, html, Redirect } from '../http/api.ts'
import { Jmap } from '../jmap/api.ts'
import { Webmail } from './api.ts'
import { addDecodedBlobs } from './decoded.ts'
import { addImageProxy } from './images.ts'
import { addPlainPages } from './plain.ts'
import { addRuleRoutes } from './rules.ts'
import { addSlotRoutes, Slots } from './slots.ts'
import { addUnsubscribe } from './unsubscribe.ts'

/** The document that a message's HTML is written into: no script, nothing from another server, no form. */
const FRAME_POLICY = [
  "default-src 'none'",
  "img-src 'self' data: blob:",
  "style-src 'unsafe-inline'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'self'",
  'sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox',
].join('; ')

export * from './api.ts'

export const webmail = definePlugin({
  name: 'webmail',
  config: z
    .strictObject({
      root: z.boolean().default(true).describe('Redirects `/` to the web mail at `/mail/`.'),
      images: z
        .strictObject({
          maxSize: size().prefault('5 MB').describe('Octets of one remote image.'),
          allow: z
            .array(network())
            .default([])
            .describe('Networks beside the public Internet that remote images may be in; they need no TLS.'),
        })
        .prefault({})
        .describe('Remote images of messages, which the server fetches when the reader allows it.'),
    })
    .prefault({}),
  needs: [Http, Jmap, MailStore, Accounts],
  wants: [Mailsort],
  offers: [Webmail],
  setup({ root, images }, ctx) {
    const http = ctx.use(Http)
    const home = { who: 'anyone', summary: 'Leads to the web mail', run: () => new Redirect('/mail/') } as const
    if (root) http.page({ ...home, path: '/' })
    http.page({ ...home, path: '/mail' })
    http.page({
      path: '/mail/frame',
      who: 'anyone',
      summary: 'The empty document for the HTML of a message',
      policy: FRAME_POLICY,
      run: () =>
        html`<!doctype html><html><head><meta charset="utf-8"><title>Message</title></head><body></body></html>`,
    })
    const mail = ctx.use(MailStore)
    const slots = new Slots()
    ctx.offer(Webmail, slots)
    addSlotRoutes(http, { slots, mail, log: ctx.log })
    addDecodedBlobs(ctx.use(Jmap))
    addUnsubscribe(http, { mail, dns: ctx.dns, log: ctx.log, allow: images.allow })
    addPlainPages(http, mail, ctx.use(Accounts))
    addRuleRoutes(http, ctx.find(Mailsort))
    addImageProxy(http, images, ctx.dns)
    const folder = applicationFolder('mail')
    http.stream({
      method: 'GET',
      path: '/mail/sw.js',
      who: 'anyone',
      summary: 'The service worker of the web mail',
      // It asks this server only.
      run: async () => {
        const script = await readFile(join(await folder(), 'sw.js'))
        return new Download({
          type: 'text/javascript; charset=utf-8',
          open: async function* () {
            yield script
          },
          headers: { 'content-security-policy': "default-src 'none'; connect-src 'self'" },
        })
      },
    })
    http.files({
      path: '/mail/',
      folder,
      fallback: 'index.html',
      policy: APPLICATION_POLICY,
    })
    return { started: () => http.origins().map((origin) => `Mail in the browser: ${origin}/${root ? '' : 'mail/'}`) }
  },
})
